"""What the property tests draw from: assets, amounts, prices, times, observations, triggers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from domain.money import MAX_BASE_UNITS, Amount, Asset
from domain.triggers import MarketObservation, MarketProbability, MarketStatus

NOW = datetime(2026, 1, 15, 12, 0, 0, tzinfo=UTC)

assets = st.builds(
    lambda number, decimals: Asset(f"test:1/token:{number}-{decimals}", f"T{number}", decimals),
    st.integers(0, 5),
    st.integers(0, 36),
)
base_units = st.integers(-MAX_BASE_UNITS, MAX_BASE_UNITS)
amounts = st.builds(Amount, base_units, assets)

# The exchange's own grid is a hundredth of a cent; a coarse one makes equal values likely.
prices = st.one_of(
    st.integers(0, 10_000).map(lambda tick: Decimal(tick).scaleb(-4)),
    st.integers(0, 10).map(lambda tick: Decimal(tick).scaleb(-1)),
)
thresholds = prices.filter(lambda price: 0 < price < 1)
spreads = prices.filter(lambda price: price > 0)
moments = st.integers(-4_000_000_000, 4_000_000_000).map(lambda us: NOW + timedelta(microseconds=us))
recent = st.integers(-20_000_000, 0).map(lambda us: NOW + timedelta(microseconds=us))

# Half of them may answer, so that both sides of a property are met.
observations = st.builds(
    MarketObservation,
    source=st.just("kalshi"),
    market=st.just("FED-25DEC-CUT"),
    status=st.just(MarketStatus.ACTIVE) | st.sampled_from(MarketStatus),
    bid=prices | prices | st.none(),
    ask=prices | prices | st.none(),
    last=prices | prices | st.none(),
    close_time=st.none() | moments,
    source_time=recent | moments,
    received_time=moments,
    raw_sha256=st.just("0" * 64),
)


def trigger(
    outcome: str = "yes",
    price: str = "mid",
    when: str = "at_or_above",
    threshold: Decimal = Decimal("0.70"),
    max_spread: Decimal = Decimal("0.10"),
) -> MarketProbability:
    """A trigger made the one way there is: from what an owner posts."""
    return MarketProbability.model_validate(
        {
            "kind": "market_probability",
            "venue": "kalshi",
            "market": "FED-25DEC-CUT",
            "outcome": outcome,
            "price": price,
            "when": when,
            "threshold": f"{threshold:f}",
            "max_spread": f"{max_spread:f}",
        }
    )


outcomes = st.sampled_from(["yes", "no"])
price_kinds = st.sampled_from(["mid", "bid", "ask", "last"])
directions = st.sampled_from(["at_or_above", "at_or_below"])
triggers = st.builds(
    trigger, outcome=outcomes, price=price_kinds, when=directions, threshold=thresholds, max_spread=spreads
)


def observed(
    bid: Decimal | None = Decimal("0.70"),
    ask: Decimal | None = Decimal("0.72"),
    last: Decimal | None = Decimal("0.71"),
    status: MarketStatus = MarketStatus.ACTIVE,
    close_time: datetime | None = None,
    source_time: datetime = NOW,
    received_time: datetime = NOW,
) -> MarketObservation:
    """An observation that answers, unless a part of it is said to be otherwise."""
    return MarketObservation(
        source="kalshi",
        market="FED-25DEC-CUT",
        status=status,
        bid=bid,
        ask=ask,
        last=last,
        close_time=close_time,
        source_time=source_time,
        received_time=received_time,
        raw_sha256="0" * 64,
    )
