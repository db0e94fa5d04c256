"""Whatever the facts of a task, no move is offered that could pay twice, and every refusal says what is missing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attempts import Fate, Sighting
from domain.errors import InvalidInput
from domain.lifecycle import FINAL, ExecutionState
from domain.operator_moves import (
    BALANCE_UNEXPLAINED,
    EVIDENCE_LEAST,
    FATE_UNKNOWN,
    FOREIGN_NONCE,
    NEEDS_EVIDENCE,
    REASON_LEAST,
    OpenPayload,
    OperatorMove,
    Situation,
    check_words,
    judge,
    offers,
)

M = OperatorMove

heads = st.none() | st.integers(900, 1_100)
sightings = st.builds(
    Sighting,
    fate=st.sampled_from(Fate),
    succeeded=st.none() | st.booleans(),
    head=heads,
    detail=st.sampled_from(["", "the node does not answer"]),
    seen=st.booleans(),
    foreign=st.booleans(),
)
payloads = st.builds(
    OpenPayload,
    venue_ref=st.sampled_from(["ref-a", "ref-b"]),
    valid_until=st.integers(950, 1_050),
    expires=st.booleans(),
    sighting=sightings,
)
situations = st.builds(
    Situation,
    code=st.sampled_from([FATE_UNKNOWN, FOREIGN_NONCE, BALANCE_UNEXPLAINED, "INTEGRITY_BROKEN", "STEP_FAILED"]),
    execution=st.none() | st.sampled_from(ExecutionState),
    open_payloads=st.lists(payloads, max_size=3).map(tuple),
    short=st.none() | st.booleans(),
    frozen=st.booleans(),
    in_flight=st.sampled_from(["", "exe_a holds wal_a"]),
    other_tasks=st.sampled_from([(), (7,)]),
    counted=st.booleans(),
    counts=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)),
    differs=st.none() | st.booleans(),
)

ABSENT = Sighting(Fate.UNKNOWN, head=1_001, detail="absent, but the node does not hold all the blocks")
PAYLOAD = OpenPayload("ref-a", 1_000, expires=True, sighting=ABSENT)
# A payload past its last block, of which only the complete proof is missing.
PROVABLE = Situation(
    code=FATE_UNKNOWN,
    execution=ExecutionState.UNKNOWN,
    open_payloads=(PAYLOAD,),
    short=False,
    frozen=False,
    in_flight="exe_a holds wal_a",
    other_tasks=(),
    counted=False,
    counts=None,
    differs=False,
)
FOREIGN = replace(
    PROVABLE,
    code=FOREIGN_NONCE,
    execution=None,
    open_payloads=(),
    in_flight="",
    frozen=True,
    counted=True,
    counts=(3, 4),
)
STRANGE = replace(
    PROVABLE, code=BALANCE_UNEXPLAINED, execution=None, open_payloads=(), in_flight="", frozen=True, differs=True
)


def offered(seen: Situation) -> set[OperatorMove]:
    return {offer.move for offer in offers(seen) if offer.unsafe is None}


def may_land(payload: OpenPayload) -> bool:
    """Said again in other words than the product's: nothing known rules it out, or it has happened."""
    seen = payload.sighting
    if seen.fate is Fate.DEAD:
        return False
    if seen.fate is Fate.LANDED or seen.seen:
        return True
    past_its_time = seen.head is not None and seen.head > payload.valid_until
    gone_by_time = payload.expires and past_its_time and seen.fate is Fate.UNKNOWN
    return not (seen.foreign or gone_by_time)


@given(situations)
def test_nothing_is_declared_dead_while_any_payload_may_land(seen: Situation) -> None:
    if any(may_land(payload) for payload in seen.open_payloads):
        assert M.DECLARE_DEAD not in offered(seen)


@given(situations)
def test_nothing_is_declared_dead_that_the_wallets_balance_speaks_against(seen: Situation) -> None:
    if seen.short is not False:
        assert M.DECLARE_DEAD not in offered(seen)


@given(situations)
def test_every_refusal_says_why_and_what_would_make_it_safe(seen: Situation) -> None:
    for offer in offers(seen):
        assert offer.does
        assert offer.cannot_pay_twice
        if offer.unsafe:
            assert offer.unsafe.reason
            assert offer.unsafe.would_be_safe


@given(situations)
def test_what_is_over_is_never_run_again_or_declared_dead(seen: Situation) -> None:
    if seen.execution is None or seen.execution in FINAL:
        assert not offered(seen) & {M.RETRY, M.LOOK_AGAIN, M.DECLARE_DEAD}


@given(situations)
def test_an_open_execution_can_always_be_gone_on_with_in_exactly_one_way(seen: Situation) -> None:
    if seen.execution is not None and seen.execution not in FINAL:
        assert len(offered(seen) & {M.RETRY, M.LOOK_AGAIN}) == 1


@given(situations)
def test_a_wallet_in_use_keeps_its_nonce_and_its_ledger(seen: Situation) -> None:
    if seen.in_flight:
        assert not offered(seen) & {M.ADOPT_NONCE, M.BOOK_OUTSIDE}


@given(situations)
def test_an_adopted_nonce_only_ever_grows(seen: Situation) -> None:
    if M.ADOPT_NONCE in offered(seen):
        assert seen.counts is not None
        assert seen.counts[1] > seen.counts[0]


@given(situations)
def test_a_task_is_closed_without_a_move_only_when_its_matter_is_over(seen: Situation) -> None:
    if M.ACKNOWLEDGE in offered(seen):
        assert seen.over
        assert not seen.frozen
    if M.UNFREEZE in offered(seen):
        assert seen.over or seen.code == FATE_UNKNOWN  # which is asked again within a minute, while it lasts
        assert seen.frozen
        assert not seen.other_tasks
    if offered(seen) & {M.ACKNOWLEDGE, M.UNFREEZE}:
        assert not (seen.code == BALANCE_UNEXPLAINED and seen.differs is not False)


def test_what_is_past_its_last_block_and_lacks_only_the_proof_may_be_declared_dead() -> None:
    assert offered(PROVABLE) == {M.LOOK_AGAIN, M.DECLARE_DEAD}


@pytest.mark.parametrize(
    ("sighting", "expires", "reason"),
    [
        (replace(ABSENT, head=1_000), True, "until 1000, the venue is at 1000"),
        (replace(ABSENT, head=None), True, "does not say how far it is"),
        (replace(ABSENT, fate=Fate.PENDING), True, "may still land"),
        (Sighting(Fate.LANDED, succeeded=True, head=1_001), True, "has landed"),
        (Sighting(Fate.LANDED, succeeded=False, head=1_001), True, "has landed"),
        (replace(ABSENT, seen=True, foreign=True), True, "not final yet"),
        (ABSENT, False, "used up its nonce"),
    ],
)
def test_why_a_payload_is_not_dead_is_named(sighting: Sighting, expires: bool, reason: str) -> None:
    second = OpenPayload("ref-b", 1_000, expires, sighting)
    unsafe = judge(M.DECLARE_DEAD, replace(PROVABLE, open_payloads=(PAYLOAD, second)))
    assert unsafe is not None
    assert reason in unsafe.reason


def test_a_nonce_that_somebody_else_used_up_is_as_good_as_time() -> None:
    usurped = OpenPayload("ref-a", 1_000, expires=False, sighting=Sighting(Fate.PENDING, foreign=True))
    assert M.DECLARE_DEAD in offered(replace(PROVABLE, code=FOREIGN_NONCE, open_payloads=(usurped,), frozen=True))


def test_a_foreign_nonce_is_adopted_before_its_wallet_is_unfrozen() -> None:
    assert offered(FOREIGN) == {M.ADOPT_NONCE}
    assert offered(replace(FOREIGN, counts=(4, 4))) == {M.UNFREEZE}
    assert offered(replace(FOREIGN, counts=None)) == set()
    assert offered(replace(FOREIGN, counted=False, counts=None)) == {M.UNFREEZE}


def test_an_unexplained_balance_is_booked_before_its_wallet_is_unfrozen() -> None:
    assert offered(STRANGE) == {M.BOOK_OUTSIDE}
    assert offered(replace(STRANGE, differs=False)) == {M.UNFREEZE}
    assert offered(replace(STRANGE, differs=False, frozen=False)) == {M.ACKNOWLEDGE}
    assert offered(replace(STRANGE, differs=None)) == set()


def refused_field(check: Callable[[], None]) -> str:
    with pytest.raises(InvalidInput) as refusal:
        check()
    return refusal.value.field


@pytest.mark.parametrize("move", list(M))
def test_a_move_needs_its_words(move: OperatorMove) -> None:
    reason, evidence = "r" * REASON_LEAST, "e" * EVIDENCE_LEAST
    check_words(move, reason, evidence)
    assert refused_field(lambda: check_words(move, " " * 5 + reason[:-1], evidence)) == "reason"
    if move in NEEDS_EVIDENCE:
        assert refused_field(lambda: check_words(move, reason, None)) == "evidence"
        assert refused_field(lambda: check_words(move, reason, " " + evidence[1:])) == "evidence"
    else:
        check_words(move, reason, None)


def test_a_freeze_that_keeps_a_stored_payload_from_its_first_send_can_be_taken_off() -> None:
    """Nothing else would ever end such an execution on a chain whose payloads do not age."""
    kept = replace(PROVABLE, frozen=True, open_payloads=(replace(PAYLOAD, expires=False),))
    assert M.UNFREEZE in offered(kept)
    assert M.UNFREEZE not in offered(replace(kept, other_tasks=(7,)))
