"""The REST half: public market data and the few account calls a reader needs."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.devnet.kalshi.budget import Budget
from infra.devnet.kalshi.exchange import Exchange
from infra.devnet.kalshi.gate import Gate, Refused
from infra.devnet.kalshi.market import FILTERS, Levels, Market, contracts, dollars

PREFIX = "/trade-api/v2"
PAGE, MAX_PAGE = 100, 1000  # Source: OpenAPI 3.26.0, GetMarkets `limit`
TIER = "prime"

Handler = Callable[[Request], Awaitable[Response]]


class Rest:
    """Handlers over the exchange; each is metered, and its signature checked when it carries one."""

    def __init__(self, exchange: Exchange, gate: Gate, budget: Budget) -> None:
        self._exchange = exchange
        self._gate = gate
        self._budget = budget

    def routes(self) -> list[Route]:
        return [
            self._route("/exchange/status", self._status),
            self._route("/markets", self._markets),
            self._route("/markets/{ticker}", self._market),
            self._route("/markets/{ticker}/orderbook", self._orderbook),
            self._route("/events", self._events),
            self._route("/events/{event_ticker}", self._event),
            self._route("/account/limits", self._limits, signed=True),
        ]

    def _route(self, path: str, handler: Handler, signed: bool = False) -> Route:
        async def guarded(request: Request) -> Response:
            try:
                self._gate.check(request.method, request.url.path, request.headers, required=signed)
            except Refused as refusal:
                return JSONResponse(refusal.body(), status_code=401)
            if not self._budget.spend():
                return JSONResponse({"error": "too many requests"}, status_code=429)
            return await handler(request)

        return Route(PREFIX + path, guarded, methods=["GET"])

    async def _status(self, _: Request) -> Response:
        return JSONResponse({"exchange_active": True, "trading_active": True})

    async def _limits(self, _: Request) -> Response:
        bucket = {"refill_rate": self._budget.tokens_per_s, "bucket_capacity": self._budget.tokens_per_s}
        return JSONResponse({"usage_tier": TIER, "read": bucket, "write": bucket, "grants": []})

    async def _market(self, request: Request) -> Response:
        market = self._exchange.find(request.path_params["ticker"])
        return _absent() if market is None else JSONResponse({"market": market.wire()})

    async def _orderbook(self, request: Request) -> Response:
        market = self._exchange.find(request.path_params["ticker"])
        if market is None:
            return _absent()
        yes, no = market.book()
        return JSONResponse({"orderbook_fp": {"yes_dollars": levels(yes), "no_dollars": levels(no)}})

    async def _markets(self, request: Request) -> Response:
        limit = _limit(request)
        words = set(filter(None, request.query_params.get("status", "").split(",")))
        if limit is None or not words <= FILTERS.keys():
            return JSONResponse({"msg": "Parameter validation failed"}, status_code=400)
        chosen = [market for market in self._exchange.all() if _wanted(market, request, words)]
        page, cursor = _page(chosen, request, limit)
        return JSONResponse({"cursor": cursor, "markets": [market.wire() for market in page]})

    async def _events(self, request: Request) -> Response:
        limit = _limit(request)
        if limit is None:
            return JSONResponse({"msg": "Parameter validation failed"}, status_code=400)
        series = request.query_params.get("series_ticker")
        first_of = {market.event_ticker: market for market in reversed(self._exchange.all())}
        chosen = [market for _, market in sorted(first_of.items()) if series in (None, market.series_ticker)]
        page, cursor = _page(chosen, request, limit)
        return JSONResponse({"cursor": cursor, "events": [_event(market) for market in page]})

    async def _event(self, request: Request) -> Response:
        ticker = request.path_params["event_ticker"]
        members = [market for market in self._exchange.all() if market.event_ticker == ticker]
        if not members:
            return _absent()
        nested = [market.wire() for market in members]
        return JSONResponse({"event": _event(members[0]), "markets": nested})


def levels(side: Levels) -> list[list[str]]:
    """Worst first, as the exchange sends them."""
    return [[dollars(price), contracts(size)] for price, size in sorted(side.items())]


def _absent() -> Response:
    return JSONResponse({"error": {"code": "not_found", "message": "not found"}}, status_code=404)


def _event(member: Market) -> dict[str, Any]:
    return {
        "event_ticker": member.event_ticker,
        "series_ticker": member.series_ticker,
        "title": member.event_ticker,
        "sub_title": "",
        "category": "Economics",
        "mutually_exclusive": True,
    }


def _limit(request: Request) -> int | None:
    asked = request.query_params.get("limit", str(PAGE))
    valid = asked.isascii() and asked.isdigit() and 1 <= int(asked) <= MAX_PAGE
    return int(asked) if valid else None


def _wanted(market: Market, request: Request, words: set[str]) -> bool:
    asked = request.query_params
    tickers = set(filter(None, asked.get("tickers", "").split(",")))
    return (
        (not words or any(market.status in FILTERS[word] for word in words))
        and (not tickers or market.ticker in tickers)
        and asked.get("event_ticker", market.event_ticker) == market.event_ticker
        and asked.get("series_ticker", market.series_ticker) == market.series_ticker
    )


def _page(chosen: list[Market], request: Request, limit: int) -> tuple[list[Market], str]:
    """One page, and the cursor of the next. A garbage cursor starts over: the exchange answers 200 too."""
    try:
        start = int(base64.urlsafe_b64decode(request.query_params.get("cursor", "")))
    except (binascii.Error, ValueError):
        start = 0
    rest = chosen[max(0, start) :]
    more = len(rest) > limit
    cursor = base64.urlsafe_b64encode(str(max(0, start) + limit).encode()).decode() if more else ""
    return rest[:limit], cursor
