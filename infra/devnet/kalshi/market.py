"""One market as the stand-in keeps it, and as Kalshi's wire shows it.

Source of fields and words: Kalshi OpenAPI 3.26.0 and AsyncAPI 2.0.0, https://docs.kalshi.com.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Price = Annotated[Decimal, Field(ge=0, le=1, max_digits=7, decimal_places=6)]
Size = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2)]
NO_BID, NO_ASK, NO_TRADE = Decimal(0), Decimal(1), Decimal(0)  # how the wire shows an absent price
Levels = dict[Decimal, Decimal]  # price → contracts resting there


class Status(StrEnum):
    """Words of the market object; filters of the list use other ones, see `FILTERS`."""

    INITIALIZED = "initialized"
    ACTIVE = "active"
    INACTIVE = "inactive"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"


FILTERS = {
    "unopened": {Status.INITIALIZED},
    "open": {Status.ACTIVE},
    "paused": {Status.INACTIVE},
    "closed": {Status.CLOSED, Status.DETERMINED, Status.DISPUTED, Status.AMENDED},
    "settled": {Status.FINALIZED},
}


class Change(BaseModel):
    """What the control door may say of a market; what it does not mention stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    yes_bid: Price | None = None
    yes_ask: Price | None = None
    last_price: Price | None = None
    bid_size: Size = Decimal(100)
    ask_size: Size = Decimal(100)
    status: Status = Status.ACTIVE
    result: str = ""
    open_time: AwareDatetime | None = None
    close_time: AwareDatetime | None = None
    updated_time: AwareDatetime | None = None  # given: the market stands still at that moment


class Market(BaseModel):
    """Prices are of the YES side, in dollars; None where the book is empty on that side."""

    model_config = ConfigDict(frozen=True)

    ticker: str
    yes_bid: Decimal | None
    yes_ask: Decimal | None
    last_price: Decimal | None
    bid_size: Decimal = Decimal(100)
    ask_size: Decimal = Decimal(100)
    status: Status = Status.ACTIVE
    result: str = ""
    open_time: AwareDatetime
    close_time: AwareDatetime
    updated_time: AwareDatetime
    stands_still: bool = False  # its time was set by hand, so it no longer ticks

    def changed(self, change: Change, now: datetime) -> Self:
        """The market after `change`; a change without a time of its own happens now."""
        said = change.model_dump(exclude_unset=True)
        for field in ("open_time", "close_time", "updated_time"):
            if said.get(field) is None:
                said.pop(field, None)
        stands_still = "updated_time" in said
        return self.model_copy(update={"updated_time": now, **said, "stands_still": stands_still})

    def at(self, now: datetime, tick: timedelta) -> Self:
        """The market as time has made it: opened and closed by the clock, its prices confirmed by each tick."""
        status = self.status
        if status in (Status.ACTIVE, Status.INITIALIZED):
            started = Status.ACTIVE if now >= self.open_time else Status.INITIALIZED
            status = Status.CLOSED if now >= self.close_time else started
        updated = self.updated_time
        if tick and status is Status.ACTIVE and not self.stands_still:
            updated += max(0, (now - updated) // tick) * tick
        return self.model_copy(update={"status": status, "updated_time": updated})

    @property
    def event_ticker(self) -> str:
        return self.ticker.rpartition("-")[0] or self.ticker

    @property
    def series_ticker(self) -> str:
        return self.ticker.partition("-")[0]

    def book(self) -> tuple[Levels, Levels]:
        """Bids of YES and bids of NO: an ask for YES rests as a bid for NO at the complement."""
        yes = {self.yes_bid: self.bid_size} if self.yes_bid else {}
        no = {1 - self.yes_ask: self.ask_size} if self.yes_ask is not None and self.yes_ask < 1 else {}
        return yes, no

    def wire(self) -> dict[str, Any]:
        """The market object of the REST answers."""
        return {
            "ticker": self.ticker,
            "event_ticker": self.event_ticker,
            "market_type": "binary",
            "title": self.ticker,
            "status": self.status,
            "result": self.result,
            **self._prices(),
            "no_bid_dollars": dollars(1 - _or(NO_ASK, self.yes_ask)),
            "no_ask_dollars": dollars(1 - _or(NO_BID, self.yes_bid)),
            "last_price_dollars": dollars(_or(NO_TRADE, self.last_price)),
            **self._sizes(),
            "volume_24h_fp": self._volume(),
            "notional_value_dollars": "1.0000",
            "created_time": rfc3339(self.open_time),
            "open_time": rfc3339(self.open_time),
            "close_time": rfc3339(self.close_time),
            "expected_expiration_time": rfc3339(self.close_time),
            "latest_expiration_time": rfc3339(self.close_time),
            "can_close_early": True,
            "settlement_timer_seconds": 3600,
            "price_level_structure": "linear_cent",
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
            "fractional_trading_enabled": False,
            "updated_time": rfc3339(self.updated_time),
        }

    def ticker_message(self) -> dict[str, Any]:
        """The `msg` of a frame on the `ticker` channel."""
        return {
            "market_ticker": self.ticker,
            "price_dollars": dollars(_or(NO_TRADE, self.last_price)),
            **self._prices(),
            **self._sizes(),
            "dollar_volume": 1200,
            "dollar_open_interest": 500,
            "ts": int(self.updated_time.timestamp()),
            "ts_ms": milliseconds(self.updated_time),
            "time": rfc3339(self.updated_time),
        }

    def _prices(self) -> dict[str, str]:
        return {
            "yes_bid_dollars": dollars(_or(NO_BID, self.yes_bid)),
            "yes_ask_dollars": dollars(_or(NO_ASK, self.yes_ask)),
        }

    def _sizes(self) -> dict[str, str]:
        return {
            "yes_bid_size_fp": contracts(self.bid_size if self.yes_bid else Decimal(0)),
            "yes_ask_size_fp": contracts(self.ask_size if self.yes_ask is not None else Decimal(0)),
            "volume_fp": self._volume(),
            "open_interest_fp": "500.00",
        }

    def _volume(self) -> str:
        """A contract is traded each second: a ticker frame is sent only because something changed."""
        return contracts(Decimal(max(0, int((self.updated_time - self.open_time).total_seconds()))))


def _or(absent: Decimal, price: Decimal | None) -> Decimal:
    return absent if price is None else price


def dollars(price: Decimal) -> str:
    return f"{price:.4f}" if price == price.quantize(Decimal("0.0001")) else f"{price:.6f}"


def contracts(count: Decimal) -> str:
    return f"{count:.2f}"


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def milliseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
