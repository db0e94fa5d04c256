"""Started by a Temporal Schedule: what was recorded and not started is started."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.sweep import Sweep

SCHEDULE_ID = "tripwire-sweep"
EVERY = timedelta(seconds=10)  # the longest that a trigger waits whose recorder died before starting it


@workflow.defn(name="SweepOutbox")
class SweepOutbox:
    @workflow.run
    async def run(self) -> int:
        """How many workflows were started."""
        return await workflow.execute_activity_method(
            Sweep.run,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=15),
            # The next sweep comes by itself and does the same work.
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
