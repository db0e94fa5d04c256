"""What to do next with the attempts of a leg. Only proof of death permits another signature."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.intents import LegKind


class Fate(StrEnum):
    """What is known of an attempt at its venue."""

    LANDED = "LANDED"  # final at the venue, whether it did what was wanted or failed there
    DEAD = "DEAD"  # provably can never land
    PENDING = "PENDING"  # may still land; the venue answered
    UNKNOWN = "UNKNOWN"  # the venue gave no usable answer


class AttemptState(StrEnum):
    ALLOCATED = "ALLOCATED"
    SIGNED = "SIGNED"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at one attempt. `succeeded` is told only of LANDED; `proof` only of DEAD.

    `head` is the venue's own clock at the look (finalized block height), `detail` a sentence for people.
    Of what is PENDING: `seen`, that it is in a block which is not final yet; `raisable`, that it waits for
    want of a higher fee, or past its time, and a payload that takes its place is within the limits.
    `foreign`: somebody else used up its nonce, so that none of ours can land and the key is not ours alone.
    """

    fate: Fate
    succeeded: bool | None = None
    head: int | None = None
    detail: str = ""
    proof: tuple[tuple[str, str], ...] = ()
    seen: bool = False
    raisable: bool = False
    foreign: bool = False

    @property
    def over(self) -> bool:
        """Nothing more can come of it. Landed without a told outcome is not over: it may have moved the money."""
        return self.fate is Fate.DEAD or (self.fate is Fate.LANDED and self.succeeded is False)


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt as `next_move` sees it. From `signed_at` on it may be out, whether a sending was noted or not.

    Tries of one `nonce` are a family: at most one of them can ever land.
    """

    attempt_no: int
    nonce: str
    sighting: Sighting
    signed_at: datetime
    last_sent_at: datetime | None


class Move(StrEnum):
    WAIT = "wait"
    REBROADCAST = "rebroadcast"  # the same bytes, byte for byte
    REPLACE = "replace"  # another payload at the same nonce
    NEW_ATTEMPT = "new_attempt"
    SETTLE = "settle"
    NEXT_LEG = "next_leg"  # this leg has landed, and another follows
    FAIL = "fail"
    ESCALATE = "escalate"


# Source: Solana's guide to retrying transactions resends about every two seconds.
REBROADCAST_EVERY = timedelta(seconds=2)

# Two Ethereum blocks and a half: what is not taken by then is not about to be.
REPLACE_AFTER = timedelta(seconds=30)

# A swap that failed so often is failing for a reason that another price will not mend; an approval that failed
# once fails for one that nothing mends.
MAX_ATTEMPTS = {LegKind.SWAP: 4, LegKind.APPROVE: 1}

# Long past the life of any payload (a Solana blockhash lives about a minute): a person has to look.
ESCALATE_AFTER = timedelta(minutes=15)


def next_move(tries: tuple[Try, ...], now: datetime, most: int, replace_from: datetime) -> Move:
    """Decide what happens to a leg, from a sighting of every one of its attempts, oldest first.

    An attempt that landed wins over all else. A new attempt needs every earlier one to be dead, or
    to have landed as a failure; one PENDING or UNKNOWN among them and nothing may be signed but what
    shares its nonce. `most` nonces are tried, and nothing is replaced before `replace_from`.
    """
    if not tries:
        raise ValueError("a leg without attempts has no next move: sign first")
    if any(t.sighting.fate is Fate.LANDED and t.sighting.succeeded for t in tries):
        return Move.SETTLE
    over = [t for t in tries if t.sighting.over]
    if len(over) == len(tries):
        return Move.NEW_ATTEMPT if len({t.nonce for t in tries}) < most else Move.FAIL
    open_tries = [t for t in tries if t not in over]
    if any(t.sighting.foreign for t in open_tries):
        return Move.ESCALATE
    latest = open_tries[-1]
    if any(t.sighting.seen for t in open_tries):
        began = min(t.signed_at for t in open_tries)
        return Move.ESCALATE if now - began > ESCALATE_AFTER else Move.WAIT
    replaceable = latest.sighting.fate is Fate.PENDING and latest.sighting.raisable and now >= replace_from
    if replaceable and now - latest.signed_at >= REPLACE_AFTER:
        return Move.REPLACE
    if now - min(t.signed_at for t in open_tries) > ESCALATE_AFTER:
        return Move.ESCALATE
    if latest.sighting.fate is Fate.PENDING and (
        latest.last_sent_at is None or now - latest.last_sent_at >= REBROADCAST_EVERY
    ):
        return Move.REBROADCAST
    return Move.WAIT
