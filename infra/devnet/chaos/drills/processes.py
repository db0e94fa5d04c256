"""Workers die between any two steps, and in the middle of each transaction (F03 to F11)."""

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import Delay, DropAfter, Pass

DECRYPT = "TrentService.Decrypt"
KILLS = 5  # while one confirmation goes on


async def _killed_inside(scene: Scene, lane: Lane, table: str, condition: str, *victims: str, rule: str = "") -> str:
    """Fire, and kill the victims while one of them stands inside the transaction that writes such a row."""
    async with scene.held(table, condition) as inside:
        execution = await lane.fire(rule or None)
        await inside.wait()
        await scene.kill(*victims)
    return execution


@drill("F03", "executors die inside preflight, and inside reserving the money", guards=("G5", "G6"))
async def killed_while_reserving(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    for table, condition, left in (
        ("execution", f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.status = 'PREFLIGHT'", "PENDING"),
        ("hold", f"NEW.wallet_id = '{lane.wallet_id}'", "PREFLIGHT"),
    ):
        execution = await _killed_inside(scene, lane, table, condition, *executors)
        scene.check(await scene.status(execution) == left, f"what was not committed is there: not {left} any more")
        await scene.restart(*executors)
        await scene.ends(execution)
        holds = await scene.rows("SELECT asset FROM hold WHERE execution_id = $1", execution)
        scene.check(len(holds) == len({hold["asset"] for hold in holds}) > 0, "money was reserved once")


@drill("F03", "executors die while they refuse what the wallet cannot pay", guards=("G6",))
async def killed_while_refusing(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    rule = await lane.rule(amount="900")
    condition = f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.status = 'BLOCKED'"
    execution = await _killed_inside(scene, lane, "execution", condition, *executors, rule=rule)
    await scene.restart(*executors)
    await scene.ends(execution, "BLOCKED")
    scene.check(not await scene.rows("SELECT 1 FROM hold WHERE execution_id = $1", execution), "nothing was reserved")


@drill("F04", "signers die after the nonce is allocated, before they sign", guards=("G1", "G5"))
async def killed_after_allocating(scene: Scene) -> None:
    lane, signers = await scene.lane(), scene.of_kind("signer")
    # Nothing can be signed before the key is unsealed, and it is not before they are dead.
    waits = scene.proxies["kms"].arm(Delay(30), name=DECRYPT, times=1)
    execution = await lane.fire()
    await scene.hit(waits)
    await scene.kill(*signers)
    (before,) = await scene.attempts(execution)
    scene.check(before["venue_ref"] is None, "nothing was signed yet")
    await scene.restart(*signers)
    await scene.ends(execution)
    await scene.sent_as_stored(execution)
    if scene.venue == "evm":
        after, *_ = await scene.attempts(execution)
        scene.check(after["nonce"] == before["nonce"], "the same nonce was signed")
        (counted,) = await scene.rows("SELECT next FROM account_nonce WHERE wallet_id = $1", lane.wallet_id)
        scene.check(counted["next"] == len(await lane.records.landed(lane.address)), "there is no gap in the nonces")


@drill("F05", "signers die after they signed, inside storing it", guards=("G1", "G2"))
async def killed_while_storing(scene: Scene) -> None:
    lane, signers = await scene.lane(), scene.of_kind("signer")
    unsealed, calls = scene.proxies["kms"].log.count, scene.node.log.count
    condition = f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.state = 'SIGNED'"
    execution = await _killed_inside(scene, lane, "attempt", condition, *signers)
    scene.check(len(scene.proxies["kms"].log.calls(DECRYPT, unsealed)) > 0, "the key was unsealed, so it was signed")
    (before,) = await scene.attempts(execution)
    scene.check(before["venue_ref"] is None, "the signature was not stored")
    scene.check(not scene.node.log.calls(scene.send, calls), "nothing was sent")
    await scene.restart(*signers)
    await scene.ends(execution)
    await scene.sent_as_stored(execution)
    if scene.venue == "evm":
        after, *_ = await scene.attempts(execution)
        scene.check(after["nonce"] == before["nonce"], "the same nonce was signed again")


@drill("F06", "executor and signer die after the payload is stored, before it is sent", guards=("G1", "G2"))
async def killed_before_the_send(scene: Scene) -> None:
    lane = await scene.lane()
    async with scene.committed("attempt", f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.state = 'SIGNED'") as signed:
        execution = await lane.fire()
        await signed.wait()
        await scene.kill(*scene.workers)
    stored, *_ = await scene.attempts(execution)
    await scene.restart(*scene.workers)
    await scene.ends(execution)
    await scene.sent_as_stored(execution)
    scene.check(stored["payload_sha256"] in scene.node.log.sent(), "the very bytes that were stored were sent")


@drill("F07", "every worker dies while a send is in flight that the venue accepts", guards=("G1", "G2"), quick=True)
async def killed_during_the_send(scene: Scene) -> None:
    lane = await scene.lane()
    lost = scene.node.arm(DropAfter(), name=scene.send, times=1)
    execution = await lane.fire()
    await scene.hit(lost)
    await scene.kill(*scene.workers)
    await scene.restart(*scene.workers)
    await scene.ends(execution)
    await scene.sent_as_stored(execution)


@drill("F08", "executors die after the node's answer, inside writing it down", guards=("G1", "G5"))
async def killed_while_noting_the_answer(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    execution = await _killed_inside(scene, lane, "broadcast", "NEW.answer IS NOT NULL", *executors)
    first, *_ = await scene.attempts(execution)
    scene.check(first["payload_sha256"] in scene.node.log.sent(), "the payload reached the node")
    scene.check(await scene.status(execution) == "SIGNED", "the book does not show that it was submitted")
    await scene.restart(*executors)
    await scene.ends(execution)
    await scene.sent_as_stored(execution)


@drill("F09", f"executors die {KILLS} times while they wait for finality", guards=("G1", "G3", "G5"))
async def killed_while_confirming(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    async with scene.records.finality_held():
        sent = scene.node.arm(Pass(), name=scene.send, times=1)
        execution = await lane.fire()
        await scene.hit(sent)
        await scene.records.produce()  # it is in a block, which does not become final
        for _ in range(KILLS):
            looked = scene.node.arm(Pass(), name=scene.look, times=2)
            await scene.hit(looked, 2)
            await scene.kill(*executors)
            await scene.restart(*executors)
        scene.check(await scene.status(execution) in ("SIGNED", "SUBMITTED"), "nothing was final yet")
        scene.check(len(await scene.attempts(execution)) == 1, "nothing new was signed meanwhile")
    await scene.ends(execution)
    await scene.sent_as_stored(execution)
    await _moved_once(scene, execution, "CONFIRMED")


@drill("F10", "executors die after finality was seen, inside posting to the ledger", guards=("G5", "G7"))
async def killed_while_posting(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    condition = f"NEW.account = 'wallet:{lane.wallet_id}' AND NEW.kind <> 'outside'"
    execution = await _killed_inside(scene, lane, "ledger_entry", condition, *executors)
    scene.check(await scene.status(execution) == "CONFIRMED", "finality was seen and kept")
    scene.check(not await _posted(scene, execution), "nothing was posted yet")
    await scene.restart(*executors)
    await scene.ends(execution)
    posted = await _posted(scene, execution)
    scene.check(len(posted) == len({tuple(entry.values()) for entry in posted}) > 0, "each entry was posted once")


@drill("F11", "executors die after posting, inside releasing the wallet, with another waiting", guards=("G5", "G7"))
async def killed_while_releasing(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    condition = f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.holder IS NULL AND NEW.epoch > 0"
    async with scene.held("lease", condition) as inside:
        execution = await lane.fire()
        await scene.reaches(execution, "LOCKED", "SIGNED", "SUBMITTED", "CONFIRMED")
        waiting = await lane.fire()
        await inside.wait()
        await scene.kill(*executors)
    scene.check(not await _posted(scene, execution), "posting and releasing are one: neither is there")
    await scene.restart(*executors)
    await scene.ends(execution)
    await scene.ends(waiting)
    granted = await scene.rows(
        "SELECT subject FROM event WHERE kind = 'lease.granted' AND body->>'wallet_id' = $1 ORDER BY seq",
        lane.wallet_id,
    )
    scene.check([row["subject"] for row in granted] == [execution, waiting], "the lease was granted once to each")


async def _posted(scene: Scene, execution_id: str) -> list[dict[str, object]]:
    """What the execution's own transactions moved, as the ledger has it."""
    return await scene.rows(
        "SELECT account, asset, kind, venue_event_id FROM v_ledger "
        "WHERE execution_id = $1 AND kind <> 'outside' ORDER BY entry_id",
        execution_id,
    )


async def _moved_once(scene: Scene, execution_id: str, status: str) -> None:
    rows = await scene.rows(
        "SELECT 1 FROM event WHERE subject = $1 AND kind = 'execution.moved' AND body->>'after' = $2",
        execution_id,
        status,
    )
    scene.check(len(rows) == 1, f"{execution_id} became {status} {len(rows)} times")
