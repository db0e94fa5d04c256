"""Executions that lost their workflow: the sweep finds them, and nothing is paid twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from domain.executions import Order
from infra.devnet.temporal import TemporalDev
from tests.integration.desk import Desk, working
from tests.integration.restorable import restorable_book
from tests.integration.test_execute_rule import operate
from tests.world.conditions import until


@pytest.fixture
async def desk(postgres_url: str, client: Client) -> AsyncIterator[Desk]:
    async with restorable_book(postgres_url, "resuming") as fresh:
        yield Desk(fresh.book, client)


async def unmoved(desk: Desk) -> None:
    """Half a minute goes by in which nothing moves."""
    await desk.rows(
        "WITH aged AS (UPDATE trigger SET started_at = started_at - interval '1 hour') "
        "UPDATE execution SET updated_at = updated_at - interval '1 hour', looked_at = NULL RETURNING id"
    )


async def is_at(desk: Desk, order: Order, status: str) -> None:
    async def there() -> bool:
        return await desk.status(order) == status

    await until(there)


async def submitted(desk: Desk) -> Order:
    """An execution whose payload is out and has not arrived."""
    desk.venue.deaf = True
    order = await desk.order()
    await is_at(desk, order, "SUBMITTED")
    return order


async def test_a_terminated_workflow_goes_on_and_pays_once(desk: Desk, temporal: TemporalDev) -> None:
    async with working(desk):
        order = await submitted(desk)
        await operate(temporal, "terminate", order)
        desk.venue.deaf = False
        await unmoved(desk)
        assert await desk.resume() == 1
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 1


async def test_a_deleted_workflow_goes_on_and_pays_once(desk: Desk, temporal: TemporalDev) -> None:
    async with working(desk):
        order = await submitted(desk)
        await operate(temporal, "delete", order)
        await until(lambda: forgotten(desk, order))
        desk.venue.deaf = False
        await unmoved(desk)
        assert await desk.resume() == 1
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 1


async def forgotten(desk: Desk, order: Order) -> bool:
    try:
        await desk.handle(order).describe()
    except RPCError:
        return True
    return False


async def all_forgotten(desk: Desk, orders: list[Order]) -> bool:
    return all([await forgotten(desk, order) for order in orders])


async def test_a_settled_execution_whose_history_is_gone_is_left_alone(desk: Desk, temporal: TemporalDev) -> None:
    async with working(desk):
        order = await desk.order()
        await desk.ending(order)
        await operate(temporal, "delete", order)
        # The server deletes a closed one only half a minute later.
        await until(lambda: forgotten(desk, order), seconds=90)
        await unmoved(desk)
        assert await desk.resume() == 0
        assert await desk.starter.start(order, {})  # what fires the same trigger again
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 1


async def test_what_waits_is_left_alone_and_not_looked_at_again_at_once(desk: Desk) -> None:
    async with working(desk):
        order = await submitted(desk)
        await unmoved(desk)
        assert await desk.resume() == 0
        looked = await desk.rows("SELECT looked_at FROM execution WHERE id = :e", e=order.execution_id)
        assert await desk.resume() == 0
        assert looked == await desk.rows("SELECT looked_at FROM execution WHERE id = :e", e=order.execution_id)
        desk.venue.deaf = False
        assert (await desk.ending(order)).status == "SETTLED"


async def test_a_failed_workflow_is_shown_to_a_person_once(desk: Desk) -> None:
    desk.venue.unexplained = 1
    async with working(desk):
        order = await desk.order()
        with pytest.raises(WorkflowFailureError):
            await desk.ending(order)
        await unmoved(desk)
        assert await desk.resume() == 0
        assert await codes(desk, order) == ["INTEGRITY_BROKEN"]
        await desk.rows("UPDATE operator_task SET resolved_at = clock_timestamp() RETURNING id")
        await unmoved(desk)
        assert await desk.resume() == 0
        assert await codes(desk, order) == ["INTEGRITY_BROKEN", "STEP_FAILED"]
    assert len(desk.venue.landed) == 1


async def codes(desk: Desk, order: Order) -> list[str]:
    rows = await desk.rows("SELECT code FROM operator_task WHERE execution_id = :e ORDER BY id", e=order.execution_id)
    return [row["code"] for row in rows]


async def test_a_place_in_the_queue_is_given_up_by_nobody_who_was_terminated(desk: Desk, temporal: TemporalDev) -> None:
    async with working(desk):
        desk.venue.deaf = True
        owner, wallet = await desk.wallet()
        orders = [await desk.fire(await desk.rule(owner, wallet)) for _ in range(2)]
        await is_at(desk, orders[0], "SUBMITTED")
        await is_at(desk, orders[1], "PREFLIGHT")
        await operate(temporal, "terminate", orders[1])
        desk.venue.deaf = False
        await desk.ending(orders[0])
        await unmoved(desk)
        assert await desk.resume() == 1
        assert (await desk.ending(orders[1])).status == "SETTLED"
    assert len(desk.venue.landed) == 2


async def test_the_rows_alone_carry_what_a_new_temporal_never_heard_of(desk: Desk, temporal: TemporalDev) -> None:
    async with working(desk):
        orders = [await submitted(desk) for _ in range(3)]
        for order in orders:
            await operate(temporal, "delete", order)
        await until(lambda: all_forgotten(desk, orders))
        desk.venue.deaf = False
        await unmoved(desk)
        assert await desk.resume() == 3
        endings = await asyncio.gather(*(desk.ending(order) for order in orders))
    assert {ending.status for ending in endings} == {"SETTLED"}
    assert len(desk.venue.landed) == len(desk.custodian.signed) == 3
