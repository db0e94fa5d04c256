"""Gas that costs too much: payloads that stick, and what takes their place (F32 to F34).

A replacement is signed half a minute after the payload that it betters, so these take that long.
"""

from dataclasses import replace
from typing import Any

from domain.fees import REPLACEMENT_BUMP_PERCENT
from infra.chains.evm import transaction
from infra.devnet.chaos.anvil import GWEI, base_fee, blocks_by_hand, pooled
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import DropAfter, Pass

FINAL_AFTER = 3  # blocks: a transaction's own, and the two on top that make it final
CAP_WEI = 50 * GWEI  # the world's GAS_CAP_GWEI, which is the default


@drill("F32", "a raise is sent and its answer lost; the raise lands", venues=("evm",), guards=("G1", "G3"))
async def raise_lands_unheard(scene: Scene) -> None:
    await _either_lands(scene, original=False)


@drill("F32", "a raise is sent and its answer lost; the original lands", venues=("evm",), guards=("G1", "G3"))
async def original_lands_after_its_raise(scene: Scene) -> None:
    await _either_lands(scene, original=True)


async def _either_lands(scene: Scene, *, original: bool) -> None:
    lane, swap = await scene.lane(), scene.records.legs
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        await pooled(scene, anvil, execution)
        await anvil.mine(FINAL_AFTER)
        first = await pooled(scene, anvil, execution, swap)
        raw = await anvil.raw(first["venue_ref"])
        lost = scene.node.arm(
            DropAfter(), name=scene.send, when=lambda request: first["payload_sha256"] not in request.payloads()
        )
        second = await pooled(scene, anvil, execution, swap, attempt_no=2)
        await scene.hit(lost)
        await scene.kill(*scene.workers)
        _is_a_raise(first, second)
        if original:
            await anvil.drop(second["venue_ref"])
            await anvil.call("eth_sendRawTransaction", raw)
        await anvil.mine(FINAL_AFTER)
        landed, other = (first, second) if original else (second, first)
        scene.check(await anvil.receipt(landed["venue_ref"]) is not None, "the wrong one has landed, or none")
        scene.proxies.clear()
        await scene.restart(*scene.workers)
        await anvil.go_on()
        await scene.ends(execution)
    await _one_of_two(scene, execution, landed, other)


@drill("F33", "gas grows dearer than a payload offers", venues=("evm",), guards=("G1", "G8", "G14"))
async def stuck_at_its_fee(scene: Scene) -> None:
    lane = await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        first = await pooled(scene, anvil, execution)
        async with base_fee(scene, 20 * GWEI):
            await anvil.go_on()
            waiting = await lane.fire()
            second = await scene.signed(execution, attempt_no=2)
            scene.check(not await scene.attempts(waiting), "another execution signs above the gap")
            _is_a_raise(first, second)
            await scene.ends(execution)
        await scene.ends(waiting)
    await _one_of_two(scene, execution, second, first)


def _is_a_raise(first: dict[str, Any], second: dict[str, Any]) -> None:
    """The same transaction at the same nonce, both fees higher by what pools ask for. Read from the signed bytes."""
    old, new = (transaction.read(attempt["payload"]).transaction for attempt in (first, second))
    Scene.check(replace(new, offer=old.offer) == old, "the raise does something else, or is at another nonce")
    for before, after in (
        (old.offer.max_fee_wei, new.offer.max_fee_wei),
        (old.offer.tip_wei, new.offer.tip_wei),
    ):
        Scene.check(after * 100 >= before * (100 + REPLACEMENT_BUMP_PERCENT), f"{before} wei was raised to {after}")
    Scene.check(new.offer.max_fee_wei <= CAP_WEI, f"the raise offers {new.offer.max_fee_wei} wei a gas")


async def _one_of_two(scene: Scene, execution: str, landed: dict[str, Any], other: dict[str, Any]) -> None:
    fates = {one["venue_ref"]: one["fate"] for one in await scene.attempts(execution)}
    scene.check(fates[landed["venue_ref"]] == "LANDED", f"what landed is {fates[landed['venue_ref']]} in the book")
    scene.check(fates[other["venue_ref"]] == "DEAD", f"what lost is {fates[other['venue_ref']]} in the book")
    scene.check(len(fates) == scene.records.legs + 1, "more was signed than one raise")


@drill("F34", "gas costs ten times the cap", venues=("evm",), guards=("G14",))
async def dearer_than_the_cap(scene: Scene) -> None:
    lane = await scene.lane()
    async with base_fee(scene, 10 * CAP_WEI):
        began = scene.node.log.count
        execution = await lane.fire()
        asked = scene.node.arm(Pass(), name="eth_feeHistory")
        await scene.hit(asked, 3)  # the signer, which finds the price too high, again and again
        scene.check(not scene.node.log.calls(scene.send, began), "it was sent above the cap")
        scene.check(not any(one["venue_ref"] for one in await scene.attempts(execution)), "it was signed")
    await scene.ends(execution)
    for leg_no in range(1, scene.records.legs + 1):
        offer = transaction.read((await scene.signed(execution, leg_no))["payload"]).transaction.offer
        scene.check(offer.max_fee_wei <= CAP_WEI, f"leg {leg_no} offers {offer.max_fee_wei} wei a gas")
