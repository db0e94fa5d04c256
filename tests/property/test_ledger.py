"""What is booked sums to zero, and explains the wallet's change to the base unit or not at all."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.assets import SOL, SOLANA_USDC, WRAPPED_SOL
from domain.errors import IntegrityBroken
from domain.ledger import (
    NETWORK_FEE_ACCOUNT,
    OUTSIDE_ACCOUNT,
    RENT_ACCOUNT,
    Entry,
    EntryKind,
    Settlement,
    entries,
    outside,
    totals,
    venue_account,
    wallet_account,
)
from domain.money import MAX_BASE_UNITS, Amount, Asset

WALLET, VENUE = "wal_one", "jupiter"
magnitudes = st.just(0) | st.integers(1, 3) | st.integers(0, 2**64 - 1)
known_assets = st.sampled_from([SOL, SOLANA_USDC, WRAPPED_SOL])


@st.composite
def settlements(draw: st.DrawFn) -> Settlement:
    """Any swap as a venue tells it, with the wallet's change worked out apart from the ledger."""
    sold_asset, bought_asset = draw(known_assets), draw(known_assets)
    sold, bought, fee, rent = (draw(magnitudes) for _ in range(4))
    change: Counter[str] = Counter()
    change[sold_asset.id] -= sold
    change[bought_asset.id] += bought
    change[SOL.id] -= fee + rent
    return Settlement(
        reference="signature",
        slot=7,
        succeeded=draw(st.booleans()),
        sold=Amount(sold, sold_asset),
        bought=Amount(bought, bought_asset),
        fee=Amount(fee, SOL),
        rent=Amount(rent, SOL),
        wallet_changes=dict(change),
    )


def per_asset(posted: tuple[Entry, ...]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for entry in posted:
        sums[entry.amount.asset.id] += entry.amount.base
    return dict(sums)


@given(settlements())
def test_what_is_booked_sums_to_zero_in_every_asset(settlement: Settlement) -> None:
    assert not any(per_asset(entries(settlement, WALLET, VENUE)).values())


@given(settlements())
def test_the_wallets_entries_are_the_wallets_change(settlement: Settlement) -> None:
    booked = totals(entries(settlement, WALLET, VENUE))
    of_wallet = {asset: base for (account, asset), base in booked.items() if account == wallet_account(WALLET) and base}
    assert of_wallet == {asset: base for asset, base in settlement.wallet_changes.items() if base}


@given(settlements(), known_assets | st.just(Asset("solana:x/token:stranger", "XXX", 6)), st.integers(-(2**64), 2**64))
def test_one_base_unit_that_nothing_explains_stops_the_booking(
    settlement: Settlement, asset: Asset, unexplained: int
) -> None:
    assume(unexplained)
    change = Counter(settlement.wallet_changes)
    change[asset.id] += unexplained
    with pytest.raises(IntegrityBroken):
        entries(replace(settlement, wallet_changes=dict(change)), WALLET, VENUE)


@given(settlements(), st.sampled_from(["sold", "bought", "fee", "rent"]), st.integers(1, 1_000))
def test_a_settlement_that_claims_a_unit_more_than_the_chain_shows_is_refused(
    settlement: Settlement, part: str, more: int
) -> None:
    told: Amount = getattr(settlement, part)
    claimed: dict[str, Any] = {part: Amount(told.base + more, told.asset)}
    with pytest.raises(IntegrityBroken):
        entries(replace(settlement, **claimed), WALLET, VENUE)


@given(settlements())
def test_each_posting_has_its_counterpart_of_the_same_kind_and_nothing_is_posted_for_nothing(
    settlement: Settlement,
) -> None:
    posted = entries(settlement, WALLET, VENUE)
    others = {
        EntryKind.SWAP_SOLD: (venue_account(VENUE), settlement.sold, 1),
        EntryKind.SWAP_BOUGHT: (venue_account(VENUE), settlement.bought, -1),
        EntryKind.NETWORK_FEE: (NETWORK_FEE_ACCOUNT, settlement.fee, 1),
        EntryKind.RENT: (RENT_ACCOUNT, settlement.rent, 1),
    }
    expected = set()
    for kind, (account, amount, sign) in others.items():
        if amount.base:
            expected.add(Entry(account, Amount(sign * amount.base, amount.asset), kind))
            expected.add(Entry(wallet_account(WALLET), Amount(-sign * amount.base, amount.asset), kind))
    assert set(posted) == expected
    assert len(posted) == len(expected)


@given(st.integers(-MAX_BASE_UNITS, MAX_BASE_UNITS), known_assets)
def test_a_strangers_transfer_is_booked_against_the_outside(base: int, asset: Asset) -> None:
    posted = outside(WALLET, Amount(base, asset))
    assert not any(per_asset(posted).values())
    assert totals(posted) == {(wallet_account(WALLET), asset.id): base, (OUTSIDE_ACCOUNT, asset.id): -base}
    assert {entry.kind for entry in posted} == {EntryKind.OUTSIDE}


def test_accounts_are_called_as_auditors_were_told() -> None:
    assert wallet_account("wal_one") == "wallet:wal_one"
    assert venue_account("jupiter") == "venue:jupiter"
    assert (NETWORK_FEE_ACCOUNT, RENT_ACCOUNT, OUTSIDE_ACCOUNT) == ("fee:network", "rent", "outside")
