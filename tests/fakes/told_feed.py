"""A feed that says what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from domain.errors import FeedUnavailable, MarketUnknown
from domain.triggers import MarketObservation, MarketStatus


def observation(market: str, bid: str, ask: str, at: datetime | None = None) -> MarketObservation:
    now = datetime.now(UTC)
    return MarketObservation(
        source="kalshi",
        market=market,
        status=MarketStatus.ACTIVE,
        bid=Decimal(bid),
        ask=Decimal(ask),
        last=None,
        close_time=None,
        source_time=at or now,
        received_time=now,
        raw_sha256="0" * 64,
    )


@dataclass
class ToldFeed:
    known: dict[str, MarketObservation] = field(default_factory=dict)
    down: bool = False
    followed: frozenset[str] = frozenset()
    queue: asyncio.Queue[MarketObservation] = field(default_factory=asyncio.Queue)

    async def snapshot(self, market: str) -> MarketObservation:
        if self.down:
            raise FeedUnavailable("switched off by the test")
        if market not in self.known:
            raise MarketUnknown(f"no market {market}")
        return self.known[market]

    async def follow(self, markets: frozenset[str]) -> None:
        """A market that is newly followed is told at once, as a real feed reads it."""
        for market in sorted((markets - self.followed) & set(self.known)):
            await self.queue.put(self.known[market])
        self.followed = markets

    async def observations(self) -> AsyncIterator[MarketObservation]:
        while True:
            yield await self.queue.get()

    async def tell(self, seen: MarketObservation) -> None:
        self.known[seen.market] = seen
        await self.queue.put(seen)
