"""What happens to an execution that does not move."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.recovery import Remedy, Run, RunState, Stuck, remedy

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
times = st.integers(min_value=-600, max_value=600).map(lambda s: NOON + timedelta(seconds=s))
stuck = st.builds(Stuck, times, st.booleans(), st.booleans())
closed = st.sampled_from([RunState.COMPLETED, RunState.FAILED, RunState.STOPPED])
runs = st.one_of(st.builds(Run, closed, times), st.sampled_from([Run(RunState.RUNNING), Run(RunState.ABSENT)]))
recoveries = st.none() | times


@given(stuck, recoveries)
def test_what_runs_is_left_alone(execution: Stuck, recovered_at: datetime | None) -> None:
    assert remedy(execution, Run(RunState.RUNNING), recovered_at) is Remedy.LEAVE


@given(stuck, times, recoveries)
def test_a_completed_workflow_of_an_open_execution_halts_unless_a_recovery_came_after_it(
    execution: Stuck, closed_at: datetime, recovered_at: datetime | None
) -> None:
    chosen = remedy(execution, Run(RunState.COMPLETED, closed_at), recovered_at)
    assert (chosen is Remedy.HALT) == (recovered_at is None or closed_at >= recovered_at)


@given(stuck, runs, times)
def test_nothing_unsigned_from_before_a_recovery_is_begun_again(
    execution: Stuck, run: Run, recovered_at: datetime
) -> None:
    old = execution.created_at < recovered_at or (run.closed_at is not None and run.closed_at < recovered_at)
    if old and not execution.signed:
        assert remedy(execution, run, recovered_at) is not Remedy.RESTART


@given(stuck, runs)
def test_without_a_recovery_nothing_is_ended(execution: Stuck, run: Run) -> None:
    assert remedy(execution, run, None) is not Remedy.END


@given(stuck, runs, recoveries)
def test_what_may_be_out_is_never_ended(execution: Stuck, run: Run, recovered_at: datetime | None) -> None:
    if execution.signed:
        assert remedy(execution, run, recovered_at) is not Remedy.END


@given(stuck, times)
def test_a_failed_workflow_is_left_to_the_person_who_is_asked(execution: Stuck, closed_at: datetime) -> None:
    chosen = remedy(execution, Run(RunState.FAILED, closed_at), None)
    assert chosen is (Remedy.LEAVE if execution.asked else Remedy.ASK)


@given(stuck, st.one_of(st.just(Run(RunState.ABSENT)), st.builds(Run, st.just(RunState.STOPPED), times)))
def test_a_workflow_that_is_gone_is_begun_again(execution: Stuck, run: Run) -> None:
    assert remedy(execution, run, None) is Remedy.RESTART
