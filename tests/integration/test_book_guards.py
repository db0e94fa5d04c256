"""The book's own guards: what a zombie, a race or a mistake in our code is refused by Postgres itself."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError
from temporalio.client import Client

from domain import audit, policy
from domain.attempts import Fate, Sighting
from domain.errors import LeaseLost, RaceLost
from domain.executions import Execution
from domain.intents import Leg, Slot
from domain.lifecycle import ExecutionState
from infra.db.attempts import Attempts
from infra.db.book import Book, sealed_body
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.tables import EventRow
from infra.db.wallets import Wallets
from infra.venues.protocol import Signed
from tests.fakes.chain_venue import ChainVenue
from tests.integration.desk import Desk

VENUE = ChainVenue()
OLD, NEW = Slot("an older blockhash", 100), Slot("a newer blockhash", 200)


@pytest.fixture
def desk(book: Book, client: Client) -> Desk:
    return Desk(book, client)


async def recorded(desk: Desk, owner: str, wallet: str) -> Execution:
    """An execution that passed its preflight, without a workflow."""
    rule = await desk.rule(owner, wallet)
    fired = await desk.triggers.record_by_hand(owner, rule.id, "k", desk.policy, {})
    await desk.triggers.mark_started(fired.order)
    executions = Executions(desk.book)
    execution = await executions.load(fired.order.execution_id)
    await executions.pass_preflight(execution, ())
    return await executions.load(fired.order.execution_id)


async def locked(desk: Desk) -> tuple[Execution, int]:
    execution = await recorded(desk, *await desk.wallet())
    epoch = await Leases(desk.book).acquire(execution)
    assert epoch is not None
    await Leases(desk.book).hold(execution, epoch, (execution.intent.sell,), ())
    return await Executions(desk.book).load(execution.id), epoch


def leg_of(execution: Execution) -> Leg:
    return VENUE.legs(execution.intent)[0]


def signed(text: str) -> Signed:
    return Signed(text.encode(), f"ref-{text}")


async def test_a_payload_built_for_a_slot_that_was_replaced_is_not_stored(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    zombies = await attempts.allocate(execution, epoch, leg_of(execution), 1, OLD, VENUE)
    current = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    with pytest.raises(RaceLost):
        await attempts.store(execution, epoch, zombies, signed(f"{execution.id} old"))
    stored = await attempts.store(execution, epoch, current, signed(f"{execution.id} new"))
    again = await attempts.store(execution, epoch, zombies, signed(f"{execution.id} old"))
    assert stored.payload == again.payload == f"{execution.id} new".encode()


async def test_nothing_is_stored_once_the_lease_is_gone(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts, leases = Attempts(desk.book), Leases(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    await leases.refuse(execution, ExecutionState.LOCKED, ExecutionState.BLOCKED, ("DRY_RUN",))
    with pytest.raises(LeaseLost):
        await attempts.store(execution, epoch, attempt, signed(execution.id))
    with pytest.raises(LeaseLost):
        await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)


async def test_a_token_of_an_earlier_grant_opens_nothing(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    with pytest.raises(LeaseLost):
        await Attempts(desk.book).allocate(execution, epoch - 1, leg_of(execution), 1, NEW, VENUE)


async def test_the_kill_switch_stops_the_very_statement_that_stores_a_signature(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    await desk.system.set_kill_switch(True, "a drill", "test")
    try:
        with pytest.raises(RaceLost):
            await attempts.store(execution, epoch, attempt, signed(execution.id))
    finally:
        await desk.system.set_kill_switch(False, "drill over", "test")
    assert [a.payload for a in await attempts.of_execution(execution.id)] == [None]


@pytest.mark.parametrize("seen", [Sighting(Fate.PENDING), Sighting(Fate.UNKNOWN), Sighting(Fate.LANDED, True)])
async def test_no_second_attempt_while_one_may_land_or_has(desk: Desk, seen: Sighting) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    first = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    stored = await attempts.store(execution, epoch, first, signed(f"{execution.id} 1"))
    await attempts.note_fates(execution, {stored.id: seen})
    with pytest.raises(IntegrityError, match="one_live_family_per_leg"):
        await attempts.allocate(execution, epoch, leg_of(execution), 2, NEW, VENUE)


async def test_death_without_a_proof_is_not_recorded(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    stored = await attempts.store(execution, epoch, attempt, signed(execution.id))
    with pytest.raises(IntegrityError, match="dead_means_proven"):
        async with desk.book.begin() as tx:
            await tx.change("UPDATE attempt SET fate = 'DEAD' WHERE id = :id", id=stored.id)


async def test_a_final_fate_stays(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    stored = await attempts.store(execution, epoch, attempt, signed(execution.id))
    await attempts.note_fates(execution, {stored.id: Sighting(Fate.LANDED, True)})
    await attempts.note_fates(execution, {stored.id: Sighting(Fate.DEAD, proof=(("height", "1"),))})
    assert [(a.fate, a.succeeded) for a in await attempts.of_execution(execution.id)] == [(Fate.LANDED, True)]


@pytest.mark.parametrize("statement", ["UPDATE event SET kind = 'other'", "DELETE FROM event"])
async def test_audit_rows_are_neither_changed_nor_removed(desk: Desk, statement: str) -> None:
    await locked(desk)
    with pytest.raises(DBAPIError, match="only ever added"):
        async with desk.book.begin() as tx:
            await tx.change(statement)


async def test_a_wallet_is_lent_in_the_order_of_asking(desk: Desk) -> None:
    owner, wallet = await desk.wallet()
    leases = Leases(desk.book)
    executions = [await recorded(desk, owner, wallet) for _ in range(4)]
    granted = [await leases.acquire(one) for one in executions]
    assert [epoch is not None for epoch in granted] == [True, False, False, False]
    for at, one in enumerate(executions):
        waiter = await leases.refuse(one, ExecutionState.PREFLIGHT, ExecutionState.CANCELLED, ("CANCELLED_BY_OWNER",))
        later = executions[at + 1 :]
        assert waiter == (later[0].workflow_id if later else None)
        asked = await asyncio.gather(*(leases.acquire(other) for other in later))
        assert [epoch is not None for epoch in asked] == [at == 0 for at in range(len(later))]


async def test_all_verdicts_of_a_refusal_are_kept(desk: Desk) -> None:
    execution = await recorded(desk, *await desk.wallet())
    verdict = policy.Verdict(policy.Check.BALANCE, passed=False, code="INSUFFICIENT_BALANCE", would_pass="more")
    await Leases(desk.book).refuse(
        execution, ExecutionState.PREFLIGHT, ExecutionState.BLOCKED, ("INSUFFICIENT_BALANCE",), (verdict,)
    )
    [kept] = await desk.rows("SELECT passed, detail FROM verdict WHERE execution_id = :e", e=execution.id)
    assert (kept["passed"], kept["detail"]["code"]) == (False, "INSUFFICIENT_BALANCE")


async def test_a_body_that_outlived_its_execution_takes_neither_lease_nor_place(desk: Desk) -> None:
    owner, wallet = await desk.wallet()
    over, next_one = await recorded(desk, owner, wallet), await recorded(desk, owner, wallet)
    leases = Leases(desk.book)
    await leases.refuse(over, ExecutionState.PREFLIGHT, ExecutionState.BLOCKED, ("NO_QUOTE",))
    assert await leases.acquire(over) is None
    assert await leases.acquire(next_one) is not None


async def test_an_execution_does_not_close_beside_a_signature_that_may_land(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    await attempts.store(execution, epoch, attempt, signed(execution.id))
    with pytest.raises(RaceLost):
        await Ledger(desk.book).close(execution, ExecutionState.FAILED, (), {})


async def test_a_wallet_frozen_while_its_payload_is_built_stores_no_signature(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    await Wallets(desk.book).set_frozen(execution.wallet.owner_id, execution.wallet.id, True, "a drill")
    with pytest.raises(RaceLost):
        await attempts.store(execution, epoch, attempt, signed(execution.id))


async def test_the_kill_switch_stops_the_very_statement_that_notes_a_sending(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts = Attempts(desk.book)
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    stored = await attempts.store(execution, epoch, attempt, signed(execution.id))
    await desk.system.set_kill_switch(True, "a drill", "test")
    try:
        assert await attempts.note_sending(stored) is None
    finally:
        await desk.system.set_kill_switch(False, "drill over", "test")
    assert [a.broadcast_count for a in await attempts.of_execution(execution.id)] == [0]


async def test_a_frozen_wallet_sends_nothing_first_and_sends_on_what_is_out(desk: Desk) -> None:
    execution, epoch = await locked(desk)
    attempts, wallets, wallet = Attempts(desk.book), Wallets(desk.book), execution.wallet
    attempt = await attempts.allocate(execution, epoch, leg_of(execution), 1, NEW, VENUE)
    stored = await attempts.store(execution, epoch, attempt, signed(execution.id))
    await wallets.set_frozen(wallet.owner_id, wallet.id, True, "a drill")
    assert await attempts.note_sending(stored) is None
    await wallets.set_frozen(wallet.owner_id, wallet.id, False, "drill over")
    assert await attempts.note_sending(stored) is not None
    await wallets.set_frozen(wallet.owner_id, wallet.id, True, "a drill")
    assert await attempts.note_sending(stored) is not None
    assert [a.broadcast_count for a in await attempts.of_execution(execution.id)] == [2]


async def test_an_audit_row_whose_time_was_changed_shows(desk: Desk) -> None:
    await locked(desk)
    [last] = await desk.rows("SELECT * FROM event ORDER BY seq DESC LIMIT 1")
    row = EventRow.model_validate(last)
    assert audit.seal(row.seq, sealed_body(row), row.previous) == row.hash
    assert row.at is not None
    row.at -= timedelta(days=1)
    assert audit.seal(row.seq, sealed_body(row), row.previous) != row.hash
