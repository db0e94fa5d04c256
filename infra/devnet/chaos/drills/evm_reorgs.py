"""Blocks that the product has seen go away (F29 to F31)."""

from infra.devnet.chaos.anvil import blocks_by_hand, code_at, noticed, pooled
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.evm.addresses import USDC
from infra.devnet.evm.artifacts import own_tokens
from infra.devnet.evm.toolchain import evm_toolchain

FINAL_AFTER = 3  # blocks: a transaction's own, and the two on top that make it final
PAUSED = "0x" + 63 * "0" + "3"  # where PausableToken keeps `paused`, behind the three of DevToken
YES, NO = "0x" + 63 * "0" + "1", "0x" + 64 * "0"


@drill("F29", "a block that is not final goes away with the payload", venues=("evm",), guards=("G1", "G7"))
async def seen_and_taken_back(scene: Scene) -> None:
    lane = await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        for leg_no in range(1, scene.records.legs + 1):
            attempt, since = await pooled(scene, anvil, execution, leg_no), scene.node.log.count
            sha256, hash_ = attempt["payload_sha256"], attempt["venue_ref"]
            depth = scene.rng.choice((1, 2))  # blocks, its own among them; the third would be final
            await anvil.mine(depth)
            await noticed(scene, hash_, since)
            sent = scene.sends(sha256)
            await anvil.fork(depth)
            scene.check(await anvil.receipt(hash_) is None, "the fork has kept it")
            scene.check(await scene.booked(execution) == 0, "it was booked before it was final")
            await scene.until(lambda: anvil.waits(hash_), "the same payload to come again")  # noqa: B023
            scene.check(scene.sends(sha256) > sent, "the pool found it again by itself")
            await anvil.mine(FINAL_AFTER)
        await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "something was signed anew")


@drill("F31", "a swap reverts, and on another fork the same bytes succeed", venues=("evm",), guards=("G1", "G3"))
async def reverted_then_not(scene: Scene) -> None:
    lane, swap = await scene.lane(), scene.records.legs
    pausable = own_tokens(evm_toolchain())["PausableToken"]
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        await pooled(scene, anvil, execution)
        await anvil.mine(FINAL_AFTER)
        attempt, since = await pooled(scene, anvil, execution, swap), scene.node.log.count
        hash_ = attempt["venue_ref"]
        async with code_at(anvil, USDC, pausable):
            await anvil.call("anvil_setStorageAt", USDC, PAUSED, YES)
            await anvil.mine()
            receipt = await anvil.receipt(hash_)
            scene.check(receipt is not None and receipt["status"] == "0x0", f"it has not reverted: {receipt}")
            await noticed(scene, hash_, since)
            await anvil.fork(1)
            await anvil.call("anvil_setStorageAt", USDC, PAUSED, NO)  # after the fork, which brings it back
        await scene.until(lambda: anvil.waits(hash_), "the same payload to come again")
        await anvil.mine(FINAL_AFTER)
        await scene.ends(execution)
        receipt = await anvil.receipt(hash_)
        scene.check(receipt is not None and receipt["status"] == "0x1", f"it has not succeeded: {receipt}")
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "something was signed anew")
