"""Both state machines: every move outside the table raises, and no path undoes what may have moved money."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import IllegalTransition
from domain.lifecycle import (
    EXECUTION_MOVES,
    FINAL,
    RULE_MOVES,
    ExecutionState,
    RuleState,
    check_execution_move,
    check_rule_move,
)

E, R = ExecutionState, RuleState
S = TypeVar("S")

NOTHING_SIGNED = frozenset({E.PENDING, E.PREFLIGHT, E.LOCKED})
MAY_HAVE_MOVED = frozenset({E.SIGNED, E.SUBMITTED, E.CONFIRMED, E.UNKNOWN})
NOTHING_MOVED = NOTHING_SIGNED | {E.BLOCKED, E.CANCELLED}


def reachable(start: S, moves: Mapping[S, frozenset[S]]) -> set[S]:
    """Every state that can follow `start`, near or far."""
    found: set[S] = set()
    edge = set(moves[start])
    while edge:
        found |= edge
        edge = {after for before in edge for after in moves[before]} - found
    return found


def is_refused(check: Callable[[S, S], None], before: S, after: S) -> bool:
    try:
        check(before, after)
    except IllegalTransition:
        return True
    return False


def test_every_execution_move_outside_the_table_is_refused() -> None:
    for before in E:
        for after in E:
            assert is_refused(check_execution_move, before, after) == (after not in EXECUTION_MOVES[before])


def test_every_rule_move_outside_the_table_is_refused() -> None:
    for before in R:
        for after in R:
            assert is_refused(check_rule_move, before, after) == (after not in RULE_MOVES[before])


def test_each_state_has_its_row_and_none_moves_to_itself() -> None:
    assert set(EXECUTION_MOVES) == set(E)
    assert set(RULE_MOVES) == set(R)
    assert not [state for state in E if state in EXECUTION_MOVES[state]]
    assert not [state for state in R if state in RULE_MOVES[state]]


def test_every_state_can_be_reached_from_the_first() -> None:
    assert reachable(E.PENDING, EXECUTION_MOVES) | {E.PENDING} == set(E)
    assert reachable(R.CREATED, RULE_MOVES) | {R.CREATED} == set(R)


def test_the_final_states_are_those_without_a_way_out() -> None:
    assert {state for state in E if not EXECUTION_MOVES[state]} == FINAL
    assert {state for state in R if not RULE_MOVES[state]} == {R.DELETED}


def test_every_open_execution_can_still_end() -> None:
    for state in set(E) - FINAL:
        assert reachable(state, EXECUTION_MOVES) & FINAL


@pytest.mark.parametrize("state", sorted(MAY_HAVE_MOVED))
def test_what_may_have_moved_money_is_never_called_untouched_again(state: ExecutionState) -> None:
    assert not reachable(state, EXECUTION_MOVES) & NOTHING_MOVED


@pytest.mark.parametrize("state", sorted(NOTHING_SIGNED))
def test_nothing_is_settled_or_confirmed_without_a_signature(state: ExecutionState) -> None:
    signless = {
        before: frozenset(after for after in afters if after is not E.SIGNED)
        for before, afters in EXECUTION_MOVES.items()
    }
    assert not reachable(state, signless) & (MAY_HAVE_MOVED | {E.SETTLED})


def test_after_a_landed_attempt_nothing_is_signed_again() -> None:
    assert not reachable(E.CONFIRMED, EXECUTION_MOVES) & {E.SIGNED, E.SUBMITTED}


def test_only_what_was_confirmed_is_settled() -> None:
    assert {before for before in E if E.SETTLED in EXECUTION_MOVES[before]} == {E.CONFIRMED}


def test_the_only_ways_back_lead_to_another_attempt() -> None:
    order = [E.PENDING, E.PREFLIGHT, E.LOCKED, E.SIGNED, E.SUBMITTED, E.UNKNOWN, E.CONFIRMED]
    back = {(a, b) for a in order for b in EXECUTION_MOVES[a] if b in order and order.index(b) < order.index(a)}
    assert back == {(E.SUBMITTED, E.SIGNED), (E.UNKNOWN, E.SIGNED)}


def test_a_rule_fires_from_active_alone() -> None:
    assert {before for before in R if R.TRIGGERED in RULE_MOVES[before]} == {R.ACTIVE}
    assert {before for before in R if R.EXECUTING in RULE_MOVES[before]} == {R.TRIGGERED}
    assert {before for before in R if R.EXECUTED in RULE_MOVES[before]} == {R.EXECUTING}


@pytest.mark.parametrize("state", [R.TRIGGERED, R.EXECUTING])
def test_a_rule_in_flight_is_neither_paused_nor_deleted(state: RuleState) -> None:
    assert not RULE_MOVES[state] & {R.PAUSED, R.DELETED, R.CREATED}


def test_a_failed_rule_does_not_fire_before_it_is_made_active_or_new_again() -> None:
    assert RULE_MOVES[R.FAILED] == {R.ACTIVE, R.CREATED, R.DELETED}


def test_a_rule_is_new_again_only_after_it_has_failed() -> None:
    assert {before for before in R if R.CREATED in RULE_MOVES[before]} == {R.FAILED}


@given(st.lists(st.sampled_from(E), max_size=30))
def test_a_final_execution_stays_as_it_is_whatever_is_asked(asked: list[ExecutionState]) -> None:
    state, ended = E.PENDING, None
    for after in asked:
        if not is_refused(check_execution_move, state, after):
            state = after
        ended = ended or (state if state in FINAL else None)
    assert ended is None or state is ended
