"""Blocks that the product has seen go away (F29 to F31)."""

from infra.devnet.chaos.anvil import blocks_by_hand, code_at, noticed, pooled
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane
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


@drill("F30", "blocks that were final go away with a booked swap", venues=("evm",), guards=("G1", "G7"))
async def taken_back_after_booking(scene: Scene) -> None:
    """Its entries are reversed, its wallet halts, a person is asked. Then it lands again, and a person books that."""
    lane, swap = await scene.lane(), scene.records.legs
    execution = await lane.fire()
    await scene.ends(execution)
    hash_ = (await scene.signed(execution, swap))["venue_ref"]
    async with blocks_by_hand(scene) as anvil:
        raw, receipt = await anvil.raw(hash_), await anvil.receipt(hash_)
        depth = await anvil.height() - int(receipt["blockNumber"], 16) + 1 if receipt else 0
        scene.check(depth >= FINAL_AFTER, f"it was not final, {depth} blocks deep")
        await anvil.fork(depth)
        scene.check(await anvil.receipt(hash_) is None, "the fork has kept it")
        await _compared(scene, lane, "REORG_AFTER_FINAL")
        scene.check(await scene.frozen(lane), "the wallet goes on signing")
        left = await scene.rows(
            "SELECT 1 FROM v_ledger WHERE venue_event_id = $1 GROUP BY account, asset HAVING sum(amount) <> 0", hash_
        )
        scene.check(not left, "entries of what is gone were not all reversed")
        booked, chain = await _in_book(scene, lane), await scene.records.balances(lane.address)
        scene.check(booked == chain, f"reversed, the book has {booked}, the chain {chain}")
        await anvil.call("eth_sendRawTransaction", raw)
        await anvil.mine(FINAL_AFTER)
        await anvil.go_on()
        scene.check(await anvil.receipt(hash_) is not None, "it has not landed again")
        await _compared(scene, lane, "LATE_FILL")
        for code, move in (("LATE_FILL", "book_outside"), ("REORG_AFTER_FINAL", "unfreeze")):
            await _resolved(scene, lane, code, move)
    scene.check(not await scene.frozen(lane) and not await scene.tasks(lane), "it is not over for the person")
    scene.check(len(await scene.attempts(execution)) == swap, "something was signed anew")


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


async def _compared(scene: Scene, lane: Lane, code: str) -> None:
    """Chain and book are compared, and a person is asked for this reason."""

    async def asked() -> bool:
        await scene.admin("POST", "/admin/reconcile", {"wallet_id": lane.wallet_id})
        return code in await scene.tasks(lane)

    await scene.until(asked, f"a comparison to raise {code}")


async def _resolved(scene: Scene, lane: Lane, code: str, move: str) -> None:
    (task,) = await scene.rows(
        "SELECT id FROM operator_task WHERE wallet_id = $1 AND code = $2 AND resolved_at IS NULL", lane.wallet_id, code
    )
    words = {
        "reason": "the drill took it back and let it land",
        "evidence": "the node's own records, read by the drill",
    }
    await scene.admin("POST", f"/admin/tasks/{task['id']}/resolve", {"move": move, **words})


async def _in_book(scene: Scene, lane: Lane) -> dict[str, int]:
    rows = await scene.rows(
        "SELECT asset, sum(amount) AS base FROM v_ledger WHERE account = $1 GROUP BY asset", f"wallet:{lane.wallet_id}"
    )
    return {row["asset"]: int(row["base"]) for row in rows}
