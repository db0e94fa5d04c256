"""What to do with an execution that does not move, by what Temporal knows of its workflow."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# A payload that was sent just before the book went back may land for as long as a blockhash lives: some 90 s on
# Solana (150 blocks). Until then an absence on the chain proves nothing.
REST_BEFORE_RECOVERY = timedelta(minutes=3)

# Lifts every rule's count of activations past any that the lost part of the book may have used.
ACTIVATIONS_SKIPPED = 1_000_000

# The execution was ended when the book was restored, because Temporal had ended it already.
BOOK_RESTORED = "BOOK_RESTORED"


class RunState(StrEnum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"  # terminated, cancelled or timed out, before it could end the execution
    ABSENT = "ABSENT"  # Temporal knows none


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of an execution's workflow. `closed_at` is Temporal's clock, None while it runs."""

    state: RunState
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """An execution that is open in the book and has not moved for a while. `signed`: it has a payload."""

    created_at: datetime
    signed: bool
    asked: bool  # an operator's task of it is open


class Remedy(StrEnum):
    LEAVE = "leave"
    RESTART = "restart"  # under the same id: every step answers from its record
    ASK = "ask"  # a person
    END = "end"  # blocked: it ended in a part of the book that was lost
    HALT = "halt"  # the book is older than Temporal


def remedy(execution: Stuck, run: Run, recovered_at: datetime | None) -> Remedy:
    """Decide. The book is asked after Temporal: an execution ends in the book before its workflow does.

    So an open execution of a completed workflow proves that the book went back, unless a recovery has
    compared it with the chain since. What was there before a recovery, unsigned and with no workflow, is
    not begun again: it may have ended in the part that was lost.
    """
    known = recovered_at is not None and run.closed_at is not None and run.closed_at < recovered_at
    if run.state is RunState.RUNNING:
        return Remedy.LEAVE
    if run.state is RunState.COMPLETED and not known:
        return Remedy.HALT
    before = recovered_at is not None and execution.created_at < recovered_at
    if (known or before) and not execution.signed:
        return Remedy.END
    if run.state is RunState.FAILED:
        return Remedy.LEAVE if execution.asked else Remedy.ASK
    return Remedy.RESTART
