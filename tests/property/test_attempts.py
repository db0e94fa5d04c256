"""Whatever was seen of a leg's attempts, nothing new is signed while one of them may land."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import attempts
from domain.attempts import ESCALATE_AFTER, REBROADCAST_EVERY, REPLACE_AFTER, Fate, Move, Sighting, Try
from domain.intents import LegKind
from tests.property.draws import NOW

TICK = timedelta(microseconds=1)
OPEN = (Fate.PENDING, Fate.UNKNOWN)
MAX_ATTEMPTS = attempts.MAX_ATTEMPTS[LegKind.SWAP]


def next_move(tries: tuple[Try, ...], now: datetime, replace_from: datetime = NOW) -> Move:
    return attempts.next_move(tries, now, MAX_ATTEMPTS, replace_from)


landed = (st.none() | st.booleans()).map(lambda succeeded: Sighting(Fate.LANDED, succeeded))
dead = st.just(Sighting(Fate.DEAD, proof=(("height", "101"),)))
still_open = st.sampled_from(OPEN).map(Sighting)
seconds_ago, half_an_hour_ago = (st.integers(0, us) for us in (4_000_000, 1_800_000_000))
signing_times = (seconds_ago | half_an_hour_ago).map(lambda us: NOW - timedelta(microseconds=us))
sent_times = st.none() | signing_times


def _tries(sightings: st.SearchStrategy[Sighting]) -> st.SearchStrategy[tuple[Try, ...]]:
    one = st.tuples(sightings, signing_times, sent_times)
    return st.lists(one, min_size=1, max_size=MAX_ATTEMPTS + 2).map(
        lambda drawn: tuple(Try(no, f"nonce {no}", *parts) for no, parts in enumerate(drawn, 1))
    )


any_tries = _tries(landed | dead | still_open)
failed_tries = _tries(dead | st.just(Sighting(Fate.LANDED, False)))
unsuccessful_tries = _tries(dead | still_open | st.just(Sighting(Fate.LANDED, False)))


def is_over(one: Try) -> bool:
    return one.sighting.fate is Fate.DEAD or (one.sighting.fate is Fate.LANDED and one.sighting.succeeded is False)


def sent(fate: Fate, first: timedelta, last: timedelta | None = None, attempt_no: int = 1) -> Try:
    """An attempt signed and sent so long ago, and for the last time `last` ago."""
    return Try(attempt_no, f"nonce {attempt_no}", Sighting(fate), NOW - first, NOW - (first if last is None else last))


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
    doubted = replace(tries[at], sighting=Sighting(fate))
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
    aged = tuple(replace(one, signed_at=first, last_sent_at=first) for one in tries)
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
    assert next_move((Try(1, "nonce", Sighting(Fate.PENDING), NOW, None),), NOW) is Move.REBROADCAST
    assert next_move((sent(Fate.UNKNOWN, minute, minute),), NOW) is Move.WAIT


def test_the_time_of_escalation_is_exact() -> None:
    for fate in OPEN:
        assert next_move((sent(fate, ESCALATE_AFTER + TICK, timedelta(0)),), NOW) is Move.ESCALATE
        assert next_move((sent(fate, ESCALATE_AFTER, timedelta(0)),), NOW) is Move.WAIT


def test_a_landed_attempt_of_untold_outcome_permits_nothing_new() -> None:
    untold = Try(1, "nonce", Sighting(Fate.LANDED), NOW - timedelta(seconds=30), NOW)
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
        held_back = Try(1, "nonce", Sighting(fate), NOW - ESCALATE_AFTER - TICK, None)
        assert next_move((held_back,), NOW) is Move.ESCALATE


def waiting(since: timedelta, *, nonce: str = "7", attempt_no: int = 1, raisable: bool = False) -> Try:
    """An attempt that was sent just now, so that nothing but its sighting decides."""
    return Try(attempt_no, nonce, Sighting(Fate.PENDING, raisable=raisable), NOW - since, NOW)


def test_what_waits_for_a_higher_fee_is_replaced_after_a_while_and_not_before() -> None:
    assert next_move((waiting(REPLACE_AFTER, raisable=True),), NOW) is Move.REPLACE
    assert next_move((waiting(REPLACE_AFTER - TICK, raisable=True),), NOW) is Move.WAIT
    assert next_move((waiting(REPLACE_AFTER),), NOW) is Move.WAIT


def test_a_replacement_gets_its_own_while_before_the_next_one() -> None:
    first = waiting(REPLACE_AFTER * 3, raisable=True)
    assert next_move((first, waiting(REPLACE_AFTER - TICK, attempt_no=2, raisable=True)), NOW) is Move.WAIT
    assert next_move((first, waiting(REPLACE_AFTER, attempt_no=2, raisable=True)), NOW) is Move.REPLACE


def test_nothing_is_replaced_before_it_may_be() -> None:
    tries = (waiting(REPLACE_AFTER * 2, raisable=True),)
    assert next_move(tries, NOW, replace_from=NOW + TICK) is Move.WAIT
    assert next_move(tries, NOW, replace_from=NOW) is Move.REPLACE


def test_what_is_in_a_block_is_neither_replaced_nor_sent_again() -> None:
    in_a_block = Try(1, "7", Sighting(Fate.PENDING, raisable=True, seen=True), NOW - REPLACE_AFTER * 2, None)
    assert next_move((in_a_block,), NOW) is Move.WAIT
    rival = waiting(REPLACE_AFTER, attempt_no=2, raisable=True)
    assert next_move((in_a_block, rival), NOW) is Move.WAIT


def test_a_nonce_that_a_stranger_used_goes_to_a_person_at_once() -> None:
    robbed = Try(1, "7", Sighting(Fate.UNKNOWN, foreign=True), NOW, NOW)
    assert next_move((robbed,), NOW) is Move.ESCALATE


def test_payloads_of_one_nonce_count_as_one_of_the_tries_there_are() -> None:
    dead = Sighting(Fate.DEAD, proof=(("rival", "0x"),))
    family = tuple(Try(no, "7", dead, NOW, NOW) for no in range(1, MAX_ATTEMPTS + 3))
    assert next_move(family, NOW) is Move.NEW_ATTEMPT


def test_an_approval_that_failed_ends_its_leg() -> None:
    failed = Try(1, "7", Sighting(Fate.LANDED, succeeded=False), NOW, NOW)
    assert attempts.next_move((failed,), NOW, attempts.MAX_ATTEMPTS[LegKind.APPROVE], NOW) is Move.FAIL
