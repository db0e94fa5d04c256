"""The Temporal Schedules that nothing is lost by. Any executor makes the one that is missing."""

import asyncio
import contextlib
from datetime import timedelta

import structlog
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
from temporalio.service import RPCError

from infra.temporal.queues import EXECUTIONS
from workflows.reconcile_wallets import RECONCILE_EVERY, RECONCILE_SCHEDULE_ID, Round
from workflows.sweep_outbox import EVERY, SCHEDULE_ID

log = structlog.get_logger(__name__)

# Temporal may lose everything while executors run; then the schedules are made anew within this time.
LOOK_EVERY_S = 30

RPC_TIMEOUT = timedelta(seconds=10)

# The action's arguments do not depend on when it runs. Overlap is skipped: the round that runs does the same work.
_POLICY = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1))

SCHEDULES: dict[str, Schedule] = {
    SCHEDULE_ID: Schedule(
        action=ScheduleActionStartWorkflow(
            "SweepOutbox", id=SCHEDULE_ID, task_queue=EXECUTIONS, execution_timeout=timedelta(minutes=2)
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=_POLICY,
    ),
    RECONCILE_SCHEDULE_ID: Schedule(
        action=ScheduleActionStartWorkflow(
            "ReconcileWallets",
            Round(),
            id=RECONCILE_SCHEDULE_ID,
            task_queue=EXECUTIONS,
            execution_timeout=timedelta(minutes=30),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=RECONCILE_EVERY)]),
        policy=_POLICY,
    ),
}


async def start(client: Client) -> None:
    """Make what is missing, and sweep at once: whoever starts may be the first one after an outage."""
    await ensure(client)
    await client.get_schedule_handle(SCHEDULE_ID).trigger(
        overlap=ScheduleOverlapPolicy.BUFFER_ONE, rpc_timeout=RPC_TIMEOUT
    )


async def ensure(client: Client) -> None:
    """Make the schedules that Temporal does not hold. Errors: RPCError."""
    for name, schedule in SCHEDULES.items():
        with contextlib.suppress(ScheduleAlreadyRunningError):
            await client.create_schedule(name, schedule, rpc_timeout=RPC_TIMEOUT)


async def keep(client: Client) -> None:
    """Until cancelled. A Temporal that does not answer is asked again."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            await ensure(client)
        except RPCError as error:
            log.warning("schedules not looked at", reason=error.status.name)
