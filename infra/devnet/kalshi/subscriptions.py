"""Commands and subscriptions of one connection: what was asked for, and what is therefore told.

Source of commands, answers and error codes: Kalshi AsyncAPI 2.0.0, https://docs.kalshi.com/websockets.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from infra.devnet.kalshi.exchange import Exchange
from infra.devnet.kalshi.market import Levels, Market, Status, contracts, dollars, milliseconds
from infra.devnet.kalshi.rest import levels

TICKER, BOOK, LIFECYCLE = "ticker", "orderbook_delta", "market_lifecycle_v2"
CHANNELS = {TICKER, BOOK, LIFECYCLE}
ERRORS = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    16: "Market not found",
}
EVENTS = {
    Status.ACTIVE: "activated",
    Status.INACTIVE: "deactivated",
    Status.DETERMINED: "determined",
    Status.FINALIZED: "settled",
}

Frame = dict[str, Any]
Say = Callable[[Frame], None]


class CommandRefused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(ERRORS[code])
        self.code = code


@dataclass(slots=True)
class Subscription:
    """`tickers` None: every market. `seq` counts the frames of an order book subscription."""

    channel: str
    tickers: set[str] | None
    seq: int = 0

    def covers(self, ticker: str) -> bool:
        return self.tickers is None or ticker in self.tickers


@dataclass(slots=True)
class Subscriptions:
    """Hears the client's commands, says the answers and the news."""

    exchange: Exchange
    say: Say
    _by_sid: dict[int, Subscription] = field(default_factory=dict)
    _sids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def followed(self) -> set[str]:
        """Markets named in a subscription of the channel `ticker`."""
        named = [kept.tickers or set() for kept in self._by_sid.values() if kept.channel == TICKER]
        return set().union(*named)

    def command(self, text: str) -> None:
        """Obey one command, or say which error it is."""
        command_id: Any = None
        try:
            try:
                command = json.loads(text)
            except ValueError as error:
                raise CommandRefused(1) from error
            if not isinstance(command, dict):
                raise CommandRefused(1)
            command_id = command.get("id")
            self._obey(command)
        except CommandRefused as refusal:
            said = {"code": refusal.code, "msg": str(refusal)}
            self.say({"type": "error", **({} if command_id is None else {"id": command_id}), "msg": said})

    def news(self, before: Market | None, after: Market) -> None:
        """Tell every subscription what a change of a market means to it."""
        for sid, subscription in self._by_sid.items():
            if not subscription.covers(after.ticker):
                continue
            if subscription.channel == TICKER:
                self.say({"type": "ticker", "sid": sid, "msg": after.ticker_message()})
            elif subscription.channel == BOOK:
                self._deltas(sid, subscription, before, after)
            else:
                for message in lifecycle(before, after):
                    self.say({"type": LIFECYCLE, "sid": sid, "msg": message})

    def tick(self) -> None:
        """A new ticker frame for each followed market that trades."""
        for sid, subscription in self._by_sid.items():
            if subscription.channel == TICKER:
                for market in self.exchange.all():
                    trades = market.status is Status.ACTIVE and not market.stands_still
                    if trades and subscription.covers(market.ticker):
                        self.say({"type": "ticker", "sid": sid, "msg": market.ticker_message()})

    def _obey(self, command: Frame) -> None:
        params = command.get("params")
        if not isinstance(params, dict) and command.get("cmd") != "list_subscriptions":
            raise CommandRefused(2)
        match command.get("cmd"):
            case "subscribe":
                self._subscribe(command, params or {})
            case "unsubscribe":
                self._unsubscribe(command, params or {})
            case "update_subscription":
                self._update(command, params or {})
            case "list_subscriptions":
                listed = [{"channel": kept.channel, "sid": sid} for sid, kept in self._by_sid.items()]
                self.say({"type": "ok", "id": command.get("id"), "msg": listed})
            case _:
                raise CommandRefused(5)

    def _subscribe(self, command: Frame, params: Frame) -> None:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise CommandRefused(3)
        if not all(channel in CHANNELS for channel in channels):
            raise CommandRefused(8)
        tickers = self._known(params)
        if BOOK in channels and tickers is None:
            raise CommandRefused(14)
        for channel in channels:
            sid = next(self._sids)
            subscription = self._by_sid[sid] = Subscription(channel, None if tickers is None else set(tickers))
            self.say({"type": "subscribed", "id": command.get("id"), "msg": {"channel": channel, "sid": sid}})
            if channel == BOOK:
                self._snapshots(sid, subscription, tickers or [])
            elif channel == TICKER and params.get("send_initial_snapshot") is True:
                for market in self._markets(tickers or []):
                    self.say({"type": "ticker", "sid": sid, "msg": market.ticker_message()})

    def _unsubscribe(self, command: Frame, params: Frame) -> None:
        sids = params.get("sids")
        if not isinstance(sids, list) or not sids:
            raise CommandRefused(4)
        if not all(sid in self._by_sid for sid in sids):
            raise CommandRefused(7)
        for sid in sids:
            gone = self._by_sid.pop(sid)
            self.say({"type": "unsubscribed", "id": command.get("id"), "sid": sid, "seq": gone.seq + 1})

    def _update(self, command: Frame, params: Frame) -> None:
        sids = [params["sid"]] if "sid" in params else params.get("sids")
        if not isinstance(sids, list) or len(sids) != 1:
            raise CommandRefused(12)
        sid = sids[0]
        subscription = self._by_sid.get(sid)
        if subscription is None:
            raise CommandRefused(7)
        if (action := params.get("action")) is None:
            raise CommandRefused(15)
        tickers = self._known(params)
        if tickers is None:
            raise CommandRefused(14)
        match action:
            case "add_markets":
                subscription.tickers = {*(subscription.tickers or ()), *tickers}
            case "delete_markets":
                subscription.tickers = (subscription.tickers or set()) - {*tickers}
            case "get_snapshot":
                if subscription.channel != BOOK:
                    raise CommandRefused(13)
            case _:
                raise CommandRefused(13)
        subscription.seq += 1
        told = {"market_tickers": sorted(subscription.tickers or ())}
        self.say({"type": "ok", "id": command.get("id"), "sid": sid, "seq": subscription.seq, "msg": told})
        if subscription.channel == BOOK and action != "delete_markets":
            self._snapshots(sid, subscription, tickers)

    def _known(self, params: Frame) -> list[str] | None:
        """The markets a command names, or None when it names none."""
        named = [params["market_ticker"]] if "market_ticker" in params else params.get("market_tickers")
        if named is None:
            return None
        if not isinstance(named, list) or not named:
            raise CommandRefused(14)
        if not all(isinstance(ticker, str) and self.exchange.find(ticker) for ticker in named):
            raise CommandRefused(16)
        return named

    def _markets(self, tickers: list[str]) -> list[Market]:
        return [market for ticker in tickers if (market := self.exchange.find(ticker))]

    def _snapshots(self, sid: int, subscription: Subscription, tickers: list[str]) -> None:
        for market in self._markets(tickers):
            yes, no = market.book()
            subscription.seq += 1
            message = {
                "market_ticker": market.ticker,
                "yes_dollars_fp": levels(yes),
                "no_dollars_fp": levels(no),
            }
            frame = {"type": "orderbook_snapshot", "sid": sid, "seq": subscription.seq, "msg": message}
            self.say(frame)

    def _deltas(self, sid: int, subscription: Subscription, before: Market | None, after: Market) -> None:
        old: tuple[Levels, Levels] = ({}, {}) if before is None else before.book()
        for side, was, now in zip(("yes", "no"), old, after.book(), strict=True):
            for price in sorted(was.keys() | now.keys()):
                if not (moved := now.get(price, Decimal(0)) - was.get(price, Decimal(0))):
                    continue
                subscription.seq += 1
                message = {
                    "market_ticker": after.ticker,
                    "price_dollars": dollars(price),
                    "delta_fp": contracts(moved),
                    "side": side,
                    "ts_ms": milliseconds(after.updated_time),
                }
                self.say({"type": BOOK, "sid": sid, "seq": subscription.seq, "msg": message})


def lifecycle(before: Market | None, after: Market) -> list[Frame]:
    """The events that lead from one market to the other; the clock's own opening and closing has none."""
    told = {
        "market_ticker": after.ticker,
        "open_ts": int(after.open_time.timestamp()),
        "close_ts": int(after.close_time.timestamp()),
        "result": after.result,
    }
    if before is None:
        return [{"event_type": "created", **told}]
    events = []
    if before.close_time != after.close_time:
        events.append("close_date_updated")
    if before.status != after.status and after.status in EVENTS:
        events.append(EVENTS[after.status])
    return [{"event_type": event, **told} for event in events]
