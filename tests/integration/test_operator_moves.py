"""UNKNOWN is a place: what is held stays held, everybody else goes on, and each way out pays at most once."""

from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError

from domain import assets
from domain.errors import IllegalTransition, InvalidInput, MoveNotSafe, RaceLost
from domain.operator_moves import BALANCE_UNEXPLAINED, FOREIGN_NONCE, OperatorMove
from infra.db import remedies
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.ledger import Ledger
from infra.db.tasks import Resolution, Task
from infra.db.wallets import Wallets
from infra.operations import Seen
from infra.temporal.reset import reset
from tests.integration.desk import working
from tests.integration.office import EVIDENCE, WORDS, Office
from tests.world.conditions import until

M = OperatorMove


@pytest.fixture
def desk(book: Book, client: Client, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr("workflows.options.UNKNOWN_RECHECK", timedelta(seconds=1))
    return Office(book, client)


async def test_an_unknown_execution_keeps_hold_and_lease_while_other_wallets_go_on(desk: Office) -> None:
    async with working(desk):
        stuck = await desk.unknown()
        task = await desk.raised(stuck)
        assert task.code == "FATE_UNKNOWN"
        assert await desk.held(stuck) == (True, True)
        desk.shaky.deaf = False
        assert (await desk.ending(await desk.order())).status == "SETTLED"
        assert await desk.held(stuck) == (True, True)
        assert await desk.status(stuck) == "UNKNOWN"
        desk.recover()
        assert (await desk.ending(stuck)).status == "SETTLED"
    assert await desk.held(stuck) == (False, False)


async def test_nothing_is_declared_dead_before_its_last_block_or_without_a_head(desk: Office) -> None:
    async with working(desk):
        order = await desk.unknown()
        task = await desk.raised(order)
        assert "may still land until 1150, the venue is at 1000" in await desk.refused(task, M.DECLARE_DEAD)
        desk.shaky.blind = True
        desk.shaky.unproven = False
        desk.shaky.height += 151
        assert "does not say how far it is" in await desk.refused(task, M.DECLARE_DEAD)
        assert len(desk.custodian.signed) == 1
        desk.recover()
        assert (await desk.ending(order)).status == "SETTLED"


async def test_what_is_past_its_last_block_is_declared_dead_with_the_operators_evidence_and_tried_anew(
    desk: Office,
) -> None:
    async with working(desk):
        order = await desk.unknown()
        task = await desk.raised(order)
        desk.shaky.height += 151
        seen = await desk.operations.look(task)
        assert seen.situation.short is False
        desk.shaky.deaf = False
        resolved = await desk.choose(task, M.DECLARE_DEAD)
        assert (await desk.ending(order)).status == "SETTLED"
    assert resolved.resolution == Resolution(M.DECLARE_DEAD, WORDS, EVIDENCE, "key_operator")
    first, second = await desk.rows(
        "SELECT fate, proof FROM attempt WHERE execution_id = :e ORDER BY attempt_no", e=order.execution_id
    )
    assert first["fate"] == "DEAD"
    assert first["proof"] == {
        "declared_by": "key_operator",
        "evidence": EVIDENCE,
        "reason": WORDS,
        "head": "1151",
        "valid_until": "1150",
    }
    assert second["fate"] == "LANDED"
    assert len(desk.venue.landed) == 1
    (event,) = await desk.rows(
        "SELECT body FROM event WHERE kind = 'task.resolved' AND subject = :e", e=order.execution_id
    )
    assert (event["body"]["move"], event["body"]["by"]) == ("declare_dead", "key_operator")


async def test_a_wallet_that_lacks_what_was_to_be_sold_speaks_against_death(desk: Office) -> None:
    async with working(desk):
        order = await desk.unknown()
        task = await desk.raised(order)
        desk.shaky.height += 151
        desk.shaky.balances_base[assets.SOLANA_USDC.id] -= 50_000_000
        assert "holds less" in await desk.refused(task, M.DECLARE_DEAD)
        desk.shaky.dark = True
        assert "cannot be read" in await desk.refused(task, M.DECLARE_DEAD)
        desk.shaky.dark = False
        desk.shaky.balances_base[assets.SOLANA_USDC.id] += 50_000_000
        desk.recover()
        assert (await desk.ending(order)).status == "SETTLED"


async def test_a_death_is_not_written_over_payloads_that_nobody_looked_at(desk: Office) -> None:
    async with working(desk):
        order = await desk.unknown()
        task = await desk.raised(order)
        execution = await Executions(desk.book).load(order.execution_id)
        with pytest.raises(RaceLost):
            await desk.tasks.resolve(
                task,
                Resolution(M.DECLARE_DEAD, WORDS, EVIDENCE, "key_operator"),
                lambda tx: remedies.declare_dead(tx, task, execution, {}),
            )
        assert (await desk.tasks.find(task.id)).resolution is None
        desk.recover()
        assert (await desk.ending(order)).status == "SETTLED"


async def test_words_are_asked_for_before_anything_is_done(desk: Office) -> None:
    _, task = await desk.wallet_task("STEP_FAILED")
    with pytest.raises(InvalidInput):
        await desk.choose(task, M.UNFREEZE, reason="so")
    assert (await desk.tasks.find(task.id)).resolution is None


async def test_looking_again_starts_a_workflow_that_is_gone_and_signs_nothing(desk: Office) -> None:
    async with working(desk):
        order = await desk.unknown()
        task = await desk.raised(order)
        await desk.handle(order).terminate("by the test")
        desk.shaky.deaf = desk.shaky.unproven = False
        await desk.choose(task, M.LOOK_AGAIN)
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.custodian.signed) == 1
    assert len(desk.venue.landed) == 1


async def test_a_failed_step_is_retried_and_pays_nothing_twice(desk: Office) -> None:
    async with working(desk):
        desk.shaky.unexplained = 1
        order = await desk.order()
        with pytest.raises(WorkflowFailureError):
            await desk.ending(order)
        task = await desk.raised(order)
        assert task.code == "INTEGRITY_BROKEN"
        assert await desk.held(order) == (True, True)
        assert "not over" in await desk.refused(task, M.ACKNOWLEDGE)
        assert "choose retry" in str((await _unsafe(desk, task, M.LOOK_AGAIN)).would_be_safe)
        desk.shaky.unexplained = 0
        await desk.choose(task, M.RETRY)
        assert (await desk.ending(order)).status == "SETTLED"
    assert list(desk.venue.received.values()) == [1]
    assert len(desk.custodian.signed) == 1
    assert await desk.held(order) == (False, False)


async def _unsafe(desk: Office, task: Task, move: OperatorMove) -> MoveNotSafe:
    with pytest.raises(MoveNotSafe) as refusal:
        await desk.choose(task, move)
    return refusal.value


async def test_a_step_that_fails_again_asks_again(desk: Office) -> None:
    async with working(desk):
        desk.shaky.unexplained = 1
        order = await desk.order()
        with pytest.raises(WorkflowFailureError):
            await desk.ending(order)
        first = await desk.raised(order)
        await desk.choose(first, M.RETRY)
        second = await desk.raised(order)
        assert second.id != first.id
        desk.shaky.unexplained = 0
        with pytest.raises(WorkflowFailureError):
            await desk.ending(order)
        await desk.choose(second, M.RETRY)
        assert (await desk.ending(order)).status == "SETTLED"


async def test_the_same_choice_in_the_same_words_goes_on_and_another_is_refused(desk: Office) -> None:
    _, task = await desk.wallet_task("STEP_FAILED")
    resolved = await desk.choose(task, M.UNFREEZE)
    assert await desk.choose(resolved, M.UNFREEZE) == resolved
    with pytest.raises(MoveNotSafe):
        await desk.choose(resolved, M.ACKNOWLEDGE)
    with pytest.raises(RaceLost):
        await desk.tasks.resolve(task, Resolution(M.UNFREEZE, WORDS, None, "key_other"), remedies.nothing)


async def test_what_a_stranger_signed_is_dead_and_leaves_the_wallet_an_open_matter(desk: Office) -> None:
    async with working(desk):
        desk.shaky.deaf = desk.shaky.unproven = True
        order = await desk.order()
        await until(lambda: desk._is(order, "SUBMITTED"))
        desk.shaky.usurped = True
        task = await desk.raised(order)
        assert task.code == FOREIGN_NONCE
        assert "frozen" in await desk.refused(task, M.ACKNOWLEDGE)
        await desk.choose(task, M.DECLARE_DEAD)
        ending = await desk.ending(order)
    assert (ending.status, ending.codes) == ("FAILED", ("WALLET_FROZEN",))
    assert len(desk.custodian.signed) == 1
    (number,) = await desk.tasks.open_of_wallet(order.wallet_id)
    follower = await desk.tasks.find(number)
    assert (follower.code, follower.execution_id) == (FOREIGN_NONCE, None)
    with pytest.raises(MoveNotSafe) as refusal:
        await Wallets(desk.book).set_frozen(order.owner_id, order.wallet_id, False, "mine again")
    assert str(number) in str(refusal.value)
    await desk.choose(follower, M.UNFREEZE)
    assert not (await Wallets(desk.book).of_anybody(order.wallet_id)).frozen


async def test_the_chains_count_is_adopted_when_nothing_of_ours_is_in_flight(desk: Office) -> None:
    desk.shaky.sequential, desk.shaky.count = True, 5
    wallet, task = await desk.wallet_task(FOREIGN_NONCE)
    await desk.change("INSERT INTO account_nonce (wallet_id, next) VALUES (:w, 3)", w=wallet.id)
    assert "same nonce" in await desk.refused(task, M.UNFREEZE)
    desk.shaky.dark = True
    assert "cannot be read" in await desk.refused(task, M.ADOPT_NONCE)
    desk.shaky.dark = False
    desk.shaky.count = 2
    assert "behind" in await desk.refused(task, M.ADOPT_NONCE)
    desk.shaky.count = 5
    await desk.choose(task, M.ADOPT_NONCE)
    assert await Wallets(desk.book).next_nonce(wallet.id) == 5
    assert (await Wallets(desk.book).of_anybody(wallet.id)).frozen
    released = await Wallets(desk.book).set_frozen(wallet.owner_id, wallet.id, False, "it was me")
    assert not released.frozen


async def test_of_a_wallet_that_never_signed_a_strangers_nonces_are_adopted_before_it_is_unfrozen(
    desk: Office,
) -> None:
    """The signer expects nonce 0 of it: unfrozen without them, it would be frozen by its next execution."""
    desk.shaky.sequential, desk.shaky.count = True, 5
    wallet, task = await desk.wallet_task(FOREIGN_NONCE)
    assert "same nonce" in await desk.refused(task, M.UNFREEZE)
    await desk.choose(task, M.ADOPT_NONCE)
    assert await Wallets(desk.book).next_nonce(wallet.id) == 5


async def test_neither_nonce_nor_ledger_is_touched_once_an_execution_has_taken_the_wallet(desk: Office) -> None:
    wallet, task = await desk.wallet_task(FOREIGN_NONCE)
    await desk.change("INSERT INTO account_nonce (wallet_id, next) VALUES (:w, 3)", w=wallet.id)
    await desk.change("INSERT INTO lease (wallet_id, epoch) VALUES (:w, 8)", w=wallet.id)
    chosen = Resolution(M.ADOPT_NONCE, WORDS, EVIDENCE, "key_operator")
    with pytest.raises(RaceLost):  # somebody had it since the chain was asked, under token 7
        await desk.tasks.resolve(task, chosen, lambda tx: remedies.adopt_nonce(tx, wallet, 7, 3, 5))
    with pytest.raises(RaceLost):
        await desk.tasks.resolve(task, chosen, lambda tx: remedies.book_outside(tx, task, wallet, 7, ()))
    with pytest.raises(RaceLost):  # another one adopted a count meanwhile
        await desk.tasks.resolve(task, chosen, lambda tx: remedies.adopt_nonce(tx, wallet, 8, 2, 5))
    assert await Wallets(desk.book).next_nonce(wallet.id) == 3
    assert (await desk.tasks.find(task.id)).resolution is None


async def test_a_difference_is_booked_as_a_transfer_from_outside_and_the_ledger_balances(desk: Office) -> None:
    wallet, task = await desk.wallet_task(BALANCE_UNEXPLAINED)
    assert "book_outside first" in (await _unsafe(desk, task, M.UNFREEZE)).would_be_safe
    await desk.choose(task, M.BOOK_OUTSIDE)
    assert await Ledger(desk.book).balances(wallet.id) == desk.venue.balances_base
    entries = await desk.rows(
        "SELECT account, asset, kind, CAST(amount AS text) AS base FROM ledger_entry WHERE venue_event_id = :v",
        v=f"task/{task.id}",
    )
    assert {entry["kind"] for entry in entries} == {"outside"}
    for asset in desk.venue.balances_base:
        assert sum(int(entry["base"]) for entry in entries if entry["asset"] == asset) == 0
    assert (await Wallets(desk.book).of_anybody(wallet.id)).frozen


async def test_a_difference_that_may_be_ours_is_not_booked(desk: Office) -> None:
    async with working(desk):
        order = await desk.unknown()
        wallet = await Wallets(desk.book).of_anybody(order.wallet_id)
        await desk.system.freeze(wallet, BALANCE_UNEXPLAINED, "as the test says")
        numbers = await desk.tasks.open_of_wallet(wallet.id)
        task = next(t for t in [await desk.tasks.find(n) for n in numbers] if t.code == BALANCE_UNEXPLAINED)
        assert order.execution_id in await desk.refused(task, M.BOOK_OUTSIDE)
        assert "other tasks" in await desk.refused(task, M.UNFREEZE)
        desk.recover()
        assert (await desk.ending(order)).codes == ("WALLET_FROZEN",)


async def test_an_unfreezing_loses_against_a_task_that_is_raised_meanwhile(desk: Office) -> None:
    wallet, task = await desk.wallet_task("STEP_FAILED")
    seen: Seen = await desk.operations.look(task)
    await desk.system.freeze(wallet, FOREIGN_NONCE, "raised while somebody was looking")
    chosen = Resolution(M.UNFREEZE, WORDS, None, "key_operator")
    with pytest.raises(RaceLost):
        await desk.tasks.resolve(task, chosen, lambda tx: remedies.unfreeze(tx, task, seen.wallet))
    with pytest.raises(RaceLost):
        await desk.tasks.resolve(task, chosen, lambda tx: remedies.acknowledge(tx, seen.wallet))
    assert (await Wallets(desk.book).of_anybody(wallet.id)).frozen


async def test_resetting_through_the_api_of_temporal_pays_nothing(desk: Office) -> None:
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "SETTLED"
        run_id = await reset(desk.client, f"execution/{order.trigger_id}", "the test", "request-1")
        assert (await desk.handle(order).describe()).run_id == run_id
        assert (await desk.ending(order)).status == "SETTLED"
    assert list(desk.venue.received.values()) == [1]
    assert len(desk.custodian.signed) == 1


async def test_there_is_nothing_to_reset_without_a_history(desk: Office) -> None:
    assert await reset(desk.client, "execution/trg_never", "the test", "request-2") is None
    order = await desk.order()  # no worker: its first task is not begun
    assert await reset(desk.client, f"execution/{order.trigger_id}", "the test", "request-3") is None
    assert await desk.starter.restart(order, {}) is False
    await desk.handle(order).terminate("the next test's worker would take it up")


async def test_a_workflow_is_started_again_only_while_its_execution_is_open(desk: Office) -> None:
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "SETTLED"
        with pytest.raises(IllegalTransition):
            await desk.starter.restart(order, {})
    assert list(desk.venue.received.values()) == [1]
