"""Double entry: what moved, as entries that sum to zero per asset. Amounts are positive for the gaining account."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import IntegrityBroken
from domain.money import Amount


class EntryKind(StrEnum):
    SWAP_SOLD = "swap_sold"
    SWAP_BOUGHT = "swap_bought"
    NETWORK_FEE = "network_fee"
    RENT = "rent"
    OUTSIDE = "outside"  # a transfer in or out that was not ours
    REVERSAL = "reversal"  # of a settlement that the chain took back


OUTSIDE_ACCOUNT = "outside"
RENT_ACCOUNT = "rent"
NETWORK_FEE_ACCOUNT = "fee:network"


def wallet_account(wallet_id: str) -> str:
    return f"wallet:{wallet_id}"


def venue_account(venue: str) -> str:
    return f"venue:{venue}"


@dataclass(frozen=True, slots=True)
class Entry:
    account: str
    amount: Amount
    kind: EntryKind


@dataclass(frozen=True, slots=True)
class Settlement:
    """What really moved, read back from the venue. `sold`, `bought`, `fee` and `rent` are magnitudes.

    A failed attempt has a settlement too: it paid its fee. `reference` is the venue's id of the event,
    `slot` the block it is in, `wallet_changes` the wallet's differences per CAIP-19 asset id.
    """

    reference: str
    slot: int
    succeeded: bool
    sold: Amount
    bought: Amount
    fee: Amount
    rent: Amount
    wallet_changes: Mapping[str, int]


def entries(settlement: Settlement, wallet_id: str, venue: str) -> tuple[Entry, ...]:
    """The postings of one settlement.

    They must explain the wallet's differences to the base unit. Errors: INTEGRITY_BROKEN (final).
    """
    wallet = wallet_account(wallet_id)
    moves = (
        (venue_account(venue), settlement.sold, EntryKind.SWAP_SOLD, -1),
        (venue_account(venue), settlement.bought, EntryKind.SWAP_BOUGHT, 1),
        (NETWORK_FEE_ACCOUNT, settlement.fee, EntryKind.NETWORK_FEE, -1),
        (RENT_ACCOUNT, settlement.rent, EntryKind.RENT, -1),
    )
    posted: list[Entry] = []
    for other, amount, kind, sign in moves:
        if amount.base:
            posted.append(Entry(wallet, Amount(sign * amount.base, amount.asset), kind))
            posted.append(Entry(other, Amount(-sign * amount.base, amount.asset), kind))
    seen = {asset: change for asset, change in settlement.wallet_changes.items() if change}
    booked = {asset: total for (account, asset), total in totals(posted).items() if account == wallet and total}
    if seen != booked:
        raise IntegrityBroken(f"the chain shows {seen} for this wallet, its settlement explains {booked}")
    return tuple(posted)


def outside(wallet_id: str, difference: Amount) -> tuple[Entry, ...]:
    """A transfer that was not ours: `difference` is what the wallet gained (negative: lost)."""
    return (
        Entry(wallet_account(wallet_id), difference, EntryKind.OUTSIDE),
        Entry(OUTSIDE_ACCOUNT, Amount(-difference.base, difference.asset), EntryKind.OUTSIDE),
    )


def totals(posted: Iterable[Entry]) -> dict[tuple[str, str], int]:
    """Base units per account and CAIP-19 asset id."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for entry in posted:
        sums[entry.account, entry.amount.asset.id] += entry.amount.base
    return dict(sums)
