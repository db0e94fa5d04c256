"""The workflow with the real book and the real Temporal; the venue is a small chain that counts what it is sent."""

import asyncio
import subprocess
from dataclasses import replace

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from domain import assets
from domain.attempts import MAX_ATTEMPTS
from domain.audit import Record, first_break
from domain.executions import Order
from domain.intents import LegKind, Objection
from infra.db.attempts import Attempts
from infra.db.book import Book, sealed_body
from infra.db.executions import Executions
from infra.db.tables import EventRow
from infra.db.wallets import Wallets
from infra.devnet.temporal import TemporalDev
from infra.devnet.toolchain import temporal_binary
from tests.integration.desk import LIVE, Desk, working
from tests.world.conditions import until
from workflows.execute_rule import ExecuteRule


@pytest.fixture
def desk(book: Book, client: Client) -> Desk:
    return Desk(book, client)


async def test_a_trigger_becomes_one_settlement_whose_book_equals_the_chain(desk: Desk) -> None:
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.venue.landed) == 1
    book = await desk.rows(
        "SELECT asset, CAST(sum(amount) AS text) AS base FROM v_ledger WHERE account = :a GROUP BY asset",
        a=f"wallet:{order.wallet_id}",
    )
    assert {row["asset"]: int(row["base"]) for row in book} == desk.venue.balances_base
    sums = await desk.rows(
        "SELECT asset, sum(amount) AS sum FROM v_ledger WHERE execution_id = :e GROUP BY asset", e=order.execution_id
    )
    assert [int(row["sum"]) for row in sums] == [0, 0]
    [attempt] = await desk.rows("SELECT * FROM v_attempt WHERE execution_id = :e", e=order.execution_id)
    assert attempt["allocated_at"] < attempt["signed_at"] < attempt["first_sent_at"] < attempt["final_at"]
    assert (
        await desk.rows("SELECT 1 FROM hold WHERE execution_id = :e AND released_at IS NULL", e=order.execution_id)
        == []
    )


async def test_resetting_a_finished_workflow_sends_nothing_new(desk: Desk, temporal: TemporalDev) -> None:
    async with working(desk):
        order = await desk.order()
        first = await desk.ending(order)
        await operate(temporal, "reset", order, "--type", "FirstWorkflowTask", "--reason", "test")
        again = await desk.ending(order)
    assert again.status == first.status == "SETTLED"
    assert list(desk.venue.received.values()) == [1]
    assert len(desk.custodian.signed) == 1


async def test_the_same_trigger_fired_fifty_times_at_once_is_one_execution(desk: Desk) -> None:
    async with working(desk):
        rule = await desk.rule(*await desk.wallet())
        orders = await asyncio.gather(*(desk.fire(rule, "the same key") for _ in range(50)))
        assert len(set(orders)) == 1
        assert (await desk.ending(orders[0])).status == "SETTLED"
    assert await desk.rows("SELECT count(*) AS n FROM execution WHERE rule_id = :r", r=rule.id) == [{"n": 1}]
    assert list(desk.venue.received.values()) == [1]


async def test_a_lost_answer_is_looked_up_and_never_signed_again(desk: Desk) -> None:
    desk.venue.mute = True
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.custodian.signed) == 1
    assert len(desk.venue.landed) == 1


async def test_a_payload_that_never_arrived_is_sent_again_byte_for_byte(desk: Desk) -> None:
    desk.venue.deaf = True
    async with working(desk):
        order = await desk.order()
        await until(lambda: _sent(desk))
        desk.venue.deaf = False
        assert (await desk.ending(order)).status == "SETTLED"
    [(_, times)] = desk.venue.received.items()
    assert times > 1
    assert len(desk.custodian.signed) == 1


async def test_only_a_proven_death_permits_another_signature(desk: Desk) -> None:
    desk.venue.deaf = True
    async with working(desk):
        order = await desk.order()
        await until(lambda: _sent(desk))
        desk.venue.blind = True
        desk.venue.height += 151
        await until(lambda: _fate(desk, order.execution_id, "UNKNOWN"))
        assert len(desk.custodian.signed) == 1
        desk.venue.blind = desk.venue.deaf = False
        assert (await desk.ending(order)).status == "SETTLED"
    attempts = await desk.rows(
        "SELECT fate, proof FROM attempt WHERE execution_id = :e ORDER BY attempt_no", e=order.execution_id
    )
    assert [a["fate"] for a in attempts] == ["DEAD", "LANDED"]
    assert attempts[0]["proof"] == {"height": "1151"}
    assert len(desk.venue.landed) == 1


async def _sent(desk: Desk) -> bool:
    return bool(desk.venue.received)


async def _fate(desk: Desk, execution_id: str, fate: str) -> bool:
    rows = await desk.rows("SELECT fate FROM attempt WHERE execution_id = :e", e=execution_id)
    return [row["fate"] for row in rows] == [fate]


async def test_a_swap_that_fails_on_chain_pays_its_fees_and_ends_after_a_bounded_number_of_tries(desk: Desk) -> None:
    desk.venue.failing = True
    async with working(desk):
        order = await desk.order()
        ending = await desk.ending(order)
    assert (ending.status, ending.codes) == ("FAILED", ("ATTEMPTS_EXHAUSTED",))
    assert len(desk.venue.landed) == MAX_ATTEMPTS[LegKind.SWAP]
    [usdc] = await desk.rows(
        "SELECT CAST(sum(amount) AS text) AS base FROM v_ledger WHERE account = :a AND asset = :asset",
        a=f"wallet:{order.wallet_id}",
        asset=assets.SOL.id,
    )
    assert int(usdc["base"]) == desk.venue.balances_base[assets.SOL.id]


@pytest.mark.parametrize("objection", list(Objection))
async def test_a_payload_that_the_signer_objects_to_gets_no_signature(desk: Desk, objection: Objection) -> None:
    desk.venue.refusals = (objection,)
    async with working(desk):
        order = await desk.order()
        ending = await desk.ending(order)
    assert (ending.status, ending.codes) == ("BLOCKED", (objection.value,))
    assert desk.custodian.signed == []
    assert (await desk.rows("SELECT holder FROM lease WHERE wallet_id = :w", w=order.wallet_id)) == [{"holder": None}]


async def test_a_dry_run_is_simulated_and_never_signed(desk: Desk) -> None:
    desk.policy = replace(LIVE, dry_run=True, execution_enabled=False)
    async with working(desk):
        ending = await desk.ending(await desk.order())
    assert (ending.status, ending.codes) == ("BLOCKED", ("DRY_RUN",))
    assert desk.venue.built == 1
    assert desk.custodian.signed == []


async def test_a_signer_that_is_not_switched_on_signs_nothing_whatever_the_execution_says(desk: Desk) -> None:
    async with working(desk, signer_limits=replace(LIVE, execution_enabled=False)):
        ending = await desk.ending(await desk.order())
    assert (ending.status, ending.codes) == ("BLOCKED", ("EXECUTION_DISABLED",))
    assert desk.custodian.signed == []


async def test_the_kill_switch_blocks_with_its_code_and_leaves_the_rule_active(desk: Desk) -> None:
    async with working(desk):
        rule = await desk.rule(*await desk.wallet())
        await desk.system.set_kill_switch(True, "a drill", "test")
        try:
            ending = await desk.ending(await desk.fire(rule))
        finally:
            await desk.system.set_kill_switch(False, "drill over", "test")
    assert (ending.status, ending.codes) == ("BLOCKED", ("KILL_SWITCH_ON",))
    assert (await desk.rules.find(rule.owner_id, rule.id)).state == "ACTIVE"
    assert desk.custodian.signed == []


async def test_rules_of_one_wallet_take_turns_and_never_spend_more_than_it_has(desk: Desk) -> None:
    desk.venue.balances_base[assets.SOLANA_USDC.id] = 120_000_000
    async with working(desk):
        owner, wallet = await desk.wallet()
        orders = [await desk.fire(await desk.rule(owner, wallet)) for _ in range(4)]
        endings = await asyncio.gather(*(desk.ending(order) for order in orders))
    assert sorted(ending.status for ending in endings) == ["BLOCKED", "BLOCKED", "SETTLED", "SETTLED"]
    assert desk.venue.balances_base[assets.SOLANA_USDC.id] == 20_000_000
    grants = await desk.rows(
        "SELECT subject FROM event WHERE kind = 'lease.granted' AND body->>'wallet_id' = :w ORDER BY seq", w=wallet
    )
    assert len(grants) == len({grant["subject"] for grant in grants})


async def test_an_execution_can_be_cancelled_until_something_may_be_signed(desk: Desk) -> None:
    desk.venue.deaf = True
    async with working(desk):
        owner, wallet = await desk.wallet()
        first = await desk.fire(await desk.rule(owner, wallet))
        await until(lambda: _is(desk, first.execution_id, "SUBMITTED"))
        waiting = await desk.fire(await desk.rule(owner, wallet))
        await until(lambda: _is(desk, waiting.execution_id, "PREFLIGHT"))
        await desk.handle(waiting).execute_update("cancel")
        assert (await desk.ending(waiting)).status == "CANCELLED"
        with pytest.raises(WorkflowUpdateFailedError):
            await desk.handle(first).execute_update("cancel")
        desk.venue.deaf = False
        assert (await desk.ending(first)).status == "SETTLED"


async def _is(desk: Desk, execution_id: str, status: str) -> bool:
    return await desk.rows("SELECT status FROM execution WHERE id = :e", e=execution_id) == [{"status": status}]


async def test_a_trigger_that_was_recorded_and_never_started_is_started_by_the_sweep(desk: Desk) -> None:
    async with working(desk):
        rule = await desk.rule(*await desk.wallet())
        fired = await desk.triggers.record_by_hand(rule.owner_id, rule.id, "left behind", desk.policy, {})
        await until(lambda: _left_behind(desk, fired.order.trigger_id))
        for unstarted in await desk.triggers.unstarted(0, 100):
            await desk.starter.start(unstarted.order, unstarted.trace)
        assert (await desk.ending(fired.order)).status == "SETTLED"
    assert fired.order.trigger_id not in {u.order.trigger_id for u in await desk.triggers.unstarted(0, 100)}


async def _left_behind(desk: Desk, trigger_id: str) -> bool:
    return trigger_id in {unstarted.order.trigger_id for unstarted in await desk.triggers.unstarted(0, 100)}


async def test_the_audit_chain_of_everything_that_happened_is_whole(desk: Desk) -> None:
    rows = await desk.rows("SELECT * FROM event ORDER BY seq")
    records = [Record(r["seq"], sealed_body(EventRow.model_validate(r)), r["previous"], r["hash"]) for r in rows]
    assert records
    assert first_break(records) is None


async def test_the_history_of_an_execution_replays(desk: Desk) -> None:
    async with working(desk):
        order = await desk.order()
        await desk.ending(order)
    history = await desk.handle(order).fetch_history()
    replayed = await Replayer(workflows=[ExecuteRule], data_converter=pydantic_data_converter).replay_workflow(history)
    assert replayed.replay_failure is None
    assert len(history.events) < 120, "an execution stays small"


async def test_a_step_that_fails_for_good_asks_a_person_and_keeps_what_is_held(desk: Desk) -> None:
    async with working(desk):
        desk.venue.unexplained = 1
        order = await desk.order()
        with pytest.raises(WorkflowFailureError):
            await desk.ending(order)
    assert await desk.rows("SELECT code FROM operator_task WHERE execution_id = :e", e=order.execution_id) == [
        {"code": "INTEGRITY_BROKEN"}
    ]
    assert await desk.status(order) == "CONFIRMED", "it did land; nothing may be signed for it again"
    assert await desk.rows("SELECT holder FROM lease WHERE wallet_id = :w", w=order.wallet_id) == [
        {"holder": order.execution_id}
    ]


async def test_a_source_that_stays_silent_at_the_check_blocks_with_its_codes_and_the_rule_is_active_again(
    desk: Desk,
) -> None:
    desk.feed.down = True
    async with working(desk):
        rule = await desk.rule(*await desk.wallet())
        await desk.rules.arm(rule.id, rule.activation)
        fired = await desk.triggers.record_crossing(rule.id, rule.activation, {"by": "observation"}, desk.policy, {})
        assert fired is not None
        await desk.starter.start(fired.order, {})
        ending = await desk.ending(fired.order)
    assert (ending.status, ending.codes) == ("BLOCKED", ("MARKET_UNREADABLE", "PRICE_UNREADABLE"))
    after = await desk.rules.find(rule.owner_id, rule.id)
    assert (after.state, after.armed, after.activation) == ("ACTIVE", False, rule.activation + 1)


async def operate(temporal: TemporalDev, verb: str, order: Order, *more: str) -> None:
    """What an operator types: `temporal workflow <verb>` on an execution."""
    command = [str(temporal_binary()), "workflow", verb, "--address", temporal.address]
    command += ["--workflow-id", f"execution/{order.trigger_id}", *more]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


async def test_a_reset_while_the_second_attempt_is_being_built_goes_on_with_it(
    desk: Desk, temporal: TemporalDev
) -> None:
    desk.venue.deaf = True
    async with working(desk):
        order = await desk.order()
        await until(lambda: _is(desk, order.execution_id, "SUBMITTED"))
        desk.venue.quoting = False
        desk.venue.height += 151

        async def second_allocated() -> bool:
            return len(await desk.rows("SELECT 1 FROM attempt WHERE execution_id = :e", e=order.execution_id)) == 2

        await until(second_allocated)
        await operate(temporal, "reset", order, "--type", "FirstWorkflowTask", "--reason", "test")
        desk.venue.quoting, desk.venue.deaf = True, False
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.venue.landed) == 1


async def test_an_operators_cancel_of_a_waiter_gives_its_place_to_the_next(desk: Desk, temporal: TemporalDev) -> None:
    desk.venue.deaf = True
    async with working(desk):
        owner, wallet = await desk.wallet()
        first = await desk.fire(await desk.rule(owner, wallet))
        await until(lambda: _is(desk, first.execution_id, "SUBMITTED"))
        second = await desk.fire(await desk.rule(owner, wallet))
        await until(lambda: _is(desk, second.execution_id, "PREFLIGHT"))
        third = await desk.fire(await desk.rule(owner, wallet))
        await operate(temporal, "cancel", second)
        ending = await desk.ending(second)
        assert (ending.status, ending.codes) == ("CANCELLED", ("CANCELLED_BY_OPERATOR",))
        desk.venue.deaf = False
        assert {(await desk.ending(one)).status for one in (first, third)} == {"SETTLED"}


async def test_what_was_signed_unheard_is_followed_to_its_end_by_a_cancel_too(
    desk: Desk, temporal: TemporalDev
) -> None:
    async with working(desk, signing=False):
        order = await desk.order()
        await until(lambda: _is(desk, order.execution_id, "LOCKED"))
        # A signer that stored its bytes and died before it could say so.
        execution, attempts = await Executions(desk.book).load(order.execution_id), Attempts(desk.book)
        (leg,), slot = desk.venue.legs(execution.intent), await desk.venue.slot(execution.wallet)
        unsigned = await desk.venue.build(leg, await desk.venue.quote(leg.intent), slot)
        attempt = await attempts.allocate(execution, 1, leg, 1, slot, desk.venue)
        await attempts.store(execution, 1, attempt, desk.venue.seal(unsigned, b"|signed"))
        await operate(temporal, "cancel", order)
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.venue.landed) == 1


async def test_freezing_a_wallet_while_its_payload_is_examined_leaves_it_unsigned(desk: Desk) -> None:
    owner, wallet = await desk.wallet()

    async def freeze() -> None:
        await Wallets(desk.book).set_frozen(owner, wallet, True, "a drill")

    desk.venue.while_examined = freeze
    async with working(desk):
        ending = await desk.ending(await desk.fire(await desk.rule(owner, wallet)))
    assert (ending.status, ending.codes) == ("BLOCKED", ("WALLET_FROZEN",))
    assert desk.custodian.signed == []
