"""A campaign: drills, one after the other on both venues, again and again until time is up, and what came of each."""

import asyncio
import random
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from infra.devnet.chaos import database
from infra.devnet.chaos.chains import records_at
from infra.devnet.chaos.drill import Drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.chaos.verdict import FINAL, Violation, judge, unknown_payloads
from infra.devnet.world import World

# Faster than the chains themselves, so that a drill takes seconds; every rule of finality holds all the same.
SLOT_MS = 100
FINALIZED_LAG = 8
EVM_BLOCK_S = 0.5

# I2: after the last fault is gone, everything ends within this.
HEALED_WITHIN_S = 300
START_ORDER = ("postgres", "temporal", "kms", "solana", "evm", "kalshi", "jupiter")

Say = Callable[[str], None]
Keep = Callable[["Report"], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One playing of one drill. `broke`: it never came to its fault, or the product did not answer as it should.

    `figures` is what it measured, by names that end in their unit.
    """

    fault: str
    title: str
    venue: str
    seed: int
    seconds: float
    triggers: int
    violations: tuple[Violation, ...]
    broke: str | None
    figures: dict[str, float]

    @property
    def good(self) -> bool:
        return not self.violations and self.broke is None


@dataclass(slots=True)
class Report:
    seed: int
    began: datetime
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0

    @property
    def good(self) -> bool:
        return bool(self.outcomes) and all(outcome.good for outcome in self.outcomes)


async def run(
    drills: Sequence[Drill], venues: Sequence[str], seed: int, minutes: float, state: Path, say: Say, keep: Keep
) -> Report:
    """One round of all, then more until time is up; in round n every drill has the seed `seed` + n.

    Each round begins with a fresh world, and drills that want one of their own get it. `keep` gets the report as
    it stands after every drill: hours of drills shall not be lost with the process that plays them.
    """
    began = time.monotonic()
    report = Report(seed, datetime.now(UTC))

    def heard(outcome: Outcome) -> None:
        report.outcomes.append(outcome)
        report.seconds = time.monotonic() - began
        said = "good" if outcome.good else f"NOT GOOD, {len(outcome.violations)} violations, {_first_line(outcome)}"
        told = f"{outcome.fault} on {outcome.venue}, seed {outcome.seed}: {outcome.title}: {said}"
        say(f"{len(report.outcomes)}: {told}, {outcome.seconds:.0f} s")
        keep(report)

    groups = [[one for one in drills if not one.alone], *([one] for one in drills if one.alone)]
    number = 0
    while number == 0 or time.monotonic() - began < minutes * 60:
        until = began + minutes * 60 if number else float("inf")
        for place, group in enumerate(groups):
            order = [(one, venue) for one in group for venue in one.venues if venue in venues]
            if order and time.monotonic() < until:
                await _play_all(order, seed + number, state / f"{number}-{place}", until, say, heard)
        number += 1
    return report


async def _play_all(
    order: list[tuple[Drill, str]], seed: int, state: Path, until: float, say: Say, heard: Callable[[Outcome], None]
) -> None:
    """In one world, until a time of the monotonic clock."""
    random.Random(seed).shuffle(order)  # noqa: S311 - what one drill leaves behind shall not always meet the same next
    say("starting an embedded world")
    async with opened(state, seed) as (world, http):
        for one, venue in order:
            if time.monotonic() >= until:
                return
            heard(await play(one, venue, seed, world, http))


def _first_line(outcome: Outcome) -> str:
    return outcome.broke.partition("\n")[0] if outcome.broke else "it came to its fault"


@asynccontextmanager
async def opened(state: Path, seed: int) -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    world = World(
        state,
        None,
        slot_ms=SLOT_MS,
        finalized_lag=FINALIZED_LAG,
        evm_block_s=EVM_BLOCK_S,
        replicas={"executor": 2, "signer": 2, "watcher": 2, "api": 2},
        proxied=True,
        seed=seed,
    )
    await asyncio.to_thread(state.mkdir, parents=True, exist_ok=True)
    async with world, httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield world, http


async def play(one: Drill, venue: str, seed: int, world: World, http: httpx.AsyncClient) -> Outcome:
    """Play a drill, heal the world, wait until everything is over, and judge."""
    began = time.monotonic()
    rng = random.Random(f"{seed}/{one.fault}/{venue}")  # noqa: S311 - faults shall replay
    scene = Scene(world, http, records_at(venue, world.url(venue), http), rng)
    judged = set(_sent(world))  # in the drill that sent it
    broke = None
    try:
        async with asyncio.timeout(one.within_s):
            await one.play(scene)
    except Exception as error:  # noqa: BLE001 - whatever a drill dies of is its outcome
        broke = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"
    await heal(scene)
    stuck = await _settle_down(scene)
    sent = _sent(world)
    violations = await judge(scene.database, scene.lanes, sent)
    fresh = {sha256: times for sha256, times in sent.items() if sha256 not in judged | scene.unbooked}
    violations += unknown_payloads(fresh, await _known(scene.database))
    if stuck:
        violations.append(Violation("I2", stuck))
    triggers = sum(len(lane.fired) for lane in scene.lanes)
    return Outcome(
        one.fault, one.title, venue, seed, time.monotonic() - began, triggers, tuple(violations), broke, scene.figures
    )


async def heal(scene: Scene) -> None:
    """Every fault away, every process up."""
    world = scene.world
    world.proxies.clear()
    for name in (*START_ORDER, *world.ours):
        if name in world.running:
            await world.resume(name)
        else:
            await world.start(name)
    for stand_in in ("solana", "jupiter", "kalshi"):
        await scene.http.delete(f"{world.url(stand_in)}/_control/faults")


async def _settle_down(scene: Scene) -> str | None:
    """What is not over within the time there is, or nothing."""
    wallets = [lane.wallet_id for lane in scene.lanes]

    async def over() -> bool:
        rows = await scene.rows(
            "SELECT 1 FROM v_execution WHERE wallet_id = ANY($1) AND status <> ALL($2) LIMIT 1",
            wallets,
            [*FINAL, "UNKNOWN"],
        )
        return not rows

    try:
        await scene.until(over, "everything to end", HEALED_WITHIN_S)
    except AssertionError as error:
        return str(error)
    return None


def _sent(world: World) -> dict[str, list[datetime]]:
    return {**world.proxies["solana"].log.sent(), **world.proxies["evm"].log.sent()}


async def _known(url: str) -> set[str]:
    found = await database.rows(url, "SELECT payload_sha256 FROM v_attempt WHERE payload_sha256 IS NOT NULL")
    return {row["payload_sha256"] for row in found}
