"""The probe of the quote service against a Jupiter that prices with a real node's pool."""

from pathlib import Path

import httpx
import pytest

from api.quoting import KEPT_S, QuoteProbe
from domain.chains import CHAINS
from domain.errors import QuoteUnavailable
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from tests.world.jupiter import jupiter_exchange
from tests.world.solana import solana_node


async def test_jupiter_quotes_for_nobody_and_its_silence_is_told(tmp_path: Path) -> None:
    now = [0.0]
    with solana_node(tmp_path / "solana") as node:
        async with httpx.AsyncClient() as http:
            with jupiter_exchange(tmp_path / "jupiter", node.rpc_url) as jupiter:
                venue = JupiterVenue(JupiterApi(jupiter.url, http), SolanaRpc((node.rpc_url,), http))
                probe = QuoteProbe(venue, CHAINS["solana"], lambda: now[0])
                await probe()
            now[0] = KEPT_S
            with pytest.raises(QuoteUnavailable, match="did not answer"):
                await probe()
