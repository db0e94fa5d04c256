"""The two state machines, each with one table of allowed moves. SQL enforces them by compare-and-set."""

from enum import StrEnum

from domain.errors import IllegalTransition


class RuleState(StrEnum):
    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    TRIGGERED = "TRIGGERED"
    EXECUTING = "EXECUTING"
    EXECUTED = "EXECUTED"
    FAILED = "FAILED"
    DELETED = "DELETED"


class ExecutionState(StrEnum):
    PENDING = "PENDING"
    PREFLIGHT = "PREFLIGHT"
    LOCKED = "LOCKED"
    SIGNED = "SIGNED"
    SUBMITTED = "SUBMITTED"
    CONFIRMED = "CONFIRMED"
    SETTLED = "SETTLED"
    BLOCKED = "BLOCKED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


R, E = RuleState, ExecutionState

RULE_MOVES: dict[RuleState, frozenset[RuleState]] = {
    R.CREATED: frozenset({R.ACTIVE, R.DELETED}),
    R.ACTIVE: frozenset({R.PAUSED, R.TRIGGERED, R.DELETED}),
    R.PAUSED: frozenset({R.ACTIVE, R.DELETED}),
    # Back to ACTIVE when the execution was blocked or cancelled: no money moved, the rule was not used up.
    R.TRIGGERED: frozenset({R.EXECUTING, R.ACTIVE, R.FAILED}),
    R.EXECUTING: frozenset({R.EXECUTED, R.FAILED, R.ACTIVE}),
    R.EXECUTED: frozenset({R.ACTIVE, R.DELETED}),
    # Only an operator leads a rule out of FAILED, once none of its executions is open.
    R.FAILED: frozenset({R.ACTIVE, R.CREATED, R.DELETED}),
    R.DELETED: frozenset(),
}

EXECUTION_MOVES: dict[ExecutionState, frozenset[ExecutionState]] = {
    E.PENDING: frozenset({E.PREFLIGHT, E.BLOCKED, E.CANCELLED}),
    E.PREFLIGHT: frozenset({E.LOCKED, E.BLOCKED, E.CANCELLED}),
    E.LOCKED: frozenset({E.SIGNED, E.BLOCKED, E.FAILED, E.CANCELLED}),
    E.SIGNED: frozenset({E.SUBMITTED, E.CONFIRMED, E.FAILED, E.UNKNOWN}),
    # Back to SIGNED for the next attempt, which exists only after the last one is provably dead.
    E.SUBMITTED: frozenset({E.CONFIRMED, E.SIGNED, E.FAILED, E.UNKNOWN}),
    E.CONFIRMED: frozenset({E.SETTLED}),
    # SIGNED only once every attempt is provably dead; that none has landed is a constraint of the book.
    E.UNKNOWN: frozenset({E.CONFIRMED, E.SIGNED, E.FAILED}),
    E.SETTLED: frozenset(),
    E.BLOCKED: frozenset(),
    E.FAILED: frozenset(),
    E.CANCELLED: frozenset(),
}

# No payload of the execution exists in these; from any other on, one may be out.
UNSIGNED: frozenset[ExecutionState] = frozenset({E.PENDING, E.PREFLIGHT, E.LOCKED})

FINAL: frozenset[ExecutionState] = frozenset({E.SETTLED, E.BLOCKED, E.FAILED, E.CANCELLED})


def check_rule_move(before: RuleState, after: RuleState) -> None:
    """Errors: ILLEGAL_TRANSITION (final)."""
    if after not in RULE_MOVES[before]:
        raise IllegalTransition(f"a rule does not go from {before} to {after}")


def check_execution_move(before: ExecutionState, after: ExecutionState) -> None:
    """Errors: ILLEGAL_TRANSITION (final)."""
    if after not in EXECUTION_MOVES[before]:
        raise IllegalTransition(f"an execution does not go from {before} to {after}")
