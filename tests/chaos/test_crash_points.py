"""Death at every kind of moment, and twice, and by half: the money still moves once, and the book says so.

Here one await is drawn from each gap between two effects; `python -m tests.chaos.walk` walks every one.
"""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from activities.sign import Sign
from domain.audit import Record, first_break
from domain.executions import Execution
from domain.policy import Policy
from infra.custody.protocol import Custodian
from infra.db.attempts import Attempt, Attempts
from infra.db.book import Book, sealed_body
from infra.db.executions import Executions
from infra.db.system import System
from infra.db.tables import EventRow
from infra.venues.protocol import Signed, Venue
from tests.chaos.crash_points import at, at_number, execute, find, one_of_each_gap
from tests.chaos.venues import SCENARIOS

SEED = 20_261_121  # any number: the same draw each time, so that a failure is one tomorrow too


@pytest.mark.parametrize("name", SCENARIOS)
async def test_whichever_two_effects_a_process_dies_between_the_money_moves_once(
    book: Book, postgres_url: str, name: str
) -> None:
    draw = random.Random(SEED)
    for point in one_of_each_gap(await find(book, postgres_url, SCENARIOS[name]), draw):
        run = await execute(book, postgres_url, SCENARIOS[name], [at(point)], same_run=draw.random() < 0.5)
        assert run.deaths == [str(point)], f"{name}: the run never came by {point}"
        assert not run.broken, f"{name}: died at {point}\n" + "\n".join(run.broken)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_dying_again_on_the_way_back_moves_nothing_twice(book: Book, postgres_url: str, name: str) -> None:
    draw = random.Random(SEED)
    points = await find(book, postgres_url, SCENARIOS[name])
    for first in draw.sample(points, 3):
        second = at_number(draw.randrange(1, 40))
        run = await execute(book, postgres_url, SCENARIOS[name], [at(first), second], same_run=draw.random() < 0.5)
        assert not run.broken, f"{name}: died at {' and at '.join(run.deaths)}\n" + "\n".join(run.broken)


async def test_the_walk_comes_by_every_step_and_every_kind_of_effect(book: Book, postgres_url: str) -> None:
    points = await find(book, postgres_url, SCENARIOS["evm-replaced"])
    assert {point.step for point in points} >= {"preflight", "lock", "sign", "submit", "confirm", "reconcile"}
    assert {point.during for point in points} == {"", "commit", "sign", "submit"}
    assert all(point.frames for point in points), "each await is one of ours"


class SendsBeforeItStores(Attempts):
    """What law 1 forbids."""

    def __init__(self, book: Book, venue: Venue) -> None:
        super().__init__(book)
        self._venue = venue

    async def store(
        self, execution: Execution, epoch: int, attempt: Attempt, signed: Signed, *, sequential: bool = False
    ) -> Attempt:
        await self._venue.submit(signed.payload)
        return await super().store(execution, epoch, attempt, signed, sequential=sequential)


class EagerSign(Sign):
    def __init__(
        self,
        executions: Executions,
        attempts: Attempts,
        system: System,
        venues: Mapping[str, Venue],
        custodians: Mapping[str, Custodian],
        limits: Policy,
    ) -> None:
        [venue] = venues.values()
        eager: Any = SendsBeforeItStores(attempts._book, venue)
        super().__init__(executions, eager, system, venues, custodians, limits)


async def test_a_signer_that_sends_before_it_stores_is_found_out(book: Book, postgres_url: str) -> None:
    run = await execute(
        book,
        postgres_url,
        SCENARIOS["solana"],
        [lambda point, number: (point.step, point.during) == ("sign", "submit")],
        sign=EagerSign,
    )
    # What it sent without a row has left the wallet, so the next run finds money gone and is stopped at the lock.
    assert {sentence[:2] for sentence in run.broken} >= {"I3", "I4"}, run.broken


async def test_the_audit_chain_of_all_those_deaths_is_whole(book: Book) -> None:
    async with book.begin() as tx:
        rows = await tx.rows("SELECT * FROM event ORDER BY seq")
    records = [Record(r["seq"], sealed_body(EventRow.model_validate(r)), r["previous"], r["hash"]) for r in rows]
    assert records
    assert first_break(records) is None
