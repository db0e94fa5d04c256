"""An EVM node loses what it was sent, or says nothing of it; a stranger signs with the wallet's key (F27, F28, F35)."""

from infra.devnet.chaos.anvil import blocks_by_hand, hands, pooled
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import DropAfter
from infra.devnet.proxy.request import Request

FINAL_AFTER = 3  # blocks: a transaction's own, and the two on top that make it final


@drill("F27", "the node takes each payload and never answers", venues=("evm",), guards=("G1", "G3"), quick=True)
async def taken_without_an_answer(scene: Scene) -> None:
    lane, began = await scene.lane(), scene.node.log.count
    seen = set[str]()

    def is_new(request: Request) -> bool:
        fresh = set(request.payloads()) - seen
        seen.update(fresh)
        return bool(fresh)

    lost = scene.node.arm(DropAfter(), name=scene.send, when=is_new)
    execution = await lane.fire()
    await scene.ends(execution)
    scene.check(lost.hits == scene.records.legs, f"{lost.hits} sends lost their answer, not one a leg")
    attempts = await scene.attempts(execution)
    scene.check(len(attempts) == scene.records.legs, "something was signed anew")
    sent = {payload for exchange in scene.node.log.calls(scene.send, began) for payload in exchange.payloads}
    scene.check(sent == {attempt["payload_sha256"] for attempt in attempts}, "other bytes went out")


@drill("F28", "the pool forgets a payload before any block has it", venues=("evm",), guards=("G1", "G6"))
async def forgotten_by_the_pool(scene: Scene) -> None:
    lane = await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        for leg_no in range(1, scene.records.legs + 1):
            attempt = await pooled(scene, anvil, execution, leg_no)
            sent = scene.sends(attempt["payload_sha256"])
            await anvil.drop(attempt["venue_ref"])
            scene.check(not await anvil.waits(attempt["venue_ref"]), "the pool has kept it")
            await scene.until(lambda: anvil.waits(attempt["venue_ref"]), "the same payload to come again")  # noqa: B023
            scene.check(scene.sends(attempt["payload_sha256"]) > sent, "the pool found it again by itself")
            await anvil.mine(FINAL_AFTER)
        await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "something was signed anew")


@drill("F35", "a stranger uses the nonce of a payload that is out", venues=("evm",), guards=("G1", "G8", "G13"))
async def nonce_taken_by_a_stranger(scene: Scene) -> None:
    lane, other = await scene.lane(), await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        attempt = await pooled(scene, anvil, execution)
        await anvil.drop(attempt["venue_ref"])
        stolen = await anvil.sign_as(lane.address, nonce=hex(int(attempt["nonce"])), maxFeePerGas=hex(10**11))
        lane.foreign.append(stolen)
        await anvil.mine(FINAL_AFTER)
        scene.check(await anvil.receipt(stolen) is not None, "the stranger's payload has not landed")
        await anvil.go_on()
        await scene.reaches(execution, "UNKNOWN")
        scene.check(await scene.frozen(lane), "the wallet goes on signing")
        scene.check("FOREIGN_NONCE" in await scene.tasks(lane), f"nobody was asked: {await scene.tasks(lane)}")
        await scene.ends(await other.fire())
    scene.check(len(await scene.attempts(execution)) == 1, "something was signed beside the stranger")


@drill("F35", "a stranger has used the key before anything is signed", venues=("evm",), guards=("G13",))
async def key_used_between_two_swaps(scene: Scene) -> None:
    lane = await scene.lane()
    await scene.ends(await lane.fire())
    async with hands(scene) as anvil:
        stolen = await anvil.sign_as(lane.address)
        lane.foreign.append(stolen)
        await scene.until(lambda: anvil.receipt(stolen), "the stranger's payload to land")
    execution = await lane.fire()
    await scene.ends(execution, "BLOCKED")
    scene.check(not any(one["venue_ref"] for one in await scene.attempts(execution)), "it was signed all the same")
    scene.check(await scene.frozen(lane), "the wallet goes on signing")
    scene.check("FOREIGN_NONCE" in await scene.tasks(lane), f"nobody was asked: {await scene.tasks(lane)}")
