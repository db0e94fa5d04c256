"""Blockhashes that pass, landings that nobody shows, forks, and quotes that lie (F38 to F43)."""

import json
from typing import Any

from infra.devnet.chaos import solana
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import DropBefore, Garble, LieNull, Mode, Pass, Replace, Status

STATUSES = "getSignatureStatuses"
FAR_LAG = 300  # slots that finality stays behind: the most that the stand-in allows


@drill("F38", "the blockhash passes before any send arrives", venues=("solana",), guards=("G1", "G3"), quick=True)
async def expired_unsent(scene: Scene) -> None:
    lane = await scene.lane()
    cut = scene.node.arm(DropBefore(), name=scene.send)
    execution = await lane.fire()
    first = await scene.signed(execution)
    await scene.hit(cut)
    async with scene.committed("attempt", "NEW.fate = 'DEAD'") as dead:
        await solana.expire(scene)
        await dead.wait()
    cut.disarm()
    await scene.ends(execution)
    scene.check(not await solana.received(scene, first["venue_ref"]), "the first payload has arrived after all")
    await _anew_after_proof(scene, execution)


@drill("F39", "it has landed, and the node hides it past its blockhash", venues=("solana",), guards=("G1", "G3"))
async def landed_unseen(scene: Scene) -> None:
    """Hidden while the newest blocks are too young to be final: only a final height past the last one is a proof."""
    lane = await scene.lane()
    async with solana.pace(scene, finalized_lag=FAR_LAG):
        hidden = scene.node.arm(LieNull(), name=STATUSES)
        execution = await lane.fire()
        attempt = await scene.signed(execution)
        await scene.until(lambda: solana.landed(scene, attempt["venue_ref"]), "it to land")
        await solana.expire(scene)
        await scene.hit(hidden, hidden.hits + 4)
        await _past_its_last_block(scene, attempt)
        scene.check(len(await scene.attempts(execution)) == 1, "it was signed anew without a proof")
        hidden.disarm()
    await scene.ends(execution)
    await _adopted(scene, execution)


@drill("F40", "nobody answers for a payload that is past its blockhash", venues=("solana",), guards=("G1", "G3"))
async def no_answer_at_expiry(scene: Scene) -> None:
    lane = await scene.lane()
    cut = scene.node.arm(DropBefore(), name=scene.send)
    execution = await lane.fire()
    await scene.signed(execution)
    await scene.hit(cut)
    silences: list[Mode] = [Status(429, 1), Status(503), Garble(), DropBefore(), Replace(_refusing), Replace(_behind)]
    scene.rng.shuffle(silences)
    silent = scene.node.arm(silences[0], name=STATUSES)
    await solana.expire(scene)
    for mode in silences:
        following = scene.node.arm(mode, name=STATUSES)
        silent.disarm()
        silent = following
        await scene.hit(silent, 2)
    (attempt,) = await scene.attempts(execution)
    scene.check(attempt["fate"] in ("PENDING", "UNKNOWN"), f"silence was taken for {attempt['fate']}")
    scene.proxies.clear()
    await scene.ends(execution)
    await _anew_after_proof(scene, execution)


@drill("F41", "a landed payload is sent again, and its blockhash not found", venues=("solana",), guards=("G1", "G3"))
async def blockhash_not_found(scene: Scene) -> None:
    lane = await scene.lane()
    async with solana.pace(scene, finalized_lag=FAR_LAG):
        hidden = scene.node.arm(LieNull(), name=STATUSES)
        execution = await lane.fire()
        attempt = await scene.signed(execution)
        await scene.until(lambda: solana.landed(scene, attempt["venue_ref"]), "it to land")
        await solana.expire(scene)
        began = scene.node.log.count

        async def refused() -> bool:
            sent = scene.node.log.calls(scene.send, began)
            return any(b"BlockhashNotFound" in (exchange.answer or b"") for exchange in sent)

        await scene.until(refused, "a send to be answered with BlockhashNotFound")
        await scene.hit(hidden, hidden.hits + 3)
        scene.check(len(await scene.attempts(execution)) == 1, "it was signed anew for an error's sake")
        hidden.disarm()
    await scene.ends(execution)
    await _adopted(scene, execution)


@drill("F42", "the fork that had the payload dies, confirmed as it was", venues=("solana",), guards=("G1", "G7"))
async def confirmed_fork_dies(scene: Scene) -> None:
    lane = await scene.lane()
    async with solana.pace(scene, finalized_lag=FAR_LAG):
        seen = scene.node.arm(Replace(lambda told: told), name=STATUSES)
        execution = await lane.fire()
        attempt = await scene.signed(execution)
        hash_ = attempt["venue_ref"]
        slot = await scene.until(lambda: _confirmed_in(scene, hash_), "it to be confirmed")
        await scene.hit(seen, seen.hits + 2)
        scene.check(await scene.booked(execution) == 0, "it was booked before it was final")
        sent = scene.sends(attempt["payload_sha256"])
        async with solana.pace(scene, slot_ms=3_000):  # so that the tip stays what it is
            tip = await _slot(scene, "processed")
            await solana.door(scene, "fork", slots=tip - slot + 1)
        scene.check("dropped: its block was on a fork that died" in await solana.received(scene, hash_), "it stayed")
        await scene.until(lambda: _confirmed_in(scene, hash_), "the same payload to land again")
        scene.check(scene.sends(attempt["payload_sha256"]) > sent, "it came back by itself")
    await scene.ends(execution)
    await _adopted(scene, execution)


@drill("F43", "the price runs away between the last check and the block", venues=("solana",), guards=("G7", "G9"))
async def fails_in_its_block(scene: Scene) -> None:
    """Its fee is paid, its failure final, and what is signed anew follows the price."""
    lane = await scene.lane()
    async with solana.pool(scene):
        async with solana.pace(scene, slot_ms=2_000, finalized_lag=3, confirmed_lag=1):
            taken = scene.node.arm(Pass(), name=scene.send)
            execution = await lane.fire()
            await scene.hit(taken)
            await solana.dearer(scene, 20)
            attempt = await scene.signed(execution)
            await scene.until(lambda: solana.landed(scene, attempt["venue_ref"]), "it to fail in a block")
        outcome = await solana.received(scene, attempt["venue_ref"])
        scene.check("failed" in outcome, f"it did not fail in its block: {outcome}")
        await scene.ends(execution)
        attempts = await scene.attempts(execution)
        scene.check(len(attempts) == 2, f"{len(attempts)} attempts, not the failed one and its successor")


@drill("F43", "the price runs away while a payload cannot get out", venues=("solana",), guards=("G1", "G9"))
async def quote_goes_stale(scene: Scene) -> None:
    """The node's own simulation refuses it until it is too old; what is signed then has a quote of its own."""
    lane = await scene.lane()
    async with solana.pool(scene):
        cut = scene.node.arm(DropBefore(), name=scene.send)
        execution = await lane.fire()
        attempt = await scene.signed(execution)
        await scene.hit(cut)
        await solana.dearer(scene, 20)
        cut.disarm()

        async def refused() -> bool:
            return any(one.startswith("rejected") for one in await solana.received(scene, attempt["venue_ref"]))

        await scene.until(refused, "the node to refuse what its own simulation fails")
        scene.check(len(await scene.attempts(execution)) == 1, "it was signed anew for an error's sake")
        await solana.expire(scene)
        await scene.ends(execution)
        await _anew_after_proof(scene, execution)


LIES = (
    "other_destination",
    "larger_amount",
    "worse_price",
    "platform_fee",
    "other_asset",
    "extra_instruction",
    "spending_right",
    "foreign_program",
    "foreign_fee_payer",
    "foreign_signer",
    "foreign_account",
    "closed_to_stranger",
    "second_swap",
)


@drill("F43", "Jupiter writes what the owner did not ask for", venues=("solana",), guards=("G9", "G11"))
async def lying_quotes(scene: Scene) -> None:
    lane, jupiter = await scene.lane(), scene.world.url("jupiter")
    try:
        for lie in scene.rng.sample(LIES, len(LIES)):
            told = await scene.http.put(f"{jupiter}/_control/lies", json={"lie": lie})
            told.raise_for_status()
            execution = await lane.fire()
            await scene.ends(execution, "BLOCKED")
            scene.check(not any(one["venue_ref"] for one in await scene.attempts(execution)), f"{lie} was signed")
            events = await scene.rows("SELECT kind FROM event WHERE subject = $1", execution)
            scene.check("payload.refused" in {row["kind"] for row in events}, f"{lie} was never examined")
    finally:
        await scene.http.put(f"{jupiter}/_control/lies", json={"lie": "none"})
    await scene.ends(await lane.fire())


async def _anew_after_proof(scene: Scene, execution: str) -> None:
    """The second attempt was signed after the first one's death, which is proven by a final height past its last."""
    rows = await scene.rows(
        "SELECT fate, valid_until, proof, signed_at, final_at FROM attempt WHERE execution_id = $1 ORDER BY attempt_no",
        execution,
    )
    scene.check([row["fate"] for row in rows] == ["DEAD", "LANDED"], f"fates {[row['fate'] for row in rows]}")
    first, second = rows
    scene.check(second["signed_at"] > first["final_at"], "it was signed anew before the proof")
    proof = json.loads(first["proof"])
    scene.check(int(proof["finalized_block_height"]) > first["valid_until"], f"no proof: {proof}")


async def _adopted(scene: Scene, execution: str) -> None:
    attempts = await scene.attempts(execution)
    scene.check([one["fate"] for one in attempts] == ["LANDED"], f"attempts {[one['fate'] for one in attempts]}")


async def _past_its_last_block(scene: Scene, attempt: dict[str, Any]) -> None:
    """Confirmed blocks are past its last height, final ones are not."""
    heights = []
    for commitment in ("finalized", "confirmed"):
        info = await solana.ask(scene, "getEpochInfo", {"commitment": commitment})
        heights.append(info["blockHeight"])
    final, confirmed = heights
    scene.check(final <= attempt["valid_until"] < confirmed, f"{final}, {attempt['valid_until']}, {confirmed}")


async def _confirmed_in(scene: Scene, signature: str) -> int | None:
    """The slot it is confirmed in, past the proxy."""
    (status,) = (await solana.ask(scene, STATUSES, [signature]))["value"]
    return int(status["slot"]) if status and status["confirmationStatus"] == "confirmed" else None


async def _slot(scene: Scene, commitment: str) -> int:
    return int(await solana.ask(scene, "getSlot", {"commitment": commitment}))


def _refusing(told: Any) -> Any:
    """As a provider says "too many requests" in a body of its own."""
    return {"jsonrpc": "2.0", "id": told["id"], "error": {"code": -32429, "message": "too many requests"}}


def _behind(told: Any) -> Any:
    """An honest "not there" of a node that is an hour behind."""
    result = told["result"]
    behind = {**result["context"], "slot": result["context"]["slot"] - 9_000}
    return {**told, "result": {"context": behind, "value": [None] * len(result["value"])}}
