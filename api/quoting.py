"""Does a venue quote? Asked with a swap that nobody makes."""

import time
from collections.abc import Callable

from domain import assets
from domain.chains import Chain
from domain.errors import TripwireError
from domain.intents import Intent
from domain.money import Amount
from infra.venues.protocol import Venue

# A quote costs one request of the venue's rate limit, which executions need more: one serves whoever looks.
KEPT_S = 5.0

# A quote is for somebody, and these addresses are valid and nobody's.
# Source: Solana, the system program's id; Ethereum, the address that ether is burnt to.
NOBODY = {"solana": "11111111111111111111111111111111", "evm": "0x000000000000000000000000000000000000dEaD"}


def asked(chain: Chain) -> Intent:
    """One dollar's worth, which every pool can swap."""
    known = assets.BY_CHAIN[chain.name]
    (native,) = (asset for asset in known.values() if asset.id not in assets.DOLLARS)
    return Intent(Amount.parse("1", known["USDC"]), native, max_slippage_bps=50, destination=NOBODY[chain.family])


class QuoteProbe:
    """Asks a venue for one small quote, and keeps the outcome for `KEPT_S`."""

    def __init__(self, venue: Venue, chain: Chain, clock: Callable[[], float] = time.monotonic) -> None:
        self._venue, self._asked, self._clock = venue, asked(chain), clock
        self._asked_at: float | None = None
        self._failure: TripwireError | None = None

    async def __call__(self) -> None:
        """Errors: those of `Venue.quote`."""
        if self._asked_at is None or self._clock() - self._asked_at >= KEPT_S:
            self._failure = None
            try:
                await self._venue.quote(self._asked)
            except TripwireError as error:
                self._failure = error
            self._asked_at = self._clock()
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))
