"""The executor: runs workflows and every step but signing. Any number of them may run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.check_witness import CheckWitness
from activities.confirm import Confirm
from activities.escalate import Escalate
from activities.heartbeat import Heartbeats
from activities.lock import Lock
from activities.preflight import Preflight
from activities.reconcile import Reconcile
from activities.reconcile_wallets import ReconcileWallets
from activities.resume_stuck import ResumeStuck
from activities.submit import Submit
from activities.sweep import Sweep
from activities.translation import Translation
from infra.comparing import Comparison
from infra.config import Settings
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.halts import Halts
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.rules import Rules
from infra.db.standing import Standing
from infra.db.stuck import StuckExecutions
from infra.db.system import System
from infra.db.triggers import Triggers
from infra.evaluation import Evaluation
from infra.parts import open_feeds, open_venues
from infra.temporal.queues import EXECUTIONS
from infra.temporal.runs import Runs
from infra.temporal.starter import Starter
from workers import process, schedules
from workflows.create_wallet import CreateWallet
from workflows.execute_rule import ExecuteRule
from workflows.reconcile_wallets import ReconcileWalletsWorkflow
from workflows.sweep_outbox import SweepOutbox

WORKFLOWS = [ExecuteRule, CreateWallet, SweepOutbox, ReconcileWalletsWorkflow]

# Confirming holds an activity slot while it waits for finality, so there are as many as executions may wait.
ACTIVITY_SLOTS = 200

# How long Temporal waits for the executor that has an execution in its cache, before any other may go on with it.
STICKY = timedelta(seconds=4)


@contextlib.asynccontextmanager
async def serve(settings: Settings, client: Client, book: Book) -> AsyncIterator[Awaitable[None]]:
    async with open_venues(settings) as venues, open_feeds(settings) as feeds:
        executions, attempts, leases = Executions(book), Attempts(book), Leases(book)
        ledger, system, triggers = Ledger(book), System(book), Triggers(book)
        halts, standing, starter = Halts(book), Standing(book), Starter(client, triggers)
        comparison = Comparison(executions, attempts, ledger, standing, venues)
        wallets = ReconcileWallets(standing, comparison, ledger, system, halts)
        stuck = StuckExecutions(book)
        evaluation = Evaluation(venues, feeds, leases, system)
        worker = Worker(
            client,
            task_queue=EXECUTIONS,
            workflows=WORKFLOWS,
            activities=[
                Preflight(executions, evaluation).run,
                Lock(executions, leases, ledger, system, comparison, venues, evaluation).run,
                Submit(executions, attempts, venues).run,
                Confirm(executions, attempts, ledger, venues).run,
                Reconcile(executions, attempts, leases, ledger, venues).run,
                Escalate(executions, system, halts).run,
                CheckWitness(halts).run,
                Sweep(triggers, Rules(book), starter).run,
                ResumeStuck(stuck, executions, leases, system, halts, Runs(client), starter).run,
                wallets.page,
                wallets.run,
            ],
            interceptors=[Translation(), Heartbeats()],
            max_concurrent_activities=ACTIVITY_SLOTS,
            sticky_queue_schedule_to_start_timeout=STICKY,
            graceful_shutdown_timeout=process.GRACE,
        )
        await schedules.start(client)
        keeping = asyncio.create_task(schedules.keep(client))
        try:
            async with process.serving(worker) as broken:
                yield broken
        finally:
            keeping.cancel()


def main() -> None:
    process.run("executor", serve)


if __name__ == "__main__":
    main()
