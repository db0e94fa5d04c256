"""The stand-in's markets: kept in one file, changed through one method, told to whoever listens."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import TypeAdapter

from infra.devnet.kalshi.market import Change, Market, Status
from infra.devnet.state import write_private

FAR = datetime(2035, 12, 31, 15, tzinfo=UTC)
PAST = datetime(2025, 1, 29, 19, tzinfo=UTC)
LISTED = datetime(2025, 1, 2, 15, tzinfo=UTC)
NEW_MARKET = Change(yes_bid=Decimal("0.49"), yes_ask=Decimal("0.51"), last_price=Decimal("0.50"))

Listener = Callable[[Market | None, Market], None]
_FILE = TypeAdapter(list[Market])


class Exchange:
    """Markets by ticker. Times tell themselves from the clock; only `put` changes what is kept."""

    def __init__(self, file: Path, tick: timedelta) -> None:
        self._file = file
        self._tick = tick
        self._listeners: list[Listener] = []
        kept = _FILE.validate_json(file.read_bytes()) if file.exists() else _seeds(datetime.now(UTC))
        self._markets = {market.ticker: market for market in kept}
        self._save()

    def listen(self, listener: Listener) -> None:
        """`listener` hears of every change: the market before it (None: it is new) and after it."""
        self._listeners.append(listener)

    def find(self, ticker: str) -> Market | None:
        kept = self._markets.get(ticker)
        return kept and kept.at(datetime.now(UTC), self._tick)

    def all(self) -> list[Market]:
        """Every market as it is now, by ticker."""
        now = datetime.now(UTC)
        return [self._markets[ticker].at(now, self._tick) for ticker in sorted(self._markets)]

    def put(self, ticker: str, change: Change) -> Market:
        """Change a market, or list a new one; on disk before anybody hears of it."""
        now = datetime.now(UTC)
        before = self.find(ticker)
        base = self._markets.get(ticker) or _market(ticker, NEW_MARKET, now)
        self._markets[ticker] = base.changed(change, now)
        self._save()
        after = self._markets[ticker].at(now, self._tick)
        for listener in self._listeners:
            listener(before, after)
        return after

    def _save(self) -> None:
        write_private(self._file, _FILE.dump_json(list(self._markets.values()), indent=1))


def _market(ticker: str, change: Change, now: datetime) -> Market:
    blank = Market(
        ticker=ticker,
        yes_bid=None,
        yes_ask=None,
        last_price=None,
        open_time=LISTED,
        close_time=FAR,
        updated_time=now,
    )
    return blank.changed(change, now)


def _seeds(now: datetime) -> list[Market]:
    """An ordinary market, one whose book is too wide to believe, one past its close, one paid out."""
    said = {
        "FED-25DEC-CUT": Change(
            yes_bid=Decimal("0.55"), yes_ask=Decimal("0.57"), last_price=Decimal("0.56"), close_time=FAR
        ),
        "FED-25DEC-HIKE": Change(yes_bid=Decimal("0.05"), yes_ask=Decimal("0.45"), last_price=Decimal("0.20")),
        "FED-25JAN-CUT": Change(
            yes_bid=Decimal("0.10"), yes_ask=Decimal("0.12"), last_price=Decimal("0.11"), close_time=PAST
        ),
        "FED-24DEC-CUT": Change(
            last_price=Decimal("0.99"), status=Status.FINALIZED, result="yes", close_time=PAST, updated_time=PAST
        ),
    }
    return [_market(ticker, change, now) for ticker, change in said.items()]
