"""Executions of several legs with counted nonces, on the real book and Temporal; the venue is a small chain."""

import pytest
from temporalio.client import Client

from domain.executions import Order
from domain.intents import LegKind, Objection
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.devnet.temporal import TemporalDev
from tests.fakes.nonce_venue import ETH, GAS, USDC, NonceVenue
from tests.integration.desk import DeskAt, working
from tests.integration.test_execute_rule import operate
from tests.world.conditions import until

Desk = DeskAt[NonceVenue]


@pytest.fixture
def desk(book: Book, client: Client) -> Desk:
    return DeskAt(book, client, NonceVenue(), "anvil")


async def test_an_approval_and_a_swap_are_one_settlement_whose_book_equals_the_chain(desk: Desk) -> None:
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "SETTLED"
    assert await _attempts(desk, order) == ["1 approve 0 nonce 0 LANDED", "2 swap 0 nonce 1 LANDED"]
    assert list(desk.venue.received.values()) == [1, 1]
    await _book_equals_chain(desk, order)


async def test_an_approval_that_fails_on_chain_ends_the_execution_before_the_swap_with_its_fee_booked(
    desk: Desk,
) -> None:
    desk.venue.failing = {LegKind.APPROVE}
    async with working(desk):
        order = await desk.order()
        ending = await desk.ending(order)
    assert (ending.status, ending.codes) == ("FAILED", ("ATTEMPTS_EXHAUSTED",))
    assert await _attempts(desk, order) == ["1 approve 0 nonce 0 LANDED"]
    await _book_equals_chain(desk, order)
    fees = await desk.rows(
        "SELECT CAST(amount AS text) AS base FROM v_ledger WHERE execution_id = :e AND account = 'fee:network'",
        e=order.execution_id,
    )
    assert [int(fee["base"]) for fee in fees] == [GAS]


async def test_a_swap_that_fails_on_chain_takes_a_new_nonce_each_time(desk: Desk) -> None:
    desk.venue.failing = {LegKind.SWAP}
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "FAILED"
    swaps = [f"2 swap 0 nonce {nonce} LANDED" for nonce in (1, 2, 3, 4)]
    assert await _attempts(desk, order) == ["1 approve 0 nonce 0 LANDED", *swaps]
    await _book_equals_chain(desk, order)


@pytest.mark.parametrize("winner", ["original", "replacement"])
async def test_of_a_stuck_payload_and_its_replacement_whichever_lands_settles_once(desk: Desk, winner: str) -> None:
    unstored: list[str] = []

    async def arriving(reference: str) -> None:
        if not await desk.rows("SELECT 1 FROM attempt WHERE venue_ref = :r AND state = 'SIGNED'", r=reference):
            unstored.append(reference)

    desk.venue.arriving = arriving
    desk.venue.waiting, desk.venue.stuck = {LegKind.APPROVE}, True
    async with working(desk):
        order = await desk.order()
        await until(lambda: _arrived(desk, 1))
        # Signed a minute ago: long enough to be replaced.
        await desk.change(
            "UPDATE attempt SET signed_at = signed_at - interval '1 minute' WHERE execution_id = :e",
            e=order.execution_id,
        )
        await until(lambda: _arrived(desk, 2))
        original, replacement = desk.venue.received
        desk.venue.mine(original if winner == "original" else replacement)
        assert (await desk.ending(order)).status == "SETTLED"
    fates = ("LANDED", "DEAD") if winner == "original" else ("DEAD", "LANDED")
    assert await _attempts(desk, order) == [
        f"1 approve 0 nonce 0 {fates[0]}",
        f"1 approve 1 nonce 0 {fates[1]}",
        "2 swap 0 nonce 1 LANDED",
    ]
    assert unstored == [], "what arrives is in the book already"
    await _book_equals_chain(desk, order)


@pytest.mark.parametrize("failing", [True, False], ids=["failed", "succeeded"])
async def test_a_replacement_that_is_stored_after_the_original_landed_is_dead_and_holds_nothing_up(
    desk: Desk, failing: bool
) -> None:
    """A signer that slept through it all wakes up under its lease, and stores what it has built."""
    desk.venue.waiting = {LegKind.APPROVE, LegKind.SWAP}
    desk.venue.failing = {LegKind.APPROVE} if failing else set()
    desk.venue.unreadable = True
    async with working(desk):
        order = await desk.order()
        await until(lambda: _arrived(desk, 1))
        attempts = Attempts(desk.book)
        execution = await Executions(desk.book).load(order.execution_id)
        (original,) = await attempts.of_execution(order.execution_id)
        epoch = (await Leases(desk.book).read(order.wallet_id)).epoch
        leg = desk.venue.legs(execution.intent)[0]
        asleep = await attempts.allocate(execution, epoch, leg, 2, original.slot, desk.venue, original)
        desk.venue.mine(original.sent.venue_ref)

        async def went_on() -> bool:
            sql = "SELECT 1 FROM attempt WHERE id = :a AND fate = 'LANDED'"
            return bool(await desk.rows(sql, a=original.id)) and (failing or len(desk.venue.received) == 2)

        await until(went_on)
        unsigned = await desk.venue.replace(original.sent)
        await attempts.store(execution, epoch, asleep, desk.venue.seal(unsigned, b"late"), sequential=True)
        if not failing:
            desk.venue.mine(list(desk.venue.received)[1])
        desk.venue.unreadable = False
        assert (await desk.ending(order)).status == ("FAILED" if failing else "SETTLED")
    assert (await _attempts(desk, order))[:2] == ["1 approve 0 nonce 0 LANDED", "1 approve 1 nonce 0 DEAD"]
    assert await desk.rows("SELECT 1 FROM wallet WHERE id = :w AND frozen", w=order.wallet_id) == []
    await _book_equals_chain(desk, order)


async def test_a_strangers_nonce_freezes_the_wallet_and_asks_a_person_while_other_wallets_go_on(desk: Desk) -> None:
    desk.venue.waiting = {LegKind.APPROVE}
    async with working(desk):
        order = await desk.order()
        await until(lambda: _arrived(desk, 1))
        desk.venue.use_nonce(f"address{order.wallet_id.removeprefix('wal_')}")

        async def given_up() -> bool:
            return await desk.status(order) == "UNKNOWN"

        await until(given_up)
        assert await desk.rows("SELECT frozen FROM wallet WHERE id = :w", w=order.wallet_id) == [{"frozen": True}]
        tasks = await desk.rows("SELECT code FROM operator_task WHERE execution_id = :e", e=order.execution_id)
        assert "FOREIGN_NONCE" in {task["code"] for task in tasks}
        desk.venue.waiting = set()
        assert (await desk.ending(await desk.order())).status == "SETTLED"
        assert await _attempts(desk, order) == ["1 approve 0 nonce 0 UNKNOWN"], "nothing else was signed"
        await desk.handle(order).terminate()


async def test_a_nonce_that_a_stranger_used_between_two_executions_is_found_before_anything_is_signed(
    desk: Desk,
) -> None:
    async with working(desk):
        owner, wallet = await desk.wallet()
        assert (await desk.ending(await desk.fire(await desk.rule(owner, wallet)))).status == "SETTLED"
        desk.venue.use_nonce(f"address{wallet.removeprefix('wal_')}")
        ending = await desk.ending(await desk.fire(await desk.rule(owner, wallet)))
    assert (ending.status, ending.codes) == ("BLOCKED", ("FOREIGN_NONCE",))
    assert await desk.rows("SELECT frozen FROM wallet WHERE id = :w", w=wallet) == [{"frozen": True}]
    assert len(desk.custodian.signed) == 2


async def test_what_a_reorganisation_takes_back_is_sent_again_byte_for_byte_and_settles_once(desk: Desk) -> None:
    desk.venue.shallow = True
    desk.venue.waiting = {LegKind.APPROVE}
    async with working(desk):
        order = await desk.order()
        await until(lambda: _arrived(desk, 1))
        [reference] = desk.venue.received
        desk.venue.mine(reference)

        async def seen() -> bool:
            return reference in desk.venue.seen

        await until(seen)
        sendings = desk.venue.received[reference]
        desk.venue.reorganise(reference)
        desk.venue.waiting = set()

        async def sent_again() -> bool:
            return desk.venue.received[reference] > sendings

        await until(sent_again)
        desk.venue.shallow = False
        assert (await desk.ending(order)).status == "SETTLED"
    assert await _attempts(desk, order) == ["1 approve 0 nonce 0 LANDED", "2 swap 0 nonce 1 LANDED"]
    assert len(desk.custodian.signed) == 2
    await _book_equals_chain(desk, order)


async def test_the_nonce_of_an_attempt_that_was_never_signed_is_used_by_the_next(desk: Desk) -> None:
    desk.venue.refusals = (Objection.UNREADABLE,)
    async with working(desk):
        owner, wallet = await desk.wallet()
        refused = await desk.fire(await desk.rule(owner, wallet))
        assert (await desk.ending(refused)).status == "BLOCKED"
        desk.venue.refusals = ()
        order = await desk.fire(await desk.rule(owner, wallet))
        assert (await desk.ending(order)).status == "SETTLED"
    assert await _attempts(desk, refused) == ["1 approve 0 nonce 0 DEAD"], "allocated, and never signed"
    assert await _attempts(desk, order) == ["1 approve 0 nonce 0 LANDED", "2 swap 0 nonce 1 LANDED"]


async def test_a_reset_during_the_second_leg_goes_on_with_it(desk: Desk, temporal: TemporalDev) -> None:
    desk.venue.waiting = {LegKind.SWAP}
    async with working(desk):
        order = await desk.order()
        await until(lambda: _arrived(desk, 2))
        await operate(temporal, "reset", order, "--type", "FirstWorkflowTask", "--reason", "test")
        _, swap = desk.venue.received
        desk.venue.mine(swap)
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.custodian.signed) == len(desk.venue.mined) == 2
    await _book_equals_chain(desk, order)


async def _arrived(desk: Desk, payloads: int) -> bool:
    return len(desk.venue.received) == payloads


async def _attempts(desk: Desk, order: Order) -> list[str]:
    """Each attempt of an execution: number and kind of its leg, its rank, its nonce, its fate."""
    return [
        f"{row['leg_no']} {row['kind']} {row['rank']} nonce {row['nonce']} {row['fate']}"
        for row in await desk.rows(
            "SELECT l.leg_no, l.kind, a.rank, a.nonce, a.fate FROM attempt a JOIN leg l ON l.id = a.leg_id "
            "WHERE a.execution_id = :e ORDER BY l.leg_no, a.attempt_no",
            e=order.execution_id,
        )
    ]


async def _book_equals_chain(desk: Desk, order: Order) -> None:
    rows = await desk.rows(
        "SELECT asset, CAST(sum(amount) AS text) AS base FROM v_ledger WHERE account = :a GROUP BY asset",
        a=f"wallet:{order.wallet_id}",
    )
    held = desk.venue.accounts[f"address{order.wallet_id.removeprefix('wal_')}"].held
    assert {row["asset"]: int(row["base"]) for row in rows} == {USDC.id: held[USDC.id], ETH.id: held[ETH.id]}
