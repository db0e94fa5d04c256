"""What a swap offers per compute unit: read from the very messages that would be signed, against real parts."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.compute_budget import set_compute_unit_price
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from domain.solana_intent import MAX_FEE_LAMPORTS, ComputePrice, fee_lamports
from infra.chains.solana.addresses import USDC_MINT, associated_token_account, jupiter_program_authority
from infra.chains.solana.message import read_message
from infra.chains.solana.rpc import SolanaNode as Rpc
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.decoding import payload_of
from infra.venues.jupiter.priority import MAX_PRICE_MICRO_LAMPORTS
from infra.venues.jupiter.venue import JupiterVenue
from tests.world.jupiter import JupiterExchange, jupiter_exchange
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import Wallet
from tests.world.swapper import Swapper, begin_anew

ADVISED = 50_000  # Jupiter's own, in `begin_anew`


@pytest.fixture(scope="module")
def solana(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(Path(tmp_path_factory.mktemp("solana"))) as node:
        yield node


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory, solana: SolanaNode) -> Iterator[JupiterExchange]:
    with jupiter_exchange(Path(tmp_path_factory.mktemp("jupiter")), solana.rpc_url) as exchange:
        yield exchange


@pytest.fixture
async def world(solana: SolanaNode, exchange: JupiterExchange) -> AsyncIterator[Swapper]:
    """A wallet with money, and a venue whose node is one of Helius' if a test says so."""
    begin_anew(solana, exchange)
    solana.control("helius", price_micro_lamports=None)
    key = Keypair()
    solana.give_lamports(key.pubkey(), 10 * 10**9)
    solana.give_tokens(key.pubkey(), USDC_MINT, 1_000 * 10**6)
    async with httpx.AsyncClient() as http:
        rpc = SolanaRpc((solana.rpc_url,), http)
        venue = JupiterVenue(JupiterApi(exchange.url, http), rpc, helius=Rpc(solana.rpc_url, http))
        yield Swapper(solana, exchange, http, venue, key)


async def offered(world: Swapper, earlier: int = 0) -> int:
    """The price in the message of a payload with so many before it. The message is one that would be signed."""
    (leg,) = world.venue.legs(world.buys_sol())
    quote, slot = await world.venue.quote(leg.intent), await world.venue.slot(world.wallet)
    slot = replace(slot, earlier=earlier)
    unsigned = await world.venue.build(leg, quote, slot)
    assert await world.venue.examine(leg, quote, slot, unsigned) == ()
    payload = payload_of(read_message(unsigned.message, {}))
    assert fee_lamports(payload) <= MAX_FEE_LAMPORTS
    (price,) = [step.micro_lamports for step in payload.steps if isinstance(step, ComputePrice)]
    return price


async def test_the_larger_of_what_helius_recommends_and_jupiter_advises_is_offered(world: Swapper) -> None:
    world.node.control("helius", price_micro_lamports=ADVISED + 1)
    assert await offered(world) == ADVISED + 1
    world.node.control("helius", price_micro_lamports=ADVISED - 1)
    assert await offered(world) == ADVISED


async def test_each_earlier_payload_of_the_leg_raises_the_price_by_half(world: Swapper) -> None:
    assert [await offered(world, earlier) for earlier in range(4)] == [50_000, 75_000, 112_500, 168_750]


async def test_no_recommendation_takes_the_fee_above_the_cap(world: Swapper) -> None:
    world.node.control("helius", price_micro_lamports=10**12)
    assert await offered(world) == MAX_PRICE_MICRO_LAMPORTS
    assert await offered(world, earlier=3) == MAX_PRICE_MICRO_LAMPORTS


async def test_a_recommendation_that_is_no_price_is_none(world: Swapper) -> None:
    world.node.advance(151)
    world.node.control("helius", price_micro_lamports=2**64 - 1)
    assert await offered(world) == ADVISED


async def test_where_there_is_no_helius_what_blocks_took_lately_counts(world: Swapper) -> None:
    pool = associated_token_account(jupiter_program_authority(0), USDC_MINT)
    busy(world, pool, price=90_000)
    assert await offered(world) == 90_000


async def test_what_others_paid_elsewhere_says_nothing(world: Swapper) -> None:
    world.node.advance(151)
    busy(world, Keypair().pubkey(), price=90_000)
    assert await offered(world) == ADVISED


@pytest.mark.parametrize("fault", [{"mode": "status", "status": 429}, {"mode": "garble"}])
async def test_without_any_estimate_jupiters_advice_is_enough(world: Swapper, fault: dict[str, Any]) -> None:
    world.node.advance(151)
    world.node.control("helius", price_micro_lamports=10**6)
    world.node.fault("getPriorityFeeEstimate", **fault)
    world.node.fault("getRecentPrioritizationFees", **fault)
    assert await offered(world) == ADVISED


def busy(world: Swapper, place: Pubkey, price: int) -> None:
    """A hundred and fifty blocks in each of which somebody paid a price to write to `place`."""
    wallet = Wallet(world.node)
    for _ in range(150):
        gift = transfer(TransferParams(from_pubkey=wallet.address, to_pubkey=place, lamports=10**7))
        raw = wallet.sign(set_compute_unit_price(price), gift)
        world.node.call("sendTransaction", raw, {"encoding": "base64", "skipPreflight": True})
        world.node.advance(1)
