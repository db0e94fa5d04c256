"""Whatever the book holds, the plan of a reset promises a signature only where no payload can be out."""

from hypothesis import given
from hypothesis import strategies as st

from domain.attempts import AttemptState, Fate
from domain.lifecycle import FINAL, UNSIGNED, ExecutionState
from domain.reset_plan import Recorded, steps

fates = st.sampled_from(Fate)
recorded = st.builds(
    Recorded,
    leg_no=st.integers(1, 2),
    attempt_no=st.integers(1, 4),
    state=st.sampled_from(AttemptState),
    venue_ref=st.just("ref-a"),
    fate=fates,
    succeeded=st.none() | st.booleans(),
)
books = st.lists(recorded, max_size=4).map(lambda found: tuple(sorted(found, key=lambda a: (a.leg_no, a.attempt_no))))
codes = st.sampled_from([(), ("PRICE_STALE",)])


@given(st.sampled_from(ExecutionState), codes, books)
def test_every_step_says_what_it_answers_and_why_that_pays_nothing(
    status: ExecutionState, why: tuple[str, ...], attempts: tuple[Recorded, ...]
) -> None:
    planned = steps(status, why, attempts)
    assert planned[0].step == "preflight"
    assert planned[-1].step == "reconcile"
    for step in planned:
        assert step.answers
        assert step.cannot_pay_twice


@given(st.sampled_from(sorted(FINAL)), codes, books)
def test_of_what_is_over_nothing_is_locked_signed_or_sent(
    status: ExecutionState, why: tuple[str, ...], attempts: tuple[Recorded, ...]
) -> None:
    planned = steps(status, why, attempts)
    assert [step.step for step in planned] == ["preflight", "reconcile"]
    assert all(status in step.answers for step in planned)
    assert all(code in step.answers for step in planned for code in why)


@given(st.sampled_from(sorted(set(ExecutionState) - FINAL - UNSIGNED)), books)
def test_what_is_signed_is_answered_from_its_row_and_what_is_open_is_sent_byte_for_byte(
    status: ExecutionState, attempts: tuple[Recorded, ...]
) -> None:
    by_name = {step.step: step for step in steps(status, (), attempts)}
    signed = [attempt for attempt in attempts if attempt.state is AttemptState.SIGNED]
    if signed:
        assert "stored payload" in by_name["sign"].answers
        assert ("byte for byte" in by_name["submit"].answers) == signed[-1].open
    else:
        assert by_name["sign"].answers == "signs the first payload"


def test_the_road_of_an_execution_before_its_first_signature() -> None:
    whole = ["preflight", "lock", "sign", "submit", "confirm", "reconcile"]
    for status in UNSIGNED:
        planned = steps(status, (), ())
        assert [step.step for step in planned] == whole
        recorded_already = [step.step for step in planned if "recorded" in step.answers or "same" in step.answers]
        expected = {ExecutionState.PENDING: 0, ExecutionState.PREFLIGHT: 1, ExecutionState.LOCKED: 2}
        assert len(recorded_already) == expected[status]


def test_a_landing_a_death_and_an_open_payload_are_each_told() -> None:
    def said(*attempts: Recorded) -> str:
        (confirm,) = (s for s in steps(ExecutionState.SUBMITTED, (), attempts) if s.step == "confirm")
        return confirm.answers

    def one(fate: Fate, succeeded: bool | None = None, leg_no: int = 1) -> Recorded:
        return Recorded(leg_no, 1, AttemptState.SIGNED, "ref-a", fate, succeeded)

    assert "has landed" in said(one(Fate.LANDED, True))
    assert "a new attempt is signed" in said(one(Fate.DEAD))
    assert "a new attempt is signed" in said(one(Fate.LANDED, False))
    assert "asks the venue" in said(one(Fate.PENDING))
    assert "asks the venue" in said(one(Fate.LANDED, True), one(Fate.UNKNOWN, leg_no=2))
