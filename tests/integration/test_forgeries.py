"""What the signer and the workflow meet when somebody else wrote it: a changed record, an invented order."""

from dataclasses import replace

import pytest
from temporalio.client import Client

from domain.errors import SealedKeyBroken
from infra.db.book import Book
from infra.temporal.queues import EXECUTIONS
from tests.integration.desk import Desk, working
from workflows.execute_rule import ExecuteRule


@pytest.fixture
def desk(book: Book, client: Client) -> Desk:
    return Desk(book, client)


async def test_a_sealed_key_that_does_not_open_freezes_its_wallet_and_calls_a_person(desk: Desk) -> None:
    desk.custodian.broken = SealedKeyBroken("the sealed key was changed")
    async with working(desk):
        order = await desk.order()
        ending = await desk.ending(order)
        assert (ending.status, ending.codes) == ("BLOCKED", ("SEALED_KEY_BROKEN",))
        assert await desk.rows("SELECT frozen FROM wallet WHERE id = :w", w=order.wallet_id) == [{"frozen": True}]
        tasks = await desk.rows("SELECT code FROM operator_task WHERE wallet_id = :w", w=order.wallet_id)
        assert tasks == [{"code": "SEALED_KEY_BROKEN"}]
    assert not desk.venue.landed


async def test_an_order_that_names_another_venue_is_carried_out_at_the_books(desk: Desk) -> None:
    async with working(desk):
        rule = await desk.rule(*await desk.wallet())
        fired = await desk.triggers.record_by_hand(rule.owner_id, rule.id, "once", desk.policy, {})
        forged = replace(fired.order, venue="another", wallet_id="wal_another", owner_id="own_another")
        handle = await desk.client.start_workflow(
            ExecuteRule.run, forged, id=f"forged/{fired.order.trigger_id}", task_queue=EXECUTIONS
        )
        assert (await handle.result()).status == "SETTLED"
    assert len(desk.venue.landed) == 1
