"""Executions on both venues while something is killed every few seconds (F12)."""

import asyncio
import time
from collections import Counter

from infra.devnet.chaos.drill import BOTH, drill
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.scene import Scene
from infra.devnet.chaos.verdict import FINAL
from infra.devnet.world import PartFailed

TRIGGERS, MINUTES = 40, 1.0
MANY_TRIGGERS, MANY_MINUTES = 200, 10.0
LANES_A_VENUE = 4
KILL_EVERY_S = (2.0, 5.0)
# I2: each ends within five minutes of the last fault.
ENDS_WITHIN_S = 300


@drill(
    "F12",
    f"kill -9 of any process of ours every 2 to 5 s for {MINUTES:g} min, {TRIGGERS} triggers on both venues at once",
    venues=("solana",),  # one playing is both
    guards=("G1", "G2", "G4", "G5", "G6", "G7", "G8"),
    within_s=600,
)
async def killed_at_random(scene: Scene) -> None:
    await endure(scene, TRIGGERS, MINUTES)


@drill(
    "M02",
    f"kill -9 of any process of ours every 2 to 5 s for {MANY_MINUTES:g} min, {MANY_TRIGGERS} triggers on both venues",
    venues=("solana",),  # one playing is both
    guards=("G1", "G2", "G4", "G5", "G6", "G7", "G8"),
    within_s=1_500,
    alone=True,
)
async def killed_at_random_for_long(scene: Scene) -> None:
    await endure(scene, MANY_TRIGGERS, MANY_MINUTES)


async def endure(scene: Scene, triggers: int, minutes: float) -> None:
    """Spread the triggers over the minutes and over lanes on both venues; all of them settle. Errors: NotReached."""
    lanes = await asyncio.gather(*(scene.lane(venue) for venue in BOTH for _ in range(LANES_A_VENUE)))
    began = time.monotonic()
    until = began + minutes * 60
    killing = asyncio.create_task(kill_until(scene, until, KILL_EVERY_S))
    try:
        async with asyncio.TaskGroup() as firing:
            for number in range(triggers):
                firing.create_task(_fire_at(lanes[number % len(lanes)], began + number * minutes * 60 / triggers))
        kills = await killing
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    executions = [execution for lane in lanes for execution in lane.fired]
    ended = Counter([await scene.reaches(one, *FINAL, "UNKNOWN", seconds=ENDS_WITHIN_S) for one in executions])
    scene.figures |= {"triggers": triggers, "kills": kills, "effects": await _effects(lanes)}
    scene.figures["all_s"] = time.monotonic() - began
    scene.check(ended == {"SETTLED": triggers}, f"each of {triggers} triggers settled: {ended}")
    scene.check(scene.figures["effects"] == triggers, f"{scene.figures['effects']:.0f} effects of {triggers} triggers")


async def kill_until(scene: Scene, until: float, every_s: tuple[float, float]) -> int:
    """Kill what runs, any process of ours, and have it start again at once. Returns how often.

    `until` is a time of the monotonic clock, `every_s` the shortest and the longest pause.
    """
    kills = 0
    async with asyncio.TaskGroup() as restarts:
        while time.monotonic() < until:
            await asyncio.sleep(scene.rng.uniform(*every_s))
            if running := [name for name in scene.world.ours if name in scene.world.running]:
                name = scene.rng.choice(running)
                await scene.kill(name)
                kills += 1
                restarts.create_task(_begin_again(scene, name))
    return kills


async def _begin_again(scene: Scene, name: str) -> None:
    """What cannot start, since another part is down as well, the world starts again and again."""
    try:
        await scene.restart(name)
    except PartFailed:
        await scene.world.wait_ready(name)


async def _fire_at(lane: Lane, moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
    await lane.fire()


async def _effects(lanes: list[Lane]) -> int:
    """Swaps that the chains show, of all lanes."""
    landed = await asyncio.gather(*(lane.records.landed(lane.address) for lane in lanes))
    return sum(one.swapped for of_lane in landed for one in of_lane)
