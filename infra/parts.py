"""The real venues and feeds, opened from settings by whichever process needs them. Another is a line here."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from infra.chains.evm.market import GWEI
from infra.chains.evm.rpc import EvmRpc
from infra.chains.solana.rpc import SolanaNode, SolanaRpc
from infra.config import Settings
from infra.feeds.kalshi.feed import KalshiFeed
from infra.feeds.kalshi.rest import KalshiRest
from infra.feeds.kalshi.signing import Signer
from infra.feeds.protocol import Feed
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Venue
from infra.venues.uniswap.venue import UniswapVenue

# Each call names its own deadline; this one only catches a call that forgot to.
LAST_RESORT_S = 15

ESTIMATE_DEADLINE_S = 2  # a quote ages meanwhile, and there is another estimate to fall back on


@asynccontextmanager
async def open_venues(settings: Settings) -> AsyncIterator[Mapping[str, Venue]]:
    async with httpx.AsyncClient(timeout=LAST_RESORT_S) as http:
        key = settings.jupiter_api_key.get_secret_value() if settings.jupiter_api_key else None
        helius = SolanaNode(settings.helius_url, http, ESTIMATE_DEADLINE_S) if settings.helius_url else None
        solana = SolanaRpc(settings.solana_rpc_urls, http)
        jupiter = JupiterVenue(JupiterApi(settings.jupiter_url, http, key), solana, helius)
        venues: dict[str, Venue] = {jupiter.name: jupiter}
        if (chain := settings.chains.get(UniswapVenue.name)) and chain.number:
            rpc = EvmRpc(settings.evm_rpc_urls, chain.number, http)
            venues[UniswapVenue.name] = UniswapVenue(rpc, chain, settings.gas_cap_gwei * GWEI)
        yield venues


@asynccontextmanager
async def open_feeds(settings: Settings) -> AsyncIterator[Mapping[str, Feed]]:
    async with httpx.AsyncClient(timeout=LAST_RESORT_S) as http:
        signer = None
        if settings.kalshi_key_id and settings.kalshi_private_key_file:
            signer = Signer.from_file(settings.kalshi_key_id, settings.kalshi_private_key_file)
        yield {"kalshi": KalshiFeed(KalshiRest(settings.kalshi_url, http), settings.kalshi_ws_url, signer)}
