"""Started by a Temporal Schedule: nothing that the book holds is left behind, and a restored book is noticed."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.check_witness import CheckWitness
    from activities.resume_stuck import ResumeStuck
    from activities.sweep import Sweep
    from infra.db.halts import Head
    from workflows.options import SILENT, Options

SCHEDULE_ID = "tripwire-sweep"
EVERY = timedelta(seconds=10)  # the longest that a trigger waits whose recorder died before starting it

# The next sweep comes by itself and does the same work.
_ONCE = Options(
    start_to_close_timeout=timedelta(seconds=30),
    heartbeat_timeout=SILENT,
    retry_policy=RetryPolicy(maximum_attempts=1),
)


@dataclass(frozen=True, slots=True)
class Swept:
    """`head` is what the next sweep asks the book about: Temporal keeps it, outside of the book."""

    started: int
    restarted: int
    head: Head


@workflow.defn(name="SweepOutbox")
class SweepOutbox:
    @workflow.run
    async def run(self) -> Swept:
        """What was started and started again. Of a restored book, nothing is."""
        witnessed = await workflow.execute_activity_method(CheckWitness.run, self._witness(), **_ONCE)
        if witnessed.restored:
            return Swept(0, 0, witnessed.head)
        started = await workflow.execute_activity_method(Sweep.run, **_ONCE)
        restarted = await workflow.execute_activity_method(ResumeStuck.run, **_ONCE)
        return Swept(started, restarted, witnessed.head)

    def _witness(self) -> Head | None:
        """The head that the last completed sweep saw. Sweeps of the first release answered with a bare number."""
        last = workflow.get_last_completion_result()
        if not isinstance(last, dict):
            return None
        return Head(int(last["head"]["seq"]), str(last["head"]["hash"]))
