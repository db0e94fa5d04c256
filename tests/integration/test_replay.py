"""Replaying stored histories: those that today's code made replay, those of other code are named."""

import secrets

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from infra.db.book import Book
from tests.integration.desk import Desk, working
from tests.world.conditions import until
from workers.replay import replay


@workflow.defn(name="SweepOutbox")
class OtherSweep:
    """As the code might have been: it waits where the present one sweeps."""

    @workflow.run
    async def run(self) -> int:
        await workflow.sleep(0.01)
        return 0


async def test_a_history_of_the_present_code_replays(book: Book, client: Client) -> None:
    async with working(Desk(book, client)) as desk:
        order = await desk.order()
        await desk.ending(order)
    assert await _replayed(client, f"execution/{order.trigger_id}") == (1, [])


async def test_a_history_of_other_code_is_named(client: Client) -> None:
    id_ = f"replayed-{secrets.token_hex(4)}"
    async with Worker(client, task_queue=id_, workflows=[OtherSweep], workflow_runner=UnsandboxedWorkflowRunner()):
        await client.execute_workflow("SweepOutbox", id=id_, task_queue=id_)
    assert await _replayed(client, id_) == (1, [id_])


async def _replayed(client: Client, workflow_id: str) -> tuple[int, list[str]]:
    """How many histories, and of which workflows they do not replay; once lists show the workflow."""
    query = f"WorkflowId = '{workflow_id}'"

    async def listed() -> bool:
        return (await client.count_workflows(query)).count > 0

    await until(listed)
    count, failures = await replay(client, query)
    return count, list(failures)
