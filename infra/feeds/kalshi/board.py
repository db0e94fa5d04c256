"""What is known of each followed market: the newest prices, the newest standing, what was told of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from domain.errors import FeedNonsense
from domain.triggers import MAX_CLOCK_LEAD, MarketObservation, MarketStatus
from infra.feeds.kalshi.rest import observed
from infra.feeds.kalshi.wire import Lifecycle, Listing, Quote, Standing, Ticker

# Markets open and close by the clock without an event: a standing that three re-reads failed to renew is unknown.
STANDING_MAX_AGE_S = 180.0
# A read that began this soon after an event may still show the time before it: 0.36 s was measured on orders.
READS_LAG_S = 2.0

_NEVER_S = float("-inf")
_Told = tuple[datetime, Decimal | None, Decimal | None, Decimal | None, MarketStatus, datetime | None]


@dataclass(frozen=True, slots=True)
class Receipt:
    """When and as which bytes something reached us; `at_s` on the loop's clock."""

    received_time: datetime
    at_s: float
    raw_sha256: str


@dataclass(slots=True)
class _Known:
    quote: Quote | None = None
    standing: Standing | None = None
    standing_s: float = _NEVER_S
    event_s: float = _NEVER_S
    read_s: float = _NEVER_S
    listed: bool = False
    told: _Told | None = None


class Board:
    """Every method that learns something returns the observation to tell, or None when it is no news."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    @property
    def followed(self) -> frozenset[str]:
        return frozenset(self._known)

    @property
    def listed(self) -> frozenset[str]:
        """Followed markets that the exchange has shown us."""
        return frozenset(market for market, known in self._known.items() if known.listed)

    def follow(self, markets: Iterable[str]) -> None:
        self._known = {market: self._known.get(market, _Known()) for market in sorted(markets)}

    def read_s(self, market: str) -> float:
        """When the last read of this market that succeeded was begun."""
        return self._known[market].read_s if market in self._known else _NEVER_S

    def tell_again(self) -> None:
        """A new listener has heard nothing yet."""
        for known in self._known.values():
            known.told = None

    def quoted(self, ticker: Ticker, receipt: Receipt) -> MarketObservation | None:
        """A frame of the socket. Raises FeedNonsense when it comes from the future."""
        known = self._known.get(ticker.market)
        if known is None:
            return None
        _keep_newer(known, ticker.quote, receipt)
        return _news(ticker.market, known, receipt)

    def read(self, listing: Listing, asked_s: float, receipt: Receipt) -> MarketObservation | None:
        """An answer of REST to a question asked at `asked_s`. Raises FeedNonsense, as `quoted`."""
        known = self._known.get(listing.market)
        if known is None:
            return None
        _keep_newer(known, listing.quote, receipt)
        known.listed = True
        if asked_s > known.event_s + READS_LAG_S:
            known.standing, known.standing_s, known.read_s = listing.standing, asked_s, asked_s
        return _news(listing.market, known, receipt)

    def happened(self, event: Lifecycle, receipt: Receipt) -> MarketObservation | None:
        """A market opened, paused, closed or was paid out; after an event we do not know, that is unknown.

        Either way a later read has to confirm it, one that cannot show the time before the event.
        """
        known = self._known.get(event.market)
        if known is None:
            return None
        if event.known and not (event.status or event.close_time):
            return None  # about something else than trading
        if not event.known:
            known.standing = None
        elif known.standing:
            known.standing = replace(
                known.standing,
                status=event.status or known.standing.status,
                close_time=event.close_time or known.standing.close_time,
            )
            known.standing_s = receipt.at_s
        known.event_s, known.read_s = receipt.at_s, _NEVER_S
        return _news(event.market, known, receipt)

    def doubt(self, market: str) -> None:
        """Whether this market trades is not known any more, until it is read again."""
        if known := self._known.get(market):
            known.standing, known.read_s = None, _NEVER_S


def _keep_newer(known: _Known, quote: Quote, receipt: Receipt) -> None:
    if quote.source_time - receipt.received_time > MAX_CLOCK_LEAD:
        raise FeedNonsense("from the future: believed, it would silence every later frame")
    if known.quote is None or quote.source_time >= known.quote.source_time:
        known.quote = quote


def _news(market: str, known: _Known, receipt: Receipt) -> MarketObservation | None:
    quote = known.quote
    if quote is None:
        return None
    standing = known.standing or Standing(MarketStatus.UNKNOWN, None)
    if receipt.at_s - known.standing_s > STANDING_MAX_AGE_S:
        standing = replace(standing, status=MarketStatus.UNKNOWN)
    tells = (quote.source_time, quote.bid, quote.ask, quote.last, standing.status, standing.close_time)
    if tells == known.told:
        return None
    known.told = tells
    return observed(Listing(market, quote, standing), receipt.received_time, receipt.raw_sha256)
