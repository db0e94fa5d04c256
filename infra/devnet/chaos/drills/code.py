"""Does today's workflow code replay what was done, and whom does a poisoned workflow disturb? (F59)"""

import asyncio
import json
import os
import sys
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import RawValue

from domain.executions import Order
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.temporal.queues import EXECUTIONS

REPLAY_WITHIN_S = 200
POISONS = 5  # of each kind
TRIES = 3  # of a poisoned workflow's first task, seen to fail before it is called parked


@drill("F59", "every history of this world so far is replayed with the present workflow code", guards=("G5",))
async def histories_replay(scene: Scene) -> None:
    lane = await scene.lane()
    await scene.ends(await lane.fire())
    replayed = await _replay(scene)
    ours = {row["workflow_id"] for row in await scene.rows("SELECT workflow_id FROM v_execution")}
    scene.figures["histories"] = replayed["replayed"]
    scene.check(replayed["replayed"] > 0, "there were histories to replay")
    failures = {id_: why for id_, why in replayed["failures"].items() if id_ in ours}
    scene.check(not failures, f"histories that do not replay: {failures}")


@drill("F59", "workflows with a payload that nobody can read, and of executions that do not exist", guards=("G5", "G8"))
async def poisoned(scene: Scene) -> None:
    lane = await scene.lane()
    nobody = Order("trg_nobody", "exe_nobody", lane.owner_id, "rul_nobody", lane.wallet_id, "jupiter")
    torn = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"trigger_id": '))
    strange = RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=scene.rng.randbytes(64)))
    handles = [
        await _forged(scene, f"poison/{kind}/{number}", argument)
        for kind, argument in (("torn", torn), ("strange", strange), ("nobody", nobody))
        for number in range(POISONS)
    ]
    try:
        await scene.until(lambda: _stumbled(handles[: 2 * POISONS]), "the unreadable ones to have failed their tasks")
        await asyncio.gather(*(scene.until(lambda h=h: _failed(h), "it to end") for h in handles[2 * POISONS :]))  # type: ignore[misc]
        for _ in range(2):
            await scene.ends(await lane.fire())
        invented = await scene.rows("SELECT 1 FROM execution WHERE id = 'exe_nobody'")
        scene.check(not invented, "nothing was written down for executions that do not exist")
    finally:
        for handle in handles[: 2 * POISONS]:
            await handle.terminate("the drill is over")


async def _replay(scene: Scene) -> dict[str, Any]:
    """By the worker's own program: what lives here may not import workflows."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "workers.replay"),
        env={**os.environ, **scene.world.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(REPLAY_WITHIN_S):
        said, complaints = await program.communicate()
    last = said.decode().splitlines()[-1:]
    scene.check(bool(last) and last[0].startswith("{"), f"the replay broke: {complaints.decode()[-500:]}")
    return dict(json.loads(last[0]))


async def _forged(scene: Scene, id_: str, argument: object) -> WorkflowHandle[Any, Any]:
    return await (await scene.temporal()).start_workflow(
        "ExecuteRule", argument, id=f"{id_}/{scene.rng.getrandbits(32):08x}", task_queue=EXECUTIONS
    )


async def _stumbled(handles: list[WorkflowHandle[Any, Any]]) -> bool:
    """Whether the first task of each was tried again and again, in vain."""
    pending = [(await handle.describe()).raw_description.pending_workflow_task for handle in handles]
    return all(task.attempt >= TRIES for task in pending)


async def _failed(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.describe()).status is WorkflowExecutionStatus.FAILED
