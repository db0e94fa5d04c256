"""Whoever reaches Temporal's port says what is not so (F22), and a client that never hears an answer (F02)."""

import asyncio
import json
from typing import Any

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.drills.engine import under_way
from infra.devnet.chaos.lane import Lane, Refused
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import Delay, DropBefore

HIT_WITHIN_S = 60
SLOW_S = 4.5
RETRIES = 10
OPENING = "TrentService.Decrypt"


@drill("F02", "the API dies between starting and answering; the client asks ten times", guards=("G4",))
async def dies_before_it_answers(scene: Scene) -> None:
    lane = await scene.lane()
    rule, key = await lane.rule(), f"drill-{scene.rng.getrandbits(64):x}"
    async with scene.held("trigger", "NEW.started_at IS NOT NULL") as started:
        asking = [asyncio.create_task(lane.fire(rule, key))]
        await started.wait()
        await scene.kill(*scene.of_kind("api"))
    asking += [asyncio.create_task(lane.fire(rule, key)) for _ in range(RETRIES)]
    await scene.restart(*scene.of_kind("api"))
    told = set(await asyncio.gather(*asking))
    scene.check(len(told) == 1, f"one key became {len(told)} executions")
    await scene.ends(told.pop())


@drill("F22", "a workflow is started for an execution that is not in the book", guards=("G5",))
async def started_for_nothing(scene: Scene) -> None:
    lane = await scene.lane()
    forged = f"{scene.rng.getrandbits(64):x}"
    order = await _order(scene, await lane.fire())
    invented = {**order, "trigger_id": f"trg_{forged}", "execution_id": f"exe_{forged}"}
    workflow = await _start(scene, invented)
    scene.check(await _ending(scene, workflow) == "FAILED", "a workflow of nothing did not fail")
    scene.check(await scene.status(invented["execution_id"]) == "ABSENT", "an execution was made up")
    await scene.ends(order["execution_id"])


@drill("F22", "a second workflow for an execution under way, told another venue", guards=("G1", "G5"), quick=True)
async def started_beside_its_own(scene: Scene) -> None:
    """Beside a first leg that has landed: at the other venue one leg would be all there is."""
    lane = await scene.lane()
    unsent = scene.node.arm(DropBefore(), name=scene.send)
    if scene.records.legs == 1:
        execution = await lane.fire()
        await scene.reaches(execution, "SUBMITTED")
    else:
        unsent.disarm()
        async with scene.committed("attempt", "NEW.fate = 'LANDED'") as landed:
            execution = await lane.fire()
            await landed.wait()
        unsent = scene.node.arm(DropBefore(), name=scene.send)
    order = await _order(scene, execution)
    other = "uniswap" if order["venue"] == "jupiter" else "jupiter"
    forged = await _start(scene, {**order, "venue": other, "wallet_id": "wal_another", "owner_id": "own_another"})
    await under_way(scene, forged, "confirm")
    unsent.disarm()
    await scene.ends(execution)
    scene.check(await _ending(scene, forged) == "COMPLETED", "the forged workflow did not end as the execution did")


@drill("F22", "signals, and a look-up that is said to have settled", guards=("G5", "G7"))
async def said_to_have_settled(scene: Scene) -> None:
    """What is out is followed before anything ends. Of two legs the second was never signed: that is a failure."""
    lane = await scene.lane()
    unsent = scene.node.arm(DropBefore(), name=scene.send)
    execution = await lane.fire()
    workflow = await scene.workflow_id(execution)
    for signal in ("wallet_released", "settled"):
        await scene.temporal_cli("workflow", "signal", "--workflow-id", workflow, "--name", signal)
    for _ in range(2):
        looking = await under_way(scene, workflow, "confirm")
        await _complete(scene, workflow, looking, {"move": "settle", "leg_no": scene.records.legs, "attempts": 1})
        again = await under_way(scene, workflow, "confirm", other_than=looking)
        scene.check(again != looking, "the forged finding was not followed up")
        scene.check(await scene.status(execution) not in ("CONFIRMED", "SETTLED"), "a forged finding was believed")
    unsent.disarm()
    await scene.ends(execution, "SETTLED" if scene.records.legs == 1 else "FAILED")


@drill("F22", "a preflight is said to have passed while it is still judging", guards=("G5", "G10"))
async def said_to_have_passed(scene: Scene) -> None:
    """The preflight's own body is still at work, kept waiting by whom it asks for a price."""
    lane = await scene.lane()
    rule = await lane.rule()
    priced = scene.proxies["jupiter"] if scene.venue == "solana" else scene.node
    slow = priced.arm(Delay(SLOW_S))
    execution = await lane.fire(rule)
    workflow = await scene.workflow_id(execution)
    await _complete(scene, workflow, await under_way(scene, workflow, "preflight"), {"passed": True})
    await under_way(scene, workflow, "sign")
    slow.disarm()
    await scene.ends(execution, "BLOCKED")
    scene.check(not await _signed(scene, execution), "something was signed that was never judged")


@drill("F22", "a lock is said to be held", guards=("G5",))
async def said_to_be_locked(scene: Scene) -> None:
    lane = await scene.lane()
    asked = scene.node.arm(Delay(SLOW_S)) if scene.venue == "evm" else scene.proxies["jupiter"].arm(Delay(SLOW_S))
    execution = await lane.fire()
    workflow = await scene.workflow_id(execution)
    await _complete(scene, workflow, await under_way(scene, workflow, "lock"), {"epoch": 999})
    asked.disarm()
    await scene.ends(execution, "BLOCKED")
    scene.check(not await _signed(scene, execution), "something was signed under a lease that was made up")


@drill("F22", "a signature is said to have failed while it is made", guards=("G2", "G5"))
async def said_to_have_failed(scene: Scene) -> None:
    """The execution ends without it, and the body that still signs finds nowhere to store what it signed."""
    lane = await scene.lane()
    slow = scene.proxies["kms"].arm(Delay(SLOW_S), name=OPENING, times=1)
    since = scene.proxies["kms"].log.count
    execution = await lane.fire()
    async with asyncio.timeout(HIT_WITHIN_S):
        await slow.hit()
    workflow = await scene.workflow_id(execution)
    signing = await under_way(scene, workflow, "sign")
    await scene.temporal_cli("activity", "fail", "--activity-id", signing, "--workflow-id", workflow)
    await scene.ends(execution, "BLOCKED")
    scene.check(scene.proxies["kms"].log.calls(OPENING, since)[0].duration_s is None, "the key was opened before that")

    async def opened() -> bool:
        return scene.proxies["kms"].log.calls(OPENING, since)[0].duration_s is not None

    await scene.until(opened, "the body that still signs to open its key")
    await scene.ends(await lane.fire())
    scene.check(not await _signed(scene, execution), "a signature was stored for what was over")


@drill("F22", "a signature is said to exist: everything halts, until it is compared", guards=("G5", "G12"), alone=True)
async def said_to_be_signed(scene: Scene) -> None:
    lane = await scene.lane()
    since = scene.node.log.count
    away = scene.proxies["kms"].arm(DropBefore(), name=OPENING)
    execution = await lane.fire()
    workflow = await scene.workflow_id(execution)
    signing = await under_way(scene, workflow, "sign")
    await _complete(scene, workflow, signing, {"venue_ref": "forged"})
    scene.check(await _ending(scene, workflow) == "FAILED", "a signature that is in no row was followed")
    halted = await scene.rows("SELECT 1 FROM switch WHERE name = 'restored' AND \"on\"")
    scene.check(bool(halted), "a signature that is in no row halted nothing")
    away.disarm()
    scene.check(not await _signed(scene, execution), "something was signed after the halt")
    scene.check(not scene.node.log.calls(scene.send, since), "something was sent that is in no row")

    operator = Lane(scene.http, scene.records, lane.api, scene.world.env["TRIPWIRE_ADMIN_KEY"])
    await scene.rows("UPDATE switch SET changed_at = changed_at - interval '1 hour' WHERE \"on\" RETURNING name")
    try:
        await operator.post("/admin/recover", {"reason": "drill: forged"})
        await operator.post(
            f"/admin/executions/{execution}/reset", {"reason": "drill: the signature was forged", "dry_run": False}
        )
    except Refused as refusal:
        raise AssertionError(f"the operator was refused: {refusal}") from refusal
    await scene.reaches(execution, "SETTLED", "BLOCKED")


async def _order(scene: Scene, execution: str) -> dict[str, Any]:
    [row] = await scene.rows(
        "SELECT trigger_id, id AS execution_id, owner_id, rule_id, wallet_id, venue FROM execution WHERE id = $1",
        execution,
    )
    return row


async def _start(scene: Scene, order: dict[str, Any]) -> str:
    """A workflow under an id of its own, told what nobody recorded."""
    workflow = f"forged/{scene.rng.getrandbits(64):x}"
    await scene.temporal_cli(
        *("workflow", "start", "--type", "ExecuteRule", "--task-queue", "tripwire-executions"),
        *("--workflow-id", workflow, "--input", json.dumps(order)),
    )
    return workflow


async def _complete(scene: Scene, workflow: str, activity: str, result: dict[str, Any]) -> None:
    await scene.temporal_cli(
        *("activity", "complete", "--activity-id", activity, "--workflow-id", workflow),
        *("--result", json.dumps(result)),
    )


async def _ending(scene: Scene, workflow: str) -> str:
    """COMPLETED or FAILED, once it is one of them."""

    async def ended() -> str | None:
        told = await scene.temporal_cli("workflow", "describe", "--workflow-id", workflow)
        status = str(told["workflowExecutionInfo"]["status"]).removeprefix("WORKFLOW_EXECUTION_STATUS_")
        return None if status == "RUNNING" else status

    return str(await scene.until(ended, f"{workflow} to end"))


async def _signed(scene: Scene, execution: str) -> list[str]:
    return [sha for one in await scene.attempts(execution) if (sha := one["payload_sha256"])]
