"""The executor: runs workflows and every step but signing. Any number of them may run."""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.worker import Worker

from activities.confirm import Confirm
from activities.escalate import Escalate
from activities.heartbeat import Heartbeats
from activities.lock import Lock
from activities.preflight import Preflight
from activities.reconcile import Reconcile
from activities.submit import Submit
from activities.sweep import Sweep
from activities.translation import Translation
from infra.config import Settings
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.rules import Rules
from infra.db.system import System
from infra.db.triggers import Triggers
from infra.evaluation import Evaluation
from infra.parts import open_feeds, open_venues
from infra.temporal.queues import EXECUTIONS
from infra.temporal.starter import Starter
from workers import process
from workflows.create_wallet import CreateWallet
from workflows.execute_rule import ExecuteRule
from workflows.sweep_outbox import EVERY, SCHEDULE_ID, SweepOutbox

# Confirming holds an activity slot while it waits for finality, so there are as many as executions may wait.
ACTIVITY_SLOTS = 200

# How long Temporal waits for the executor that has an execution in its cache, before any other may go on with it.
STICKY = timedelta(seconds=4)


@contextlib.asynccontextmanager
async def serve(settings: Settings, client: Client, book: Book) -> AsyncIterator[Awaitable[None]]:
    async with open_venues(settings) as venues, open_feeds(settings) as feeds:
        executions, attempts, leases = Executions(book), Attempts(book), Leases(book)
        ledger, system, triggers = Ledger(book), System(book), Triggers(book)
        evaluation = Evaluation(venues, feeds, leases, system)
        worker = Worker(
            client,
            task_queue=EXECUTIONS,
            workflows=[ExecuteRule, CreateWallet, SweepOutbox],
            activities=[
                Preflight(executions, evaluation).run,
                Lock(executions, leases, ledger, venues, evaluation).run,
                Submit(executions, attempts, venues).run,
                Confirm(executions, attempts, ledger, venues).run,
                Reconcile(executions, attempts, leases, ledger, venues).run,
                Escalate(executions, system).run,
                Sweep(triggers, Rules(book), Starter(client, triggers)).run,
            ],
            interceptors=[Translation(), Heartbeats()],
            max_concurrent_activities=ACTIVITY_SLOTS,
            sticky_queue_schedule_to_start_timeout=STICKY,
            graceful_shutdown_timeout=process.GRACE,
        )
        await ensure_schedule(client)
        async with process.serving(worker) as broken:
            yield broken


async def ensure_schedule(client: Client) -> None:
    """The sweep's schedule; the first executor makes it, every other finds it."""
    with contextlib.suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(
            SCHEDULE_ID,
            Schedule(
                action=ScheduleActionStartWorkflow(
                    "SweepOutbox", id=SCHEDULE_ID, task_queue=EXECUTIONS, execution_timeout=timedelta(minutes=1)
                ),
                spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
                policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
            ),
            trigger_immediately=True,
        )


def main() -> None:
    process.run("executor", serve)


if __name__ == "__main__":
    main()
