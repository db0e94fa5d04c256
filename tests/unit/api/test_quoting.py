"""The probe of the quote service, which must not spend the rate limit that executions need."""

import pytest

from api.quoting import KEPT_S, QuoteProbe
from domain.chains import CHAINS
from domain.errors import QuoteUnavailable
from tests.fakes.venue import FakeVenue


async def test_a_failure_is_kept_for_a_while_and_then_asked_anew() -> None:
    now, venue = [0.0], FakeVenue(down=True)
    probe = QuoteProbe(venue, CHAINS["solana"], lambda: now[0])
    with pytest.raises(QuoteUnavailable, match="does not answer"):
        await probe()
    venue.down = False
    now[0] = KEPT_S - 0.1
    with pytest.raises(QuoteUnavailable, match="does not answer"):
        await probe()
    now[0] = KEPT_S
    await probe()


async def test_a_quote_that_came_is_not_asked_for_again_at_once() -> None:
    now, venue = [0.0], FakeVenue()
    probe = QuoteProbe(venue, CHAINS["solana"], lambda: now[0])
    await probe()
    venue.down = True
    now[0] = KEPT_S - 0.1
    await probe()
    now[0] = KEPT_S
    with pytest.raises(QuoteUnavailable):
        await probe()
