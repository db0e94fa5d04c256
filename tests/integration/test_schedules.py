"""The schedules that nothing is lost by: made by any executor, and made anew where Temporal has lost them."""

from temporalio.client import Client
from temporalio.service import RPCError

from tests.world.conditions import until
from workers import schedules
from workflows.reconcile_wallets import RECONCILE_SCHEDULE_ID
from workflows.sweep_outbox import SCHEDULE_ID


async def test_an_executor_that_starts_makes_what_is_missing_and_sweeps_at_once(client: Client) -> None:
    try:
        for _ in range(2):
            await schedules.start(client)
        for name in (SCHEDULE_ID, RECONCILE_SCHEDULE_ID):
            assert (await client.get_schedule_handle(name).describe()).id == name
        swept = (await client.get_schedule_handle(SCHEDULE_ID).describe()).info
        assert swept.num_actions or swept.running_actions

        await client.get_schedule_handle(SCHEDULE_ID).delete()
        await until(lambda: missing(client, SCHEDULE_ID))
        await schedules.ensure(client)
        assert not await missing(client, SCHEDULE_ID)
    finally:
        for name in (SCHEDULE_ID, RECONCILE_SCHEDULE_ID):
            await client.get_schedule_handle(name).delete()


async def missing(client: Client, name: str) -> bool:
    try:
        await client.get_schedule_handle(name).describe()
    except RPCError:
        return True
    return False
