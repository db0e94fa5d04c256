"""What a feed does: tells what a market says now, and goes on telling for the markets that are followed."""

from collections.abc import AsyncIterator
from typing import Protocol

from domain.triggers import MarketObservation


class Feed(Protocol):
    async def snapshot(self, market: str) -> MarketObservation:
        """One reading. Errors: FEED_UNAVAILABLE, FEED_NONSENSE (retried), MARKET_UNKNOWN (final)."""

    async def follow(self, markets: frozenset[str]) -> None:
        """The whole set of markets wanted from now on; takes effect without a reconnect."""

    def observations(self) -> AsyncIterator[MarketObservation]:
        """Every change of every followed market, until the iterator is closed. Never raises for the source."""
