"""A database that was put back to an older state: everything halts, and an operator's comparison lets it go on."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleHandle, ScheduleSpec
from temporalio.testing import ActivityEnvironment

from activities.check_witness import CheckWitness
from domain import assets
from domain.errors import IllegalTransition
from infra.comparing import Comparison
from infra.db.attempts import Attempts
from infra.db.executions import Executions
from infra.db.halts import Head
from infra.db.ledger import Ledger
from infra.db.rules import Rule
from infra.db.triggers import Fired
from infra.devnet.temporal import TemporalDev
from infra.recovery import Recovery
from infra.temporal.queues import EXECUTIONS
from tests.integration.desk import Desk, working
from tests.integration.restorable import Restorable, restorable_book
from tests.integration.test_execute_rule import operate
from tests.integration.test_resuming import forgotten, is_at, unmoved
from tests.world.conditions import until


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Restorable]:
    async with restorable_book(postgres_url, "restored") as fresh:
        yield fresh


@pytest.fixture
def desk(database: Restorable, client: Client) -> Desk:
    return Desk(database.book, client)


def recovery(desk: Desk) -> Recovery:
    ledger, venues = Ledger(desk.book), {"jupiter": desk.venue}
    comparison = Comparison(Executions(desk.book), Attempts(desk.book), ledger, desk.standing, venues)
    return Recovery(desk.halts, desk.standing, comparison, desk.system)


async def rested(desk: Desk) -> None:
    """Minutes go by after the halt: what was sent before it can no longer land."""
    await desk.rows("UPDATE switch SET changed_at = changed_at - interval '1 hour' WHERE \"on\" RETURNING name")


async def armed_rule(desk: Desk) -> Rule:
    rule = await desk.rule(*await desk.wallet())
    await desk.rules.arm(rule.id, rule.activation)
    return rule


async def cross(desk: Desk, rule: Rule) -> Fired:
    """The watcher sees the crossing."""
    fired = await desk.triggers.record_crossing(rule.id, rule.activation, {"by": "observation"}, desk.policy, {})
    assert fired is not None
    await desk.starter.start(fired.order, {})
    return fired


async def test_an_old_trigger_has_no_effect_after_a_restore_and_its_wallet_is_frozen(
    desk: Desk, database: Restorable
) -> None:
    rule = await armed_rule(desk)
    await database.back_up()
    async with working(desk):
        first = await cross(desk, rule)
        assert (await desk.ending(first.order)).status == "SETTLED"
    await database.restore()

    async with working(desk):
        again = await cross(desk, rule)
        assert (again.order, again.new) == (first.order, True)
        await unmoved(desk)
        await desk.resume()
        [halt] = await desk.halts.now()
        assert (halt.name, first.order.execution_id in halt.reason) == ("restored", True)

        with pytest.raises(IllegalTransition):
            await recovery(desk).recover("restored last night's copy", "key_1")
        await rested(desk)
        [seen] = await recovery(desk).compare()
        assert seen.finding.code == "BOOK_BEHIND_CHAIN"
        assert await desk.halts.restored(), "comparing changes nothing"
        await recovery(desk).recover("restored last night's copy", "key_1")
        assert await desk.halts.now() == ()
        tasks = await desk.rows("SELECT code, wallet_id FROM operator_task")
        assert tasks == [{"code": "BOOK_BEHIND_CHAIN", "wallet_id": rule.spec.wallet_id}]
        assert await desk.rows("SELECT frozen FROM wallet") == [{"frozen": True}]

        await unmoved(desk)
        await desk.resume()
        rows = await desk.rows("SELECT status, codes FROM execution")
        assert rows == [{"status": "BLOCKED", "codes": ["BOOK_RESTORED"]}]
        assert await desk.halts.now() == (), "the same proof does not halt twice"

        after = await desk.rules.find(rule.owner_id, rule.id)
        assert (after.state, after.armed) == ("ACTIVE", False)
        await desk.rules.arm(rule.id, after.activation)
        ending = await desk.ending((await cross(desk, after)).order)
        assert (ending.status, ending.codes) == ("BLOCKED", ("WALLET_FROZEN",))
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 1


async def test_a_wallet_that_agrees_with_the_chain_goes_on_after_the_recovery(desk: Desk, database: Restorable) -> None:
    async with working(desk):
        rule = await armed_rule(desk)
        assert (await desk.ending((await cross(desk, rule)).order)).status == "SETTLED"
    await database.back_up()
    await desk.rule(rule.owner_id, rule.spec.wallet_id)
    await database.restore()
    await desk.halts.halt_restored("a drill")
    await rested(desk)
    [seen] = await recovery(desk).recover("a drill", "key_1")
    assert seen.finding.code == ""
    async with working(desk):
        other = await desk.rule(rule.owner_id, rule.spec.wallet_id)
        assert (await desk.ending(await desk.fire(other))).status == "SETTLED"
    assert len(desk.venue.landed) == 2


async def test_a_payload_in_flight_when_the_copy_was_made_is_followed_and_booked_after_it(
    desk: Desk, database: Restorable
) -> None:
    desk.venue.deaf = True
    async with working(desk):
        order = await desk.order()
        await is_at(desk, order, "SUBMITTED")
    await database.back_up()
    desk.venue.deaf = False
    async with working(desk):
        assert (await desk.ending(order)).status == "SETTLED"
    await database.restore()
    async with working(desk):
        await unmoved(desk)
        await desk.resume()
        assert await desk.halts.restored()
        await rested(desk)
        [seen] = await recovery(desk).recover("restored last night's copy", "key_1")
        assert seen.finding.code == "", "the chain differs by what the book's own payload moved"
        await unmoved(desk)
        assert await desk.resume() == 1
        assert (await desk.ending(order)).status == "SETTLED"
        assert await desk.status(order) == "SETTLED"
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 1


async def test_triggers_queue_while_everything_is_halted_and_run_after_it(desk: Desk) -> None:
    await desk.halts.halt_restored("a drill")
    async with working(desk):
        order = await desk.order()

        async def tried_twice() -> bool:
            waiting = (await desk.handle(order).describe()).raw_description.pending_activities
            return any(one.attempt >= 2 for one in waiting)

        await until(tried_twice)
        assert await desk.status(order) == "PENDING"
        desk.venue.balances_base = dict.fromkeys(desk.venue.balances_base, 0)  # as the book of a new wallet says
        await rested(desk)
        await recovery(desk).recover("a drill", "key_1")
        desk.venue.balances_base = {assets.SOLANA_USDC.id: 500_000_000, assets.SOL.id: 1_000_000_000}
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.custodian.signed) == 1


async def test_a_step_that_the_book_never_heard_of_halts_everything(desk: Desk, database: Restorable) -> None:
    desk.venue.deaf = True
    async with working(desk, signing=False):
        order = await desk.order()
        await is_at(desk, order, "LOCKED")
    await database.back_up()
    async with working(desk):
        await is_at(desk, order, "SUBMITTED")
    await database.restore()
    async with working(desk):
        await until(desk.halts.restored)
    assert await desk.status(order) == "LOCKED", "nothing was made up"
    assert len(desk.custodian.signed) == 1


async def test_what_was_locked_in_a_copy_is_compared_before_it_signs_where_temporal_has_forgotten_too(
    desk: Desk, database: Restorable, temporal: TemporalDev
) -> None:
    async with working(desk, signing=False):
        order = await desk.order()
        await is_at(desk, order, "LOCKED")
    await database.back_up()
    async with working(desk):
        assert (await desk.ending(order)).status == "SETTLED"
    await database.restore()
    await operate(temporal, "delete", order)
    # The server deletes a closed one only half a minute later.
    await until(lambda: forgotten(desk, order), seconds=90)
    async with working(desk):
        await unmoved(desk)
        assert await desk.resume() == 1
        ending = await desk.ending(order)
    assert (ending.status, ending.codes) == ("BLOCKED", ("BALANCE_UNEXPLAINED",))
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 1


@pytest.fixture
async def sweeping(client: Client) -> AsyncIterator[ScheduleHandle]:
    """The sweep's schedule, run by the test alone."""
    handle = await client.create_schedule(
        "sweep-of-a-test",
        Schedule(
            action=ScheduleActionStartWorkflow(
                "SweepOutbox", id="sweep-of-a-test", task_queue=EXECUTIONS, execution_timeout=timedelta(minutes=1)
            ),
            spec=ScheduleSpec(),
        ),
    )
    yield handle
    await handle.delete()


async def sweep(desk: Desk, schedule: ScheduleHandle) -> None:
    """One sweep, to its end."""
    before = (await schedule.describe()).info.num_actions
    await schedule.trigger()

    async def over() -> bool:
        info = (await schedule.describe()).info
        if info.num_actions == before or info.running_actions:
            return False
        newest = info.recent_actions[-1].action
        await desk.client.get_workflow_handle(newest.workflow_id, run_id=newest.first_execution_run_id).result()  # type: ignore[attr-defined]
        return True

    await until(over)


async def test_temporal_remembers_the_head_of_the_audit_chain_and_a_sweep_misses_what_is_gone(
    desk: Desk, database: Restorable, sweeping: ScheduleHandle
) -> None:
    await desk.wallet()
    await database.back_up()
    await desk.wallet()
    async with working(desk):
        await sweep(desk, sweeping)
        await sweep(desk, sweeping)
        assert not await desk.halts.restored()
    await database.restore()
    await desk.system.set_kill_switch(False, "more events than before", "key_1")
    await desk.system.set_kill_switch(False, "so that the number exists again", "key_1")
    async with working(desk):
        await sweep(desk, sweeping)
        [halt] = await desk.halts.now()
        assert "audit chain" in halt.reason


async def test_without_a_witness_nothing_halts(desk: Desk) -> None:
    witnessed = await ActivityEnvironment().run(CheckWitness(desk.halts).run, None)
    assert not witnessed.restored
    await desk.wallet()
    again = await ActivityEnvironment().run(CheckWitness(desk.halts).run, witnessed.head)
    assert (again.restored, again.head.seq > witnessed.head.seq) == (False, True)
    gone = await ActivityEnvironment().run(CheckWitness(desk.halts).run, Head(again.head.seq + 1, again.head.hash))
    assert gone.restored


async def test_the_first_proof_of_a_restore_is_the_one_that_is_told(desk: Desk) -> None:
    await desk.halts.halt_restored("first proof")
    assert not await desk.halts.halt_restored("second proof")
    assert [halt.reason for halt in await desk.halts.now()] == ["first proof"]
