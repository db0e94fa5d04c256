"""Kalshi's public market data over REST. Every call has a deadline and one try."""

import asyncio
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from domain.errors import FeedNonsense, FeedUnavailable, MarketUnknown
from domain.triggers import MarketObservation
from infra.feeds.kalshi import wire
from infra.feeds.kalshi.wire import Listing

SOURCE = "kalshi"
DEADLINE_S = 5.0  # half the age at which a price is too old to act on by default
BATCH = 50  # tickers of up to 100 characters: keeps the URL below the usual 8 kB
_TICKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """What a batch said: the markets that could be believed, and how many could not."""

    listings: tuple[Listing, ...]
    nonsense: frozenset[str]  # markets asked for whose object makes no sense
    received_time: datetime
    raw_sha256: str


class KalshiRest:
    """Unsigned, as market data needs no account: a bad key or a wrong clock must not blind us."""

    def __init__(self, base_url: str, client: httpx.AsyncClient) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = client

    async def snapshot(self, market: str) -> MarketObservation:
        """Errors: FEED_UNAVAILABLE, FEED_NONSENSE (retried), MARKET_UNKNOWN (final)."""
        if not _TICKER.fullmatch(market):  # it becomes part of a path
            raise MarketUnknown(f"{market[:100]!r} cannot be a Kalshi ticker")
        answer = await self._get(f"/markets/{market}", {})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise MarketUnknown(f"Kalshi lists no market {market}")
        body = _body(answer)
        found = wire.listing(wire.decoded(body).get("market"))
        if found.market != market:
            raise FeedNonsense(f"asked for {market}, was told of another market")
        return observed(found, datetime.now(UTC), hashlib.sha256(body).hexdigest())

    async def markets(self, tickers: Collection[str]) -> Page:
        """Up to `BATCH` markets in one call; unknown ones are absent from the answer.

        Errors: FEED_UNAVAILABLE, FEED_NONSENSE (retried).
        """
        asked = [market for market in tickers if _TICKER.fullmatch(market)]
        parameters = {"tickers": ",".join(asked), "limit": str(BATCH)}
        body = _body(await self._get("/markets", parameters))
        believed: list[Listing] = []
        doubted: set[str] = set()
        for told in wire.listings(wire.decoded(body)):
            try:
                believed.append(wire.listing(told))
            except FeedNonsense:
                doubted |= {market for market in asked if _names(told, market)}
        return Page(tuple(believed), frozenset(doubted), datetime.now(UTC), hashlib.sha256(body).hexdigest())

    async def _get(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            async with asyncio.timeout(DEADLINE_S):  # for the whole call: httpx's own is between two bytes
                return await self._client.get(self._base_url + path, params=parameters, timeout=DEADLINE_S)
        except (httpx.HTTPError, TimeoutError) as error:
            raise FeedUnavailable(f"Kalshi does not answer: {type(error).__name__}") from error


def observed(found: Listing, received_time: datetime, raw_sha256: str) -> MarketObservation:
    return MarketObservation(
        source=SOURCE,
        market=found.market,
        status=found.standing.status,
        bid=found.quote.bid,
        ask=found.quote.ask,
        last=found.quote.last,
        close_time=found.standing.close_time,
        source_time=found.quote.source_time,
        received_time=received_time,
        raw_sha256=raw_sha256,
    )


def _body(answer: httpx.Response) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise FeedUnavailable(f"Kalshi answers {answer.status_code}: {refusal(answer.content)}")
    return answer.content


def refusal(body: bytes) -> str:
    """The code and the details of an error body, in any of the shapes the exchange uses."""
    try:
        told = wire.decoded(body)
    except FeedNonsense:
        return "no reason that can be read"
    error = told.get("error", told)
    if not isinstance(error, dict):  # {"error": "too many requests"}
        return str(error)[:200]
    said = [error.get(field) for field in ("code", "details", "msg")]
    return ": ".join(word[:200] for word in said if isinstance(word, str)) or "no reason given"


def _names(told: object, market: str) -> bool:
    return isinstance(told, dict) and told.get("ticker") == market
