"""What steps answer: outcomes and names, never amounts or destinations."""

from dataclasses import dataclass
from datetime import datetime

from domain.attempts import Move
from domain.executions import Order


@dataclass(frozen=True, slots=True)
class Passed:
    """Whether the execution may go on; if not, the public codes of why. `over`: it ended in an earlier run.

    `may_be_out`: an earlier run may have signed, so that cancelling is no longer ours to promise.
    """

    passed: bool
    codes: tuple[str, ...] = ()
    over: bool = False
    may_be_out: bool = False


@dataclass(frozen=True, slots=True)
class Locked:
    """`epoch` is the fencing token, None while waiting. `next_waiter` is told when a refusal freed the wallet.

    `over`: the execution ended meanwhile, in another run.
    """

    epoch: int | None = None
    codes: tuple[str, ...] = ()
    next_waiter: str | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class SignRequest:
    order: Order
    epoch: int
    leg_no: int
    attempt_no: int


@dataclass(frozen=True, slots=True)
class SignAnswer:
    """`venue_ref` of the stored payload; or the codes of a refusal, or of a dry run's end."""

    venue_ref: str | None = None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Follow:
    """Which execution to follow. Nothing is replaced before `replace_from`; None: nothing is replaced at all."""

    order: Order
    replace_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the look-up of a leg's attempts led to. `attempts` is how many of them are signed so far.

    `foreign`: somebody else used up their nonce.
    """

    move: Move
    leg_no: int
    attempts: int
    detail: str = ""
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution ended. `next_waiter` is the workflow that may take the wallet now.

    `still_open`: it did not end, since an attempt may still land and has to be followed first.
    """

    status: str
    codes: tuple[str, ...] = ()
    next_waiter: str | None = None
    still_open: bool = False


@dataclass(frozen=True, slots=True)
class EndRequest:
    """What ended it: codes of a refusal, or none where the attempts decide."""

    order: Order
    codes: tuple[str, ...] = ()
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What only a person can decide about an execution: a public code, and a sentence that says what to do.

    `freeze`: until then its wallet signs nothing, for whatever execution.
    """

    order: Order
    code: str
    detail: str
    freeze: bool = False
