"""Many at once, and one that takes long (F60)."""

import asyncio
import time
from collections import Counter

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.drills.endurance import kill_until
from infra.devnet.chaos.scene import Scene
from infra.devnet.chaos.verdict import FINAL
from infra.devnet.proxy.modes import Pass, Status

HELD_S = 60  # stands for a day: what polls does so by its own clock, however long it is
MOST_EVENTS, MOST_BYTES = 500, 1_000_000  # of one execution's history, I12

WALLETS, TRIGGERS = 10, 100
KILL_EVERY_S = (4.0, 10.0)
STOP_POSTGRES_EVERY_S = (15.0, 40.0)
TOO_MANY = 0.05  # of calls to node and quote service are answered 429
FAULTS_FOR_S = 60
ENDS_WITHIN_S = 600


@drill("F60", f"finality takes {HELD_S} s: the history stays small, and nothing new is signed", guards=("G3", "G6"))
async def long_confirmation(scene: Scene) -> None:
    lane = await scene.lane()
    async with scene.records.finality_held():
        sent = scene.node.arm(Pass(), name=scene.send, times=1)
        execution = await lane.fire()
        await scene.hit(sent)
        await scene.records.produce()
        await scene.reaches(execution, "SUBMITTED")
        await asyncio.sleep(HELD_S)
        scene.check(await scene.status(execution) == "SUBMITTED", "it waited for finality")
        scene.check(len(await scene.attempts(execution)) == 1, "nothing new was signed meanwhile")
    await scene.ends(execution)
    await _small(scene, [execution])


@drill(
    "F60",
    f"{TRIGGERS} triggers of {WALLETS} wallets, under kills, database crashes and rate limits",
    guards=("G1", "G6", "G7", "G8"),
    within_s=1_200,
)
async def load_under_faults(scene: Scene) -> None:
    lanes = await asyncio.gather(*(scene.lane() for _ in range(WALLETS)))
    rules = [(lane, await lane.rule(amount="1")) for _ in range(TRIGGERS // WALLETS) for lane in lanes]
    began = time.monotonic()
    scene.node.arm(Status(429, retry_after_s=1), chance=TOO_MANY)
    scene.proxies["jupiter"].arm(Status(429, retry_after_s=1), chance=TOO_MANY)
    async with asyncio.TaskGroup() as going_on:
        going_on.create_task(kill_until(scene, began + FAULTS_FOR_S, KILL_EVERY_S))
        going_on.create_task(_crash_postgres(scene, began + FAULTS_FOR_S))
        fired = [going_on.create_task(lane.fire(rule)) for lane, rule in rules]
    scene.proxies.clear()
    executions = [task.result() for task in fired]
    ended = Counter([await scene.reaches(one, *FINAL, "UNKNOWN", seconds=ENDS_WITHIN_S) for one in executions])
    scene.figures["all_s"] = time.monotonic() - began
    scene.check(ended == {"SETTLED": TRIGGERS}, f"each of {TRIGGERS} triggers settled: {ended}")
    await _small(scene, executions)


async def _crash_postgres(scene: Scene, until: float) -> None:
    while time.monotonic() < until:
        await asyncio.sleep(scene.rng.uniform(*STOP_POSTGRES_EVERY_S))
        await scene.kill("postgres")
        await scene.restart("postgres")


async def _small(scene: Scene, executions: list[str]) -> None:
    """I12, of these executions' histories."""
    temporal = await scene.temporal()
    events, size = 0, 0
    for execution in executions:
        handle = temporal.get_workflow_handle(await scene.workflow_id(execution))
        info = (await handle.describe()).raw_description.workflow_execution_info
        events, size = max(events, info.history_length), max(size, info.history_size_bytes)
    scene.figures |= {"longest_history_events": events, "largest_history_bytes": size}
    scene.check(events <= MOST_EVENTS and size <= MOST_BYTES, f"histories stay small: {events} events, {size} bytes")
