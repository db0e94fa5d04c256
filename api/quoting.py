"""Does a venue quote? Asked with a swap that nobody makes."""

import time
from collections.abc import Callable

from domain import assets
from domain.errors import TripwireError
from domain.intents import Intent
from domain.money import Amount
from infra.venues.protocol import Venue

# A quote costs one request of the venue's rate limit, which executions need more: one serves whoever looks.
KEPT_S = 5.0

# A quote is for somebody, and this address is valid and nobody's. Source: Solana, the system program's id.
NOBODY = "11111111111111111111111111111111"

# One dollar's worth, which every pool can swap.
ASKED = Intent(sell=Amount.parse("1", assets.SOLANA_USDC), buy=assets.SOL, max_slippage_bps=50, destination=NOBODY)


class QuoteProbe:
    """Asks a venue for one small quote, and keeps the outcome for `KEPT_S`."""

    def __init__(self, venue: Venue, clock: Callable[[], float] = time.monotonic) -> None:
        self._venue, self._clock = venue, clock
        self._asked_at: float | None = None
        self._failure: TripwireError | None = None

    async def __call__(self) -> None:
        """Errors: those of `Venue.quote`."""
        if self._asked_at is None or self._clock() - self._asked_at >= KEPT_S:
            self._failure = None
            try:
                await self._venue.quote(ASKED)
            except TripwireError as error:
                self._failure = error
            self._asked_at = self._clock()
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))
