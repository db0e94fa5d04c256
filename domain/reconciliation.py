"""Chain against book: what explains a difference, and what happens then. The one place that decides it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from domain.attempts import Fate, Sighting
from domain.money import Amount, Asset

# How long settled payloads are looked up again: far longer than any reorg that a chain lives through.
SETTLED_WITHIN = timedelta(hours=1)

# How far back a payload that the book holds dead is looked for when money moved that nothing else explains.
DEAD_WITHIN = timedelta(hours=24)


class Cause(StrEnum):
    """What a difference between chain and book is put down to."""

    AGREES = "agrees"
    ARRIVED = "arrived"  # from outside: anybody may pay in
    FOREIGN = "foreign"  # the wallet signed what the book does not know
    TAKEN_BACK = "taken_back"  # a payload that was final and booked is no longer there
    LATE_FILL = "late_fill"  # a payload that the book holds for dead or taken back has landed
    BEHIND = "behind"  # the book is older than the chain
    UNEXPLAINED = "unexplained"


# What a person is asked, by the cause that freezes the wallet.
CODES: dict[Cause, str] = {
    Cause.FOREIGN: "FOREIGN_NONCE",
    Cause.TAKEN_BACK: "REORG_AFTER_FINAL",
    Cause.LATE_FILL: "LATE_FILL",
    Cause.BEHIND: "BOOK_BEHIND_CHAIN",
    Cause.UNEXPLAINED: "BALANCE_UNEXPLAINED",
}

_ADVICE: dict[Cause, str] = {
    Cause.FOREIGN: "Somebody else signs with this wallet's key: move its funds, and find out who",
    Cause.TAKEN_BACK: (
        "The chain took a settled payload back, and its entries were reversed. It may land again by itself: watch its "
        "reference, and fire the rule again only once it provably cannot"
    ),
    Cause.LATE_FILL: "A payload that the book holds for dead or taken back has moved money: see which, and book it",
    Cause.BEHIND: (
        "The book was restored and lacks what the chain shows, so its rules may have paid already: take a later "
        "backup, or move the funds to a new wallet"
    ),
    Cause.UNEXPLAINED: "Money left without a payload of ours: move what is left, and find out how",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One asset of a wallet, in base units on the chain and in the book."""

    asset: Asset
    chain: int
    booked: int

    @property
    def difference(self) -> int:
        """What the chain has more than the book."""
        return self.chain - self.booked

    @property
    def amounts(self) -> tuple[Amount, Amount, Amount]:
        """On the chain, in the book, and what the chain has more."""
        chain, booked = Amount(self.chain, self.asset), Amount(self.booked, self.asset)
        return chain, booked, Amount(self.difference, self.asset)


@dataclass(frozen=True, slots=True)
class Moved:
    """A payload of ours and what it moved: base units that the wallet gained, by CAIP-19 id."""

    attempt_id: str
    reference: str
    changes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A wallet, read twice: at the venue and in the book.

    `strangers`: the venue's sentences about what it signed and the book does not know. `late`: payloads that
    landed and are not booked. `gone`: payloads that are booked and are no longer there.
    """

    lines: tuple[Line, ...]
    strangers: tuple[str, ...] = ()
    late: tuple[Moved, ...] = ()
    gone: tuple[Moved, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    cause: Cause
    seen: Seen

    @property
    def code(self) -> str:
        """The public code of the operator's task; empty where nobody has to look."""
        return CODES.get(self.cause, "")

    @property
    def arrived(self) -> tuple[Line, ...]:
        """What is to be booked as come from outside."""
        if self.cause is not Cause.ARRIVED:
            return ()
        return tuple(line for line in self.seen.lines if line.difference)

    @property
    def detail(self) -> str:
        """For people: what to do, and what was seen."""
        facts = [
            f"{line.asset.symbol}: {Amount(line.chain, line.asset)} on chain, {Amount(line.booked, line.asset)} booked"
            for line in self.seen.lines
            if line.difference
        ]
        facts += [f"{one.reference} has landed" for one in self.seen.late]
        facts += [f"{one.reference} is gone" for one in self.seen.gone]
        told = "; ".join((*facts, *self.seen.strangers))
        return f"{_ADVICE.get(self.cause, 'Nothing to do')}.{f' {told}.' if told else ''}"


def attribute(seen: Seen) -> Finding:
    """Put the differences of a wallet with nothing in flight down to one cause, the worst one first.

    Only a gain with nothing suspicious beside it is believed to have come from outside. Whatever else moved
    is booked by nobody but a person, even where a late payload explains it to the base unit.
    """
    if seen.strangers:
        return Finding(Cause.FOREIGN, seen)
    if seen.gone:
        return Finding(Cause.TAKEN_BACK, seen)
    if seen.late:
        return Finding(Cause.LATE_FILL, seen)
    if any(line.difference < 0 for line in seen.lines):
        return Finding(Cause.UNEXPLAINED, seen)
    if any(line.difference for line in seen.lines):
        return Finding(Cause.ARRIVED, seen)
    return Finding(Cause.AGREES, seen)


def attribute_restored(seen: Seen) -> Finding:
    """The same for a book that was restored: chain and book may differ by what its own open payloads moved.

    `late` holds those here. A gain is no excuse: it may be what a lost swap bought.
    """
    moved: dict[str, int] = {}
    for payload in seen.late:
        for asset, base in payload.changes:
            moved[asset] = moved.get(asset, 0) + base
    explained = all(line.difference == moved.get(line.asset.id, 0) for line in seen.lines)
    agrees = explained and not seen.strangers and not seen.gone
    return Finding(Cause.AGREES if agrees else Cause.BEHIND, seen)


def taken_back(sighting: Sighting, landed_in: int) -> bool:
    """Whether a payload that was final in the block `landed_in` is no longer there.

    It is dead, or absent to a node that is that far by its own clock. A look-up that fails says nothing, and one
    that is in a block again only has to ripen. Solana's clock counts fewer blocks than slots: there only death counts,
    which a blockhash reaches in a minute.
    """
    far_enough = sighting.head is not None and sighting.head >= landed_in
    return sighting.fate is Fate.DEAD or (_absent(sighting) and far_enough)


def behind(sighting: Sighting, landed_in: int) -> bool:
    """Whether a node is not seen to be as far as the book: what it does not show, it may not know yet."""
    return _absent(sighting) and not taken_back(sighting, landed_in)


def _absent(sighting: Sighting) -> bool:
    return sighting.fate is Fate.PENDING and not sighting.seen
