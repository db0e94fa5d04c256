"""What a person may do about a task, and why no choice of theirs can pay twice. Facts in, offers and refusals out."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from domain.attempts import Fate, Sighting
from domain.errors import InvalidInput
from domain.lifecycle import FINAL, ExecutionState

FATE_UNKNOWN = "FATE_UNKNOWN"
FOREIGN_NONCE = "FOREIGN_NONCE"
BALANCE_UNEXPLAINED = "BALANCE_UNEXPLAINED"

# Chain and book may differ, and a person may say that the difference is a stranger's transfer.
ABOUT_BALANCES = frozenset({BALANCE_UNEXPLAINED, "LATE_FILL", "REORG_AFTER_FINAL", "BOOK_BEHIND_CHAIN"})

# Their workflow waits and looks by itself; every other code is of a step that failed for good.
LOOKED_AT_AGAIN = frozenset({FATE_UNKNOWN, FOREIGN_NONCE})


class OperatorMove(StrEnum):
    RETRY = "retry"
    LOOK_AGAIN = "look_again"
    DECLARE_DEAD = "declare_dead"
    ADOPT_NONCE = "adopt_nonce"
    BOOK_OUTSIDE = "book_outside"
    UNFREEZE = "unfreeze"
    ACKNOWLEDGE = "acknowledge"


M = OperatorMove

# They make a person's word part of the book, so what that person looked at is kept beside it.
NEEDS_EVIDENCE = frozenset({M.DECLARE_DEAD, M.ADOPT_NONCE, M.BOOK_OUTSIDE})

# Characters. Shorter than these nobody can say why, or what was looked at and where.
REASON_LEAST = 10
EVIDENCE_LEAST = 20


@dataclass(frozen=True, slots=True)
class OpenPayload:
    """A signed payload whose fate the book does not know, and what the venue says of it now.

    `expires`: by the venue's own clock it cannot land after `valid_until`. Where nonces exclude each other, only
    a used nonce ends it.
    """

    venue_ref: str
    valid_until: int
    expires: bool
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides what may be done about a task. None is: not known now, and no reason to go on.

    `execution` is None for a task about a wallet as such. `short`: the wallet holds less on chain of what this
    execution sells than the book says, as it would had a payload landed unseen. `in_flight` says what of ours the
    wallet still waits for, in words; empty: nothing. `counts` are the book's next nonce and the chain's, where
    nonces count up. `differs`: chain and book disagree about any asset of the wallet.
    """

    code: str
    execution: ExecutionState | None
    open_payloads: tuple[OpenPayload, ...]
    short: bool | None
    frozen: bool
    in_flight: str
    other_tasks: tuple[int, ...]
    counted: bool
    counts: tuple[int, int] | None
    differs: bool | None

    @property
    def over(self) -> bool:
        return self.execution is None or self.execution in FINAL


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Why a move is not made now, and what would make it safe."""

    reason: str
    would_be_safe: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A move with what it does and why it cannot pay twice; `unsafe` where it is refused now."""

    move: OperatorMove
    does: str
    cannot_pay_twice: str
    unsafe: Unsafe | None


def offers(seen: Situation) -> tuple[Offer, ...]:
    """Every move, judged."""
    return tuple(Offer(move, *_MEANING[move], judge(move, seen)) for move in OperatorMove)


def judge(move: OperatorMove, seen: Situation) -> Unsafe | None:
    """Why this move is not made now; None: it may be."""
    return _JUDGES[move](seen)


def check_words(move: OperatorMove, reason: str, evidence: str | None) -> None:
    """A reason for every move, evidence for those that rest on a person's word. Errors: INVALID_INPUT (final)."""
    if len(reason.strip()) < REASON_LEAST:
        raise InvalidInput(f"write the reason in at least {REASON_LEAST} characters: it is kept for ever", "reason")
    if move in NEEDS_EVIDENCE and len((evidence or "").strip()) < EVIDENCE_LEAST:
        wanted = f"{move} needs evidence of at least {EVIDENCE_LEAST} characters: what you looked at, where and when"
        raise InvalidInput(wanted, "evidence")


def death(payload: OpenPayload) -> Unsafe | None:
    """Why a payload cannot be declared dead. None: it is past its last block, or its nonce is used up."""
    seen = payload.sighting
    if seen.fate is Fate.LANDED:
        return Unsafe(f"{payload.venue_ref} has landed: {seen.detail}", "nothing: look again, and it is booked")
    if seen.fate is Fate.DEAD:
        return None
    if seen.seen:
        return Unsafe(f"{payload.venue_ref} is in a block that is not final yet", "wait until that block is final")
    if seen.foreign:
        return None
    if not payload.expires:
        return Unsafe(
            f"{payload.venue_ref} may land until another payload has used up its nonce",
            "look again once the venue shows its nonce used up by a final transaction",
        )
    if seen.head is not None and seen.head <= payload.valid_until:
        return Unsafe(
            f"{payload.venue_ref} may still land until {payload.valid_until}, the venue is at {seen.head}",
            f"ask again once the venue's own clock is past {payload.valid_until}",
        )
    if seen.fate is Fate.PENDING:
        return Unsafe(f"the venue says that {payload.venue_ref} may still land: {seen.detail}", "wait for its answer")
    if seen.head is None:
        return Unsafe(
            f"the venue does not say how far it is, so {payload.venue_ref} may still land until {payload.valid_until}",
            "ask again once a node answers, or set another node",
        )
    return None


def _retry(seen: Situation) -> Unsafe | None:
    if seen.over:
        return Unsafe("there is no open execution to go on with", "nothing: acknowledge the task instead")
    if seen.code in LOOKED_AT_AGAIN:
        return Unsafe("no step has failed, its workflow waits for the venue", "choose look_again")
    return None


def _look_again(seen: Situation) -> Unsafe | None:
    if seen.over:
        return Unsafe("there is no open execution to look at", "nothing: acknowledge the task instead")
    if seen.code not in LOOKED_AT_AGAIN:
        return Unsafe("a step has failed, so nothing looks by itself", "choose retry")
    return None


def _declare_dead(seen: Situation) -> Unsafe | None:
    if seen.over or not seen.open_payloads:
        return Unsafe("no payload of an open execution is out", "nothing: choose retry or acknowledge")
    for payload in seen.open_payloads:
        if unsafe := death(payload):
            return unsafe
    if seen.short is None:
        return Unsafe("the wallet's balance cannot be read, so nothing confirms it", "ask again once a node answers")
    if seen.short:
        return Unsafe(
            "the wallet holds less of what was to be sold than the book says, as if a payload had landed",
            "find the transaction that took it; if it is not ours, bring the amount back into the wallet first",
        )
    return None


def _adopt_nonce(seen: Situation) -> Unsafe | None:
    if seen.code != FOREIGN_NONCE:
        return Unsafe(f"{seen.code} is not about a nonce", f"only a {FOREIGN_NONCE} task asks for it")
    if not seen.counted:
        return Unsafe("the nonces of this wallet do not count up: there is nothing to adopt", "choose unfreeze")
    if unsafe := _in_flight(seen):
        return unsafe
    if seen.counts is None:
        return Unsafe("the chain's count cannot be read", "ask again once a node answers")
    book, chain = seen.counts
    if chain < book:
        return Unsafe(f"the node expects nonce {chain}, the book {book}: it is behind", "wait until it has caught up")
    if chain == book:
        return Unsafe(f"chain and book both expect nonce {book}", "nothing: choose unfreeze")
    return None


def _book_outside(seen: Situation) -> Unsafe | None:
    if seen.code not in ABOUT_BALANCES:
        return Unsafe(
            f"{seen.code} is not about a balance", f"only these tasks ask for it: {', '.join(sorted(ABOUT_BALANCES))}"
        )
    if unsafe := _in_flight(seen):
        return unsafe
    if seen.differs is None:
        return Unsafe("the wallet's balances cannot be read", "ask again once a node answers")
    if not seen.differs:
        return Unsafe("chain and book agree", "nothing: choose unfreeze or acknowledge")
    return None


def _unfreeze(seen: Situation) -> Unsafe | None:
    if not seen.frozen:
        return Unsafe("the wallet is not frozen", "nothing: choose acknowledge")
    if seen.other_tasks:
        names = ", ".join(map(str, seen.other_tasks))
        return Unsafe(f"other tasks about this wallet are open: {names}", "resolve those first")
    if seen.code == FATE_UNKNOWN:
        # No reason to freeze by itself; and what was stored and never sent gets no further while it lasts.
        return None
    return _settled(seen)


def _acknowledge(seen: Situation) -> Unsafe | None:
    if seen.frozen:
        return Unsafe("the wallet is frozen", "choose unfreeze, once its reason is gone")
    return _settled(seen)


def _settled(seen: Situation) -> Unsafe | None:
    """Why the matter itself is not over."""
    if not seen.over:
        return Unsafe(
            f"the execution is {seen.execution}, not over", "choose retry or look_again, and wait for its end"
        )
    if seen.code == FOREIGN_NONCE and seen.counted and (seen.counts is None or seen.counts[0] != seen.counts[1]):
        return Unsafe("chain and book are not seen to expect the same nonce", "choose adopt_nonce first")
    if seen.code in ABOUT_BALANCES and seen.differs is not False:
        return Unsafe("chain and book are not seen to agree", "choose book_outside first")
    return None


def _in_flight(seen: Situation) -> Unsafe | None:
    if not seen.in_flight:
        return None
    return Unsafe(f"what the chain shows may be ours: {seen.in_flight}", "wait until that execution is over")


_JUDGES: dict[OperatorMove, Callable[[Situation], Unsafe | None]] = {
    M.RETRY: _retry,
    M.LOOK_AGAIN: _look_again,
    M.DECLARE_DEAD: _declare_dead,
    M.ADOPT_NONCE: _adopt_nonce,
    M.BOOK_OUTSIDE: _book_outside,
    M.UNFREEZE: _unfreeze,
    M.ACKNOWLEDGE: _acknowledge,
}

# What a move does, and why it cannot pay twice.
_MEANING: dict[OperatorMove, tuple[str, str]] = {
    M.RETRY: (
        "Runs the execution's workflow again from its first step.",
        "Every step answers from its record in the book: what is signed is sent again byte for byte, or not at all.",
    ),
    M.LOOK_AGAIN: (
        "Asks the venue again, through the workflow that waits for it; starts that one if it is gone.",
        "Looking signs nothing, and a new payload still needs the proof that every earlier one is dead.",
    ),
    M.DECLARE_DEAD: (
        "Keeps your evidence as the proof that every open payload is dead; the execution then tries anew or ends.",
        "Each is past its last block, or its nonce is used up, and the wallet still holds what it would have sold.",
    ),
    M.ADOPT_NONCE: (
        "Sets the wallet's next nonce to the chain's count. Frozen, it stays so until its owner unfreezes it.",
        "It signs nothing, and nothing of ours is in flight: no open payload carries a nonce that is skipped so.",
    ),
    M.BOOK_OUTSIDE: (
        "Books what chain and book disagree by as a transfer that was not ours. A frozen wallet stays frozen.",
        "It writes to the ledger alone, and nothing of ours is in flight that the difference could belong to.",
    ),
    M.UNFREEZE: (
        "Lets the wallet sign again.",
        "Its execution is over, no other task speaks against it, and a rule fires anew only on a new crossing.",
    ),
    M.ACKNOWLEDGE: (
        "Closes the task; nothing else changes.",
        "It moves nothing: the execution is over and the wallet is not frozen.",
    ),
}
