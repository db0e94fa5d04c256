"""What Kalshi's JSON means, field by field. Whatever cannot be believed raises `FeedNonsense`.

Source: Kalshi OpenAPI 3.26.0 and AsyncAPI 2.0.0, https://docs.kalshi.com.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from domain.errors import FeedNonsense
from domain.triggers import MarketStatus

STATUSES = {
    "initialized": MarketStatus.PAUSED,  # listed, not open yet
    "active": MarketStatus.ACTIVE,
    "inactive": MarketStatus.PAUSED,
    "closed": MarketStatus.CLOSED,
    "determined": MarketStatus.CLOSED,  # may still be disputed: only `finalized` is paid out
    "disputed": MarketStatus.CLOSED,
    "amended": MarketStatus.CLOSED,
    "finalized": MarketStatus.SETTLED,
}
EVENTS = {
    "activated": MarketStatus.ACTIVE,
    "deactivated": MarketStatus.PAUSED,
    "determined": MarketStatus.CLOSED,
    "settled": MarketStatus.SETTLED,
}
CLOSE_MOVED = "close_date_updated"
# Events that say nothing about trading; any other unknown one sends us back to REST.
IRRELEVANT_EVENTS = {"created", "metadata_updated", "price_level_structure_updated"}

_PRICE = re.compile(r"[01]\.[0-9]{1,6}", re.ASCII)  # dollars, up to six decimals
_EPOCH = datetime.fromtimestamp(0, UTC)
_LAST_MS = 253_402_300_799_999  # the end of the year 9999, the last moment a datetime can hold


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of the YES side as of `source_time`, the source's own clock. None: nobody is there."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    source_time: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the market trades, and until when."""

    status: MarketStatus
    close_time: datetime | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A market object of a REST answer."""

    market: str
    quote: Quote
    standing: Standing


@dataclass(frozen=True, slots=True)
class Ticker:
    market: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """`status` None: the event is not about trading, or we do not know it; see `known`."""

    market: str
    status: MarketStatus | None
    close_time: datetime | None
    known: bool


def decoded(text: str | bytes) -> dict[str, Any]:
    """A JSON object, or nonsense."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FeedNonsense("not JSON") from error
    return _object(value)


def listing(value: object) -> Listing:
    """One market object."""
    market = _object(value)
    word = _text(market, "status")
    if word not in STATUSES:
        raise FeedNonsense(f"unknown market status {word[:40]!r}")
    standing = Standing(STATUSES[word], _moment(market, "close_time"))
    # Documented as the time of the last change of the market's metadata, so it may be older than its
    # prices and never newer: a price is taken for too old rather than for too fresh.
    updated = _moment(market, "updated_time")
    quote = _quote(market, "last_price_dollars", updated - timedelta(microseconds=updated.microsecond % 1000))
    return Listing(_text(market, "ticker"), quote, standing)


def listings(answer: Mapping[str, Any]) -> list[object]:
    """The market objects of a list answer, each still to be believed on its own."""
    markets = answer.get("markets")
    if not isinstance(markets, list):
        raise FeedNonsense("an answer without markets")
    return markets


def ticker(message: object) -> Ticker:
    """The `msg` of a frame of the channel `ticker`."""
    told = _object(message)
    quote = _quote(told, "price_dollars", _from_ms(told.get("ts_ms")))
    return Ticker(_text(told, "market_ticker"), quote)


def lifecycle(message: object) -> Lifecycle:
    """The `msg` of a frame of the channel `market_lifecycle_v2`."""
    told = _object(message)
    event = _text(told, "event_type")
    close_time = None
    if event == CLOSE_MOVED:
        close_s = told.get("close_ts")
        close_time = _from_ms(close_s * 1000 if type(close_s) is int else None)
    known = event in EVENTS or event in IRRELEVANT_EVENTS or event == CLOSE_MOVED
    return Lifecycle(_text(told, "market_ticker"), EVENTS.get(event), close_time, known)


def _quote(told: Mapping[str, Any], last_field: str, source_time: datetime) -> Quote:
    if not {"yes_bid_dollars", "yes_ask_dollars"} <= told.keys():
        raise FeedNonsense("a book without its fields")
    bid, ask = _price(told, "yes_bid_dollars"), _price(told, "yes_ask_dollars")
    last = _price(told, last_field)
    if bid is not None and ask is not None and bid > ask > 0:
        raise FeedNonsense("the bid is above the ask")
    # An empty side is shown as a bid of 0 and an ask of 1 (or 0), no trade yet as a price of 0.
    return Quote(bid or None, ask if ask and ask < 1 else None, last or None, source_time)


def _price(told: Mapping[str, Any], field: str) -> Decimal | None:
    """A dollar string between 0 and 1; a JSON number is refused, it has been through a float."""
    value = told.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or not _PRICE.fullmatch(value) or (price := Decimal(value)) > 1:
        raise FeedNonsense(f"{field} is no probability")
    return price


def _moment(told: Mapping[str, Any], field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(told, field))
    except ValueError as error:
        raise FeedNonsense(f"{field} is no time") from error
    if moment.tzinfo is None:
        raise FeedNonsense(f"{field} has no time zone")
    return moment.astimezone(UTC)


def _from_ms(value: object) -> datetime:
    if type(value) is not int or not 0 < value <= _LAST_MS:
        raise FeedNonsense("no time in milliseconds")
    return _EPOCH + timedelta(milliseconds=value)


def _text(told: Mapping[str, Any], field: str) -> str:
    value = told.get(field)
    if not isinstance(value, str) or not value:
        raise FeedNonsense(f"{field} is missing")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FeedNonsense("not a JSON object")
    return cast(dict[str, Any], value)
