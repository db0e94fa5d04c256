"""Temporal dies, forgets, and does again what it did (F15 to F21)."""

import asyncio
from contextlib import suppress
from typing import Any

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import NotReached, Scene
from infra.devnet.proxy.modes import Delay, DropAfter, DropBefore
from infra.devnet.proxy.tcp import Blackhole

OUTAGE_S = 20
HIT_WITHIN_S = 60

# Just below the 5 s in which clients of nodes and of the key service give up: the body waits for it and lives on.
SLOW_S = 4.5

# Beyond the 6 s after which a step that was not heard of is given to another worker (`workflows.options.SILENT`).
SILENT_S = 9.0

FROM_THE_START = ("--type", "FirstWorkflowTask", "--reason", "drill")


@drill("F15", "Temporal is killed, and away while rules fire", guards=("G1", "G4", "G6"))
async def away_while_rules_fire(scene: Scene) -> None:
    under_way, during = await scene.lane(), await scene.lane()
    rules = [await during.rule("5"), await during.rule("6")]
    async with scene.committed("attempt", "NEW.state = 'SIGNED'") as signed:
        first = await under_way.fire()
        await signed.wait()
    await scene.kill("temporal")
    fired = await asyncio.gather(*(during.fire(rule) for rule in rules))
    await asyncio.sleep(OUTAGE_S)
    started = await scene.rows(
        "SELECT e.id FROM execution e JOIN trigger t ON t.id = e.trigger_id "
        "WHERE e.id = ANY($1) AND t.started_at IS NOT NULL",
        list(fired),
    )
    scene.check(not started, f"{len(started)} executions count as started by a Temporal that is away")
    await scene.restart("temporal")
    for execution in (first, *fired):
        await scene.ends(execution)


@drill("F16", "Temporal loses everything while executions are under way", guards=("G1", "G5", "G6"), alone=True)
async def forgets_everything(scene: Scene) -> None:
    """What rests in the book is taken up by the first sweep that finds it unmoved for half a minute."""
    lanes = [await scene.lane() for _ in range(3)]
    over = await lanes[0].fire()
    await scene.ends(over)
    sent = _sends(scene, await scene.attempts(over))
    unheard = scene.node.arm(DropAfter(), name=scene.send)
    async with scene.committed("execution", "NEW.status = 'LOCKED'") as locked:
        under_way = await lanes[1].fire()
        async with asyncio.timeout(HIT_WITHIN_S):
            await unheard.hit()
        other = await lanes[2].fire()
        await locked.wait()
        await scene.kill("temporal")
    unheard.disarm()
    known = await scene.attempts(under_way)
    for file in scene.world.state.glob("temporal.sqlite*"):
        file.unlink()
    await scene.restart("temporal")
    with suppress(NotReached):  # it knows nothing of it
        await scene.temporal_cli("workflow", "describe", "--workflow-id", await scene.workflow_id(over))
        raise AssertionError("Temporal still knows what it was to forget")
    late = await lanes[0].fire()
    for execution in (under_way, other, late):
        await scene.ends(execution, seconds=180)
    again = [one["payload_sha256"] for one in await scene.attempts(under_way)]
    scene.check(again[: len(known)] == [one["payload_sha256"] for one in known], "what was signed was signed anew")
    scene.check(_sends(scene, await scene.attempts(over)) == sent, "what was over was sent again")


@drill("F17", "what is over is reset: one by its id, all by a query", guards=("G1", "G5"), quick=True)
async def reset_when_over(scene: Scene) -> None:
    lanes = [await scene.lane() for _ in range(2)]
    executions = [await lane.fire() for lane in lanes]
    for execution in executions:
        await scene.ends(execution)
    attempts = [await scene.attempts(execution) for execution in executions]
    sent = [_sends(scene, of_one) for of_one in attempts]
    runs = [await _ended_run(scene, execution) for execution in executions]

    await scene.temporal_cli(
        "workflow", "reset", "--workflow-id", await scene.workflow_id(executions[0]), *FROM_THE_START
    )
    runs[0] = await _ended_run(scene, executions[0], after=runs[0])
    await scene.temporal_cli("workflow", "reset", "--query", "WorkflowType = 'ExecuteRule'", "--yes", *FROM_THE_START)
    for execution, run in zip(executions, runs, strict=True):
        await _ended_run(scene, execution, after=run)
    scene.check([await scene.attempts(execution) for execution in executions] == attempts, "a reset wrote attempts")
    scene.check([_sends(scene, of_one) for of_one in attempts] == sent, "a reset sent something")


@drill("F18", "reset while a submit still runs: two bodies at once", guards=("G1", "G2", "G5"), quick=True)
async def reset_during_the_submit(scene: Scene) -> None:
    lane = await scene.lane()
    slow = scene.node.arm(Delay(SLOW_S), name=scene.send, times=2)
    since = scene.node.log.count
    execution = await lane.fire()
    async with asyncio.timeout(HIT_WITHIN_S):
        await slow.hit()
        await scene.temporal_cli(
            "workflow", "reset", "--workflow-id", await scene.workflow_id(execution), *FROM_THE_START
        )
        await slow.hit(2)
    first, second = scene.node.log.calls(scene.send, since)[:2]
    scene.check(first.duration_s is None, "the first body was over before the second one sent")
    scene.check(first.payloads == second.payloads != (), "the second body sent other bytes")
    await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "more was signed than one payload a leg")


@drill("F18", "reset while a signature is made: two bodies sign", guards=("G1", "G2", "G5"))
async def reset_during_the_signature(scene: Scene) -> None:
    lane = await scene.lane()
    opening, key_service = "TrentService.Decrypt", scene.proxies["kms"]
    slow = key_service.arm(Delay(SLOW_S), name=opening, times=2)
    since = key_service.log.count
    execution = await lane.fire()
    async with asyncio.timeout(HIT_WITHIN_S):
        await slow.hit()
        await _reset(scene, execution)
        await slow.hit(2)
    first, _second = key_service.log.calls(opening, since)
    scene.check(first.duration_s is None, "the first body was over before the second one opened the key")
    await scene.ends(execution)
    await _one_family_a_leg(scene, execution)


@drill("F19", "Temporal hears nothing of a look-up and has it done twice", guards=("G1", "G3", "G5"))
async def looked_up_by_two_bodies(scene: Scene) -> None:
    lane = await scene.lane()
    unsent = scene.node.arm(DropBefore(), name=scene.send)
    execution = await lane.fire()
    await scene.reaches(execution, "SUBMITTED")
    workflow = await scene.workflow_id(execution)
    await under_way(scene, workflow, "confirm")
    scene.proxies["temporal"].mode = Blackhole()
    await asyncio.sleep(SILENT_S)
    scene.proxies["temporal"].clear()

    async def tried_again() -> bool:
        return any(int(one.get("attempt", 1)) > 1 for one in await _waiting(scene, workflow, "confirm"))

    await scene.until(tried_again, "a second try of the look-up")
    unsent.disarm()
    await scene.ends(execution)
    await _one_family_a_leg(scene, execution)


@drill("F20", "terminated while a submit runs", guards=("G1", "G6", "G7"))
async def terminated_during_the_submit(scene: Scene) -> None:
    """The sweep finds it unmoved after half a minute, and follows it to its end."""
    execution = await _stopped_during_the_submit(scene, "terminate", "--reason", "drill")
    await scene.ends(execution, seconds=180)
    await _one_family_a_leg(scene, execution)


@drill("F20", "cancelled while a submit runs", guards=("G1", "G6", "G7"))
async def cancelled_during_the_submit(scene: Scene) -> None:
    """What is out is followed. Of two legs the second was never signed: cancelled is what it is then."""
    execution = await _stopped_during_the_submit(scene, "cancel")
    await scene.ends(execution, "SETTLED" if scene.records.legs == 1 else "FAILED")
    await _one_family_a_leg(scene, execution)


@drill("F21", "fired again after Temporal and the API have forgotten it", guards=("G1", "G4", "G5"))
async def fired_again_when_forgotten(scene: Scene) -> None:
    lane = await scene.lane()
    rule, key = await lane.rule(), f"drill-{scene.rng.getrandbits(64):x}"
    execution = await lane.fire(rule, key)
    await scene.ends(execution)
    attempts = await scene.attempts(execution)
    sent, workflow = _sends(scene, attempts), await scene.workflow_id(execution)
    await _ended_run(scene, execution)
    await scene.temporal_cli("workflow", "delete", "--workflow-id", workflow)

    async def forgotten() -> bool:
        try:
            await scene.temporal_cli("workflow", "describe", "--workflow-id", workflow)
        except NotReached:
            return True
        return False

    await scene.until(forgotten, "Temporal to delete the workflow")
    await scene.rows("DELETE FROM idempotency WHERE key = $1", key)  # as if it had expired
    scene.check(await lane.fire(rule, key) == execution, "the same trigger became another execution")
    await _ended_run(scene, execution)
    scene.check(await scene.attempts(execution) == attempts, "an old trigger wrote attempts")
    scene.check(_sends(scene, attempts) == sent, "an old trigger sent something")


async def _reset(scene: Scene, execution: str) -> None:
    workflow = await scene.workflow_id(execution)
    await scene.temporal_cli("workflow", "reset", "--workflow-id", workflow, *FROM_THE_START)


async def _stopped_during_the_submit(scene: Scene, how: str, *options: str) -> str:
    """The execution whose workflow was stopped while its first payload was on its way."""
    lane = await scene.lane()
    slow = scene.node.arm(Delay(SLOW_S), name=scene.send, times=1)
    execution = await lane.fire()
    async with asyncio.timeout(HIT_WITHIN_S):
        await slow.hit()
    workflow = await scene.workflow_id(execution)
    await under_way(scene, workflow, "submit")
    await scene.temporal_cli("workflow", how, "--workflow-id", workflow, *options)
    return execution


async def under_way(scene: Scene, workflow: str, step: str, other_than: str = "") -> str:
    """The id of the step that a worker is at now."""

    async def found() -> str | None:
        return next((one["activityId"] for one in await _waiting(scene, workflow, step) if _begun(one)), None)

    def _begun(one: dict[str, Any]) -> bool:
        return bool(one["state"] == "PENDING_ACTIVITY_STATE_STARTED" and one["activityId"] != other_than)

    return str(await scene.until(found, f"{step} of {workflow} to be under way"))


async def _waiting(scene: Scene, workflow: str, step: str) -> list[dict[str, Any]]:
    """What Temporal knows of the steps of this kind that have not ended."""
    told = await scene.temporal_cli("workflow", "describe", "--workflow-id", workflow)
    return [one for one in told.get("pendingActivities") or [] if one["activityType"]["name"] == step]


async def _ended_run(scene: Scene, execution: str, after: str = "") -> str:
    """The id of the newest run, another one than `after`, once it has completed as SETTLED."""
    workflow = await scene.workflow_id(execution)

    async def ended() -> str | None:
        told = await scene.temporal_cli("workflow", "describe", "--workflow-id", workflow)
        info = told["workflowExecutionInfo"]
        run = str(info["execution"]["runId"])
        return run if run != after and info["status"] == "WORKFLOW_EXECUTION_STATUS_COMPLETED" else None

    run = str(await scene.until(ended, f"a run of {workflow} to complete"))
    told = await scene.temporal_cli("workflow", "result", "--workflow-id", workflow, "--run-id", run)
    scene.check(told["result"]["status"] == "SETTLED", f"a run of {workflow} ended with {told['result']}")
    return run


async def _one_family_a_leg(scene: Scene, execution: str) -> None:
    """Beside those that are proven dead: on a chain that is fast here, a blockhash does not outlive an outage."""
    living = [one for one in await scene.attempts(execution) if one["payload_sha256"] and one["fate"] != "DEAD"]
    families = {(one["leg_no"], one["nonce"]) for one in living}
    legs = {one["leg_no"] for one in living}
    scene.check(len(families) == len(legs), f"{len(families)} families of payloads in {len(legs)} legs")


def _sends(scene: Scene, attempts: list[dict[str, Any]]) -> dict[str, int]:
    """How often each payload went to the node."""
    sent = scene.node.log.sent()
    return {sha: len(sent.get(sha, ())) for one in attempts if (sha := one["payload_sha256"])}
