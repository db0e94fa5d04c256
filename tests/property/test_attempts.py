"""Whatever was seen of a leg's attempts, nothing new is signed while one of them may land."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attempts import ESCALATE_AFTER, MAX_ATTEMPTS, REBROADCAST_EVERY, Fate, Move, Sighting, Try, next_move
from tests.property.draws import NOW

TICK = timedelta(microseconds=1)
OPEN = (Fate.PENDING, Fate.UNKNOWN)

landed = (st.none() | st.booleans()).map(lambda succeeded: Sighting(Fate.LANDED, succeeded))
dead = st.just(Sighting(Fate.DEAD, proof=(("height", "101"),)))
still_open = st.sampled_from(OPEN).map(Sighting)
seconds_ago, half_an_hour_ago = (st.integers(0, us) for us in (4_000_000, 1_800_000_000))
signing_times = (seconds_ago | half_an_hour_ago).map(lambda us: NOW - timedelta(microseconds=us))
sent_times = st.none() | signing_times


def _tries(sightings: st.SearchStrategy[Sighting]) -> st.SearchStrategy[tuple[Try, ...]]:
    one = st.tuples(sightings, signing_times, sent_times)
    return st.lists(one, min_size=1, max_size=MAX_ATTEMPTS + 2).map(
        lambda drawn: tuple(Try(no, *parts) for no, parts in enumerate(drawn, 1))
    )


any_tries = _tries(landed | dead | still_open)
failed_tries = _tries(dead | st.just(Sighting(Fate.LANDED, False)))
unsuccessful_tries = _tries(dead | still_open | st.just(Sighting(Fate.LANDED, False)))


def is_over(one: Try) -> bool:
    return one.sighting.fate is Fate.DEAD or (one.sighting.fate is Fate.LANDED and one.sighting.succeeded is False)


def sent(fate: Fate, first: timedelta, last: timedelta | None = None, attempt_no: int = 1) -> Try:
    """An attempt signed and sent so long ago, and for the last time `last` ago."""
    return Try(attempt_no, Sighting(fate), NOW - first, NOW - (first if last is None else last))


@given(any_tries)
def test_a_new_attempt_needs_every_earlier_one_to_be_dead_or_failed(tries: tuple[Try, ...]) -> None:
    may_sign = all(is_over(one) for one in tries) and len(tries) < MAX_ATTEMPTS
    assert (next_move(tries, NOW) is Move.NEW_ATTEMPT) == may_sign


@given(any_tries)
def test_a_leg_settles_when_one_attempt_landed_as_wanted(tries: tuple[Try, ...]) -> None:
    worked = any(one.sighting.fate is Fate.LANDED and one.sighting.succeeded for one in tries)
    assert (next_move(tries, NOW) is Move.SETTLE) == worked


@given(any_tries)
def test_a_leg_fails_only_when_its_attempts_are_used_up_and_over(tries: tuple[Try, ...]) -> None:
    used_up = all(is_over(one) for one in tries) and len(tries) >= MAX_ATTEMPTS
    assert (next_move(tries, NOW) is Move.FAIL) == used_up


@given(unsuccessful_tries, st.integers(0, MAX_ATTEMPTS + 1), st.sampled_from(OPEN))
def test_one_attempt_that_may_land_holds_all_signing_back(tries: tuple[Try, ...], at: int, fate: Fate) -> None:
    at %= len(tries)
    doubted = Try(tries[at].attempt_no, Sighting(fate), tries[at].signed_at, tries[at].last_sent_at)
    move = next_move((*tries[:at], doubted, *tries[at + 1 :]), NOW)
    assert move in (Move.WAIT, Move.REBROADCAST, Move.ESCALATE)


@given(any_tries, st.data())
def test_the_order_of_attempts_never_decides_about_money(tries: tuple[Try, ...], data: st.DataObject) -> None:
    shuffled = tuple(data.draw(st.permutations(tries)))
    one, other = next_move(tries, NOW), next_move(shuffled, NOW)
    assert one is other or {one, other} == {Move.WAIT, Move.REBROADCAST}


@given(any_tries)
def test_bytes_go_out_again_only_for_an_answering_venue_and_at_the_pace(tries: tuple[Try, ...]) -> None:
    if next_move(tries, NOW) is not Move.REBROADCAST:
        return
    newest_open = [one for one in tries if not is_over(one)][-1]
    assert newest_open.sighting.fate is Fate.PENDING
    assert newest_open.last_sent_at is None or NOW - newest_open.last_sent_at >= REBROADCAST_EVERY


@given(unsuccessful_tries)
def test_a_person_looks_once_an_open_attempt_is_older_than_any_payload_lives(tries: tuple[Try, ...]) -> None:
    overdue = any(NOW - one.signed_at > ESCALATE_AFTER for one in tries if not is_over(one))
    assert (next_move(tries, NOW) is Move.ESCALATE) == overdue


@given(failed_tries, signing_times)
def test_how_long_an_ended_attempt_took_does_not_matter(tries: tuple[Try, ...], first: datetime) -> None:
    aged = tuple(Try(one.attempt_no, one.sighting, first, first) for one in tries)
    assert next_move(aged, NOW) is next_move(tries, NOW)


@pytest.mark.parametrize("count", range(1, MAX_ATTEMPTS + 1))
def test_the_last_allowed_attempt_is_the_last(count: int) -> None:
    tries = tuple(sent(Fate.DEAD, timedelta(minutes=2), attempt_no=no) for no in range(1, count + 1))
    assert next_move(tries, NOW) is (Move.NEW_ATTEMPT if count < MAX_ATTEMPTS else Move.FAIL)


def test_the_newest_open_attempt_is_the_one_to_send_again() -> None:
    long_quiet, just_sent = timedelta(seconds=50), timedelta(seconds=1)
    silent, waiting = sent(Fate.UNKNOWN, long_quiet), sent(Fate.PENDING, long_quiet)
    assert next_move((silent, waiting), NOW) is Move.REBROADCAST
    assert next_move((waiting, silent), NOW) is Move.WAIT
    assert next_move((waiting, sent(Fate.PENDING, just_sent)), NOW) is Move.WAIT


def test_the_pace_of_rebroadcasts_is_exact() -> None:
    minute = timedelta(minutes=1)
    assert next_move((sent(Fate.PENDING, minute, REBROADCAST_EVERY),), NOW) is Move.REBROADCAST
    assert next_move((sent(Fate.PENDING, minute, REBROADCAST_EVERY - TICK),), NOW) is Move.WAIT
    assert next_move((Try(1, Sighting(Fate.PENDING), NOW, None),), NOW) is Move.REBROADCAST
    assert next_move((sent(Fate.UNKNOWN, minute, minute),), NOW) is Move.WAIT


def test_the_time_of_escalation_is_exact() -> None:
    for fate in OPEN:
        assert next_move((sent(fate, ESCALATE_AFTER + TICK, timedelta(0)),), NOW) is Move.ESCALATE
        assert next_move((sent(fate, ESCALATE_AFTER, timedelta(0)),), NOW) is Move.WAIT


def test_a_landed_attempt_of_untold_outcome_permits_nothing_new() -> None:
    untold = Try(1, Sighting(Fate.LANDED), NOW - timedelta(seconds=30), NOW)
    assert next_move((untold,), NOW) is Move.WAIT
    assert next_move((untold, sent(Fate.DEAD, timedelta(seconds=20))), NOW) is Move.WAIT


def test_a_young_attempt_does_not_excuse_an_old_one() -> None:
    old, young = sent(Fate.UNKNOWN, ESCALATE_AFTER + TICK), sent(Fate.PENDING, timedelta(0))
    assert next_move((old, young), NOW) is Move.ESCALATE


def test_a_leg_without_attempts_has_no_next_move() -> None:
    with pytest.raises(ValueError, match="sign first"):
        next_move((), NOW)


def test_what_was_signed_and_never_noted_as_sent_is_not_waited_for_for_ever() -> None:
    for fate in OPEN:
        held_back = Try(1, Sighting(fate), NOW - ESCALATE_AFTER - TICK, None)
        assert next_move((held_back,), NOW) is Move.ESCALATE
