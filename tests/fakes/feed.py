"""A feed whose markets a test writes, and that it can take down."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from domain.errors import FeedUnavailable, MarketUnknown
from domain.triggers import MarketObservation, MarketStatus


@dataclass(slots=True)
class FakeFeed:
    """`markets` holds bid and ask of the YES side; `down` makes every call fail as a source that is away."""

    markets: dict[str, tuple[str, str]] = field(default_factory=dict)
    status: MarketStatus = MarketStatus.ACTIVE
    down: bool = False

    async def snapshot(self, market: str) -> MarketObservation:
        if self.down:
            raise FeedUnavailable("the source does not answer")
        if market not in self.markets:
            raise MarketUnknown(f"the source has no market {market}")
        bid, ask = self.markets[market]
        now = datetime.now(UTC)
        return MarketObservation(
            source="fake",
            market=market,
            status=self.status,
            bid=Decimal(bid),
            ask=Decimal(ask),
            last=None,
            close_time=None,
            source_time=now,
            received_time=now,
            raw_sha256=hashlib.sha256(f"{market} {bid} {ask}".encode()).hexdigest(),
        )

    async def follow(self, markets: frozenset[str]) -> None:
        """Every market is followed already."""

    async def observations(self) -> AsyncIterator[MarketObservation]:
        for market in self.markets:
            yield await self.snapshot(market)
