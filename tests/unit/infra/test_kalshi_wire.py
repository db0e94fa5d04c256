"""What the exchange's JSON means, and what in it is not believed."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import FeedNonsense
from domain.triggers import MarketStatus
from infra.feeds.kalshi import wire

TICKER: dict[str, Any] = {
    "market_ticker": "FED-25DEC-CUT",
    "price_dollars": "0.5600",
    "yes_bid_dollars": "0.5500",
    "yes_ask_dollars": "0.5700",
    "ts": 1781159370,
    "ts_ms": 1781159370164,
}
MARKET: dict[str, Any] = {
    "ticker": "FED-25DEC-CUT",
    "status": "active",
    "yes_bid_dollars": "0.5500",
    "yes_ask_dollars": "0.5700",
    "last_price_dollars": "0.5600",
    "close_time": "2035-12-31T15:00:00Z",
    "updated_time": "2026-06-11T06:29:30.164Z",
}
AT = datetime(2026, 6, 11, 6, 29, 30, 164000, tzinfo=UTC)
QUOTE = wire.Quote(Decimal("0.55"), Decimal("0.57"), Decimal("0.56"), AT)


def test_a_ticker_frame_is_read_with_the_sources_own_time() -> None:
    assert wire.ticker(TICKER) == wire.Ticker("FED-25DEC-CUT", QUOTE)


def test_a_market_object_is_read_with_the_sources_own_time() -> None:
    standing = wire.Standing(MarketStatus.ACTIVE, datetime(2035, 12, 31, 15, tzinfo=UTC))
    assert wire.listing(MARKET) == wire.Listing("FED-25DEC-CUT", QUOTE, standing)


@pytest.mark.parametrize("ask", ["1.0000", "0.0000", None])
def test_an_empty_book_has_no_price_rather_than_an_extreme_one(ask: str | None) -> None:
    empty = {**TICKER, "yes_bid_dollars": "0.0000", "yes_ask_dollars": ask, "price_dollars": "0.0000"}
    quote = wire.ticker(empty).quote
    assert (quote.bid, quote.ask, quote.last) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("yes_bid_dollars", "1.0001"),
        ("yes_bid_dollars", "-0.1000"),
        ("yes_bid_dollars", "NaN"),
        ("yes_bid_dollars", "Infinity"),
        ("yes_bid_dollars", "5e-1"),
        ("yes_bid_dollars", "55"),
        ("yes_bid_dollars", "0.٥٥"),
        ("yes_bid_dollars", ""),
        ("yes_bid_dollars", 0.55),
        ("yes_bid_dollars", 1),
        ("yes_bid_dollars", True),
        ("yes_bid_dollars", "0.5800"),  # above the ask
        ("price_dollars", "1.5000"),
        ("market_ticker", None),
        ("market_ticker", 7),
        ("ts_ms", None),
        ("ts_ms", "1781159370164"),
        ("ts_ms", 1781159370.164),
        ("ts_ms", True),
        ("ts_ms", 0),
        ("ts_ms", -1),
        ("ts_ms", 10**18),
    ],
)
def test_a_ticker_frame_that_cannot_be_true_is_nonsense(field: str, value: object) -> None:
    with pytest.raises(FeedNonsense):
        wire.ticker({**TICKER, field: value})


@pytest.mark.parametrize("field", sorted(TICKER.keys() - {"ts", "price_dollars"}))
def test_a_ticker_frame_without_a_field_we_need_is_nonsense(field: str) -> None:
    with pytest.raises(FeedNonsense):
        wire.ticker({name: value for name, value in TICKER.items() if name != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "open"),  # a word of the list's filter, not of the object
        ("status", "exploded"),
        ("status", None),
        ("updated_time", "yesterday"),
        ("updated_time", "2026-06-11T06:29:30"),  # of no time zone
        ("updated_time", 1781159370),
        ("close_time", None),
        ("last_price_dollars", "2.0000"),
        ("yes_ask_dollars", "0.1000"),
        ("ticker", ""),
    ],
)
def test_a_market_object_that_cannot_be_true_is_nonsense(field: str, value: object) -> None:
    with pytest.raises(FeedNonsense):
        wire.listing({**MARKET, field: value})


@pytest.mark.parametrize("message", [None, [], "ticker", 7, {}])
def test_a_message_of_another_shape_is_nonsense(message: object) -> None:
    for reading in (wire.ticker, wire.listing, wire.lifecycle):
        with pytest.raises(FeedNonsense):
            reading(message)


@pytest.mark.parametrize("text", ["", "not json", "[]", "null", '"x"', '{"a":', "\x00", "[" * 100_000])
def test_text_that_is_no_json_object_is_nonsense(text: str) -> None:
    with pytest.raises(FeedNonsense):
        wire.decoded(text)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("initialized", MarketStatus.PAUSED),
        ("inactive", MarketStatus.PAUSED),
        ("closed", MarketStatus.CLOSED),
        ("determined", MarketStatus.CLOSED),
        ("disputed", MarketStatus.CLOSED),
        ("amended", MarketStatus.CLOSED),
        ("finalized", MarketStatus.SETTLED),
    ],
)
def test_only_an_active_market_trades_and_only_a_finalized_one_is_settled(word: str, status: MarketStatus) -> None:
    assert wire.listing({**MARKET, "status": word}).standing.status is status


def test_a_moved_close_is_read_in_seconds() -> None:
    event = wire.lifecycle({"market_ticker": "A", "event_type": "close_date_updated", "close_ts": 1781159370})
    assert event.close_time == AT.replace(microsecond=0)
    with pytest.raises(FeedNonsense):
        wire.lifecycle({"market_ticker": "A", "event_type": "close_date_updated"})


def test_an_event_we_do_not_know_is_told_apart_from_one_that_does_not_matter() -> None:
    assert not wire.lifecycle({"market_ticker": "A", "event_type": "exploded"}).known
    assert wire.lifecycle({"market_ticker": "A", "event_type": "metadata_updated"}).known
