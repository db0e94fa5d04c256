"""Finds every await between two effects of an execution, dies there, starts again, and asks the witness.

The awaits are found by running: the real workflow orders the real steps on the real book, and each coroutine is
driven by hand. Nothing is listed here, so a new step or a new statement is walked as soon as it exists.
"""

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from activities.sign import Sign
from domain.chains import CHAINS
from domain.executions import Order
from domain.rules import RuleSpec
from infra.custody.kms_envelope.custodian import NAME
from infra.db.book import Book
from infra.db.rules import Rules
from infra.db.triggers import Triggers
from infra.db.wallets import Wallets
from tests.chaos.foreground import Foreground
from tests.chaos.process import Process
from tests.chaos.stepping import Died, Point, Tape
from tests.chaos.venues import Scenario
from tests.chaos.wires import CustodianWire, VenueWire
from tests.chaos.witness import Witness
from tests.fakes.seal_custodian import SealCustodian
from tests.fakes.told_feed import ToldFeed, observation
from tests.integration.desk import LIVE, MARKET

# When a process ends: at a point, which is its n-th since it began.
Death = Callable[[Point, int], bool]


def never(point: Point, number: int) -> bool:
    return False


def at(wanted: Point) -> Death:
    return lambda point, number: point == wanted


def at_number(wanted: int) -> Death:
    return lambda point, number: number == wanted


@dataclass
class Run:
    """What became of an execution: the points of its first process, all effects, and what was broken."""

    points: list[Point]
    effects: list[str]
    deaths: list[str]
    broken: list[str]


async def find(book: Book, url: str, scenario: Scenario) -> list[Point]:
    """Every await that has an effect before it and another one to come, in the order of a run that nothing disturbs."""
    run = await execute(book, url, scenario)
    assert not run.broken, run.broken
    return [p for p in run.points if p.effects + bool(p.during) > 0 and p.effects < len(run.effects)]


def one_of_each_gap(points: Sequence[Point], draw: random.Random) -> list[Point]:
    """A point drawn from each gap between two effects; half of the draws are where an effect's answer is unread."""
    gaps: dict[int, dict[bool, list[Point]]] = {}
    for point in points:
        gaps.setdefault(point.effects, {}).setdefault(bool(point.during), []).append(point)
    return [draw.choice(draw.choice(list(gap.values()))) for gap in gaps.values()]


async def execute(
    book: Book,
    url: str,
    scenario: Scenario,
    deaths: Sequence[Death] = (),
    *,
    same_run: bool = False,
    sign: type[Sign] = Sign,
) -> Run:
    """One execution to its end, its processes dying one after the other as told.

    After a death a new process begins the workflow anew, as after a reset to its first task; with `same_run` it
    tries the step again, as after a lost worker. At the end every dead process goes on where it stood, as one that
    was only slow, and the workflow runs once more from its start: neither may change anything.
    """
    tape = Tape()
    order = await _fire(book, scenario)
    witness = Witness(book, order)

    async def later() -> None:
        async with book.begin() as tx:
            await tx.change(
                "UPDATE attempt SET signed_at = signed_at - interval '1 minute' WHERE execution_id = :e "
                "AND state = 'SIGNED' AND fate = 'PENDING'",
                e=order.execution_id,
            )

    venue = scenario.make(later)
    feed = ToldFeed({MARKET: observation(MARKET, "0.70", "0.72")})
    custodian = SealCustodian()
    limits = replace(LIVE, allowed_assets=frozenset(asset.id for asset in scenario.assets))
    pending = list(deaths)
    processes: list[Process] = []
    died: list[str] = []

    def start() -> None:
        wired = VenueWire(venue, tape, witness)
        keys = CustodianWire(custodian, tape, witness)
        dies = pending.pop(0) if pending else never
        processes.append(Process(url, wired, feed, keys, limits, tape, dies, sign))

    async def run_step(step: Callable[..., Any], argument: Any, attempt: int) -> Any:
        while True:
            try:
                return await processes[-1].run(step, argument, attempt)
            except Died as death:
                if not same_run:
                    raise
                died.append(str(death))
                start()
            finally:
                await witness.sees_a_step_end(step.__qualname__)

    async def to_the_end() -> None:
        while True:
            try:
                await Foreground(run_step).execute(order)
                return
            except Died as death:
                died.append(str(death))
                start()

    try:
        start()
        await to_the_end()
        effects = list(tape.effects)
        await witness.sees_the_end(venue, scenario.legs)
        over, witness.over = await witness.photograph(venue), True
        for process in processes:
            await process.resume()
        _compare(witness, "a slow process went on", over, await witness.photograph(venue))
        start()
        await to_the_end()
        _compare(witness, "it ran again from the start", over, await witness.photograph(venue))
        return Run(list(processes[0].points), effects, died, witness.broken)
    finally:
        for process in processes:
            await process.close()


def _compare(witness: Witness, what: str, before: Any, after: Any) -> None:
    for table in before:
        if before[table] != after[table]:
            witness.broken.append(f"I6: after {what}, {table} is {after[table]} and was {before[table]}")


async def _fire(book: Book, scenario: Scenario) -> Order:
    """A fresh owner, wallet and rule, fired by hand."""
    tag = secrets.token_hex(8)
    owner, wallet = f"own_{tag}", f"wal_{tag}"
    async with book.begin() as tx:
        await tx.change("INSERT INTO owner (id, name) VALUES (:id, 'somebody')", id=owner)
    await Wallets(book).add(wallet, owner, CHAINS[scenario.chain], f"address{tag}", NAME, {"v": "fake"})
    native = next(asset.symbol for asset in scenario.assets if asset.symbol != "USDC")
    spec = RuleSpec.model_validate(
        {
            "name": "a rule to die for",
            "wallet_id": wallet,
            "trigger": {
                "kind": "market_probability",
                "venue": "kalshi",
                "market": MARKET,
                "when": "at_or_above",
                "threshold": "0.70",
            },
            "action": {"kind": "swap", "sell": "USDC", "buy": native, "amount": "50", "max_slippage_bps": 50},
        }
    )
    rule = await Rules(book).add(f"rul_{tag}", owner, spec)
    await Rules(book).activate(owner, rule.id)
    limits = replace(LIVE, allowed_assets=frozenset(asset.id for asset in scenario.assets))
    triggers = Triggers(book)
    fired = await triggers.record_by_hand(owner, rule.id, "once", limits, {})
    await triggers.mark_started(fired.order)
    return fired.order
