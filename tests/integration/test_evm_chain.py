"""What becomes of sent bytes on a real chain: replaced, cancelled, taken back, dropped, used up, lied about."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable
from domain.fees import Market, Offer, first_offer, next_offer
from domain.intents import Slot
from infra.chains.evm.fate import sightings
from infra.chains.evm.market import market
from infra.chains.evm.rpc import EvmRpc
from infra.chains.evm.submission import submit
from infra.chains.evm.transaction import TRANSFER_GAS, Transaction, message, seal, transaction_hash
from infra.venues.protocol import Sent
from tests.world.anvil import Anvil

CHAIN: Final = 31337
GWEI: Final = 10**9
CEILING: Final = 500 * GWEI
KEY: Final = PrivateKey(keccak(b"the wallet of these tests"))
ADDRESS: Final = KEY.public_key.to_checksum_address()
PAYEE: Final = PrivateKey(keccak(b"somebody else")).public_key.to_checksum_address()
CONTRACT: Final = PrivateKey(keccak(b"a contract")).public_key.to_checksum_address()
REVERTS: Final = "0x60006000fd"  # PUSH1 0, PUSH1 0, REVERT
STOPS: Final = "0x00"


class Wire(httpx.AsyncBaseTransport):
    """Carries to the node, except that whoever is asked under `/liar` knows of no receipt."""

    def __init__(self) -> None:
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        lies = request.url.path == "/liar"
        request.url = request.url.copy_with(path="/")
        response = await self._real.handle_async_request(request)
        if not lies:
            return response
        asked, said = json.loads(request.content), json.loads(await response.aread())
        calls, answers = (asked, said) if isinstance(asked, list) else ([asked], [said])
        hidden = {call["id"] for call in calls if call["method"] == "eth_getTransactionReceipt"}
        told = [{**answer, "result": None} if answer["id"] in hidden else answer for answer in answers]
        return httpx.Response(200, json=told if isinstance(asked, list) else told[0])

    async def aclose(self) -> None:
        await self._real.aclose()


@pytest.fixture
async def chain(evm: Anvil) -> AsyncIterator[Anvil]:
    """A chain on which the wallet has ether, and blocks come only when a test asks for them."""
    await evm.fund(ADDRESS, 10**21)
    await evm.rpc("evm_setAutomine", False)
    yield evm
    await evm.rpc("evm_setAutomine", True)


@asynccontextmanager
async def asking(node: Anvil, *paths: str) -> AsyncIterator[EvmRpc]:
    async with httpx.AsyncClient(transport=Wire()) as http:
        yield EvmRpc(tuple(f"{node.url}{path}" for path in paths or ("/",)), CHAIN, http)


async def payload(
    chain: Anvil, offer: Offer | None = None, to: str = PAYEE, value_wei: int = 1, gas: int = 50_000
) -> Sent:
    """At the nonce that the chain expects; at the market's price unless told."""
    nonce = int(await chain.rpc("eth_getTransactionCount", ADDRESS, "latest"), 16)
    unsigned = message(Transaction(CHAIN, nonce, offer or await price(chain), gas, to, value_wei, b""))
    raw = seal(unsigned, KEY.sign_msg_hash(keccak(unsigned)).to_bytes())
    return Sent(raw, transaction_hash(raw), Slot(str(nonce), 2**40), ADDRESS)


async def price(chain: Anvil) -> Offer:
    async with asking(chain) as rpc:
        offer = first_offer(await market(rpc), CEILING)
    assert isinstance(offer, Offer)
    return offer


async def above(chain: Anvil, previous: Offer) -> Offer:
    async with asking(chain) as rpc:
        offer = next_offer(previous, await market(rpc), CEILING)
    assert isinstance(offer, Offer)
    return offer


async def send(chain: Anvil, sent: Sent) -> str:
    async with asking(chain) as rpc:
        return (await submit(rpc, sent.payload)).answer


async def look(
    chain: Anvil, *sent: Sent, paths: tuple[str, ...] = ("/",), ceiling_wei: int = CEILING
) -> tuple[Sighting, ...]:
    async with asking(chain, *paths) as rpc:
        return await sightings(rpc, sent, ceiling_wei)


def state(sighting: Sighting) -> tuple[Any, ...]:
    return sighting.fate, sighting.succeeded, sighting.seen, sighting.raisable, sighting.foreign


WAITING: Final = (Fate.PENDING, None, False, True, False)
BESIDE: Final = (Fate.PENDING, None, False, False, False)
SEEN: Final = (Fate.PENDING, None, True, False, False)
LANDED: Final = (Fate.LANDED, True, False, False, False)
FAILED: Final = (Fate.LANDED, False, False, False, False)
DEAD: Final = (Fate.DEAD, None, False, False, False)
UNKNOWN: Final = (Fate.UNKNOWN, None, False, False, False)
FOREIGN: Final = (Fate.UNKNOWN, None, False, False, True)


async def states(chain: Anvil, *sent: Sent, paths: tuple[str, ...] = ("/",)) -> list[tuple[Any, ...]]:
    return [state(one) for one in await look(chain, *sent, paths=paths)]


async def test_a_payment_waits_is_seen_and_lands_and_its_bytes_may_come_at_any_time(chain: Anvil) -> None:
    ours = await payload(chain)
    assert await states(chain, ours) == [WAITING]
    assert "took it" in await send(chain, ours)
    assert "already imported" in await send(chain, ours)
    assert await states(chain, ours) == [WAITING]
    await chain.mine(1)
    assert await states(chain, ours) == [SEEN]
    assert "nonce too low" in await send(chain, ours)
    await chain.mine(1)
    assert await states(chain, ours) == [SEEN]
    await chain.mine(1)
    assert await states(chain, ours) == [LANDED]
    assert int(await chain.rpc("eth_getBalance", PAYEE, "latest"), 16) == 1


async def test_a_replacement_lands_and_what_it_replaced_is_dead_by_the_chains_own_word(chain: Anvil) -> None:
    first_price = await price(chain)
    first = await payload(chain, first_price)
    second = await payload(chain, await above(chain, first_price))
    for one in (first, second):
        assert "took it" in await send(chain, one)
    await chain.mine(1)
    assert await states(chain, first, second) == [BESIDE, SEEN]
    await chain.mine(2)
    assert await states(chain, first, second) == [DEAD, LANDED]
    (dead, _) = await look(chain, first, second)
    receipt = await chain.rpc("eth_getTransactionReceipt", second.venue_ref)
    proof = dict(dead.proof)
    assert proof["block_hash"] == receipt["blockHash"]
    assert proof["landed_instead"] == second.venue_ref
    assert int(proof["finalized_nonce_count"]) > int(proof["nonce"])


async def test_a_cancellation_takes_the_nonce_and_moves_nothing(chain: Anvil) -> None:
    first_price = await price(chain)
    first = await payload(chain, first_price)
    cancel = await payload(chain, await above(chain, first_price), ADDRESS, 0, TRANSFER_GAS)
    for one in (first, cancel):
        await send(chain, one)
    await chain.mine(3)
    assert await states(chain, first, cancel) == [DEAD, FAILED]
    assert int(await chain.rpc("eth_getBalance", PAYEE, "latest"), 16) == 0


@pytest.mark.parametrize("depth", [1, 2])
async def test_what_a_reorg_takes_back_is_open_again_and_its_bytes_are_taken_again(chain: Anvil, depth: int) -> None:
    ours = await payload(chain)
    await send(chain, ours)
    await chain.mine(depth)
    assert await states(chain, ours) == [SEEN]
    await chain.rpc("anvil_reorg", depth, [])
    assert await states(chain, ours) == [WAITING]
    assert "took it" in await send(chain, ours)
    await chain.mine(3)
    assert await states(chain, ours) == [LANDED]
    assert int(await chain.rpc("eth_getBalance", PAYEE, "latest"), 16) == 1


async def test_a_revert_is_no_end_before_it_is_final_because_the_same_bytes_may_yet_succeed(chain: Anvil) -> None:
    await chain.rpc("anvil_setCode", CONTRACT, REVERTS)
    ours = await payload(chain, to=CONTRACT)
    await send(chain, ours)
    await chain.mine(1)
    assert await states(chain, ours) == [SEEN]
    await chain.rpc("anvil_reorg", 1, [])
    await chain.rpc("anvil_setCode", CONTRACT, STOPS)
    await send(chain, ours)
    await chain.mine(3)
    assert await states(chain, ours) == [LANDED]


async def test_a_final_revert_has_landed_as_a_failure(chain: Anvil) -> None:
    await chain.rpc("anvil_setCode", CONTRACT, REVERTS)
    ours = await payload(chain, to=CONTRACT)
    await send(chain, ours)
    await chain.mine(3)
    assert await states(chain, ours) == [FAILED]


async def test_what_the_pool_dropped_is_waiting_and_its_bytes_are_taken_again(chain: Anvil) -> None:
    ours = await payload(chain)
    await send(chain, ours)
    await chain.rpc("anvil_dropTransaction", ours.venue_ref)
    assert await states(chain, ours) == [WAITING]
    assert "took it" in await send(chain, ours)
    await chain.mine(3)
    assert await states(chain, ours) == [LANDED]


async def test_what_a_spike_of_fees_left_behind_is_raisable_under_the_cap_and_waits_above_it(chain: Anvil) -> None:
    ours = await payload(chain)
    await send(chain, ours)
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    await chain.mine(1)
    (under,) = await look(chain, ours, ceiling_wei=200 * GWEI)
    (over,) = await look(chain, ours, ceiling_wei=50 * GWEI)
    assert state(under) == WAITING
    assert state(over) == BESIDE
    assert "above the cap" in over.detail


async def test_a_nonce_that_the_key_used_elsewhere_is_foreign_once_it_is_final(chain: Anvil) -> None:
    stranger, ours = await payload(chain, value_wei=7), await payload(chain)
    await send(chain, stranger)
    await chain.mine(1)
    assert await states(chain, ours) == [BESIDE]
    await chain.mine(2)
    assert await states(chain, ours) == [FOREIGN]
    assert await states(chain, ours, paths=("/", "/")) == [FOREIGN]


async def test_a_node_that_hides_receipts_never_makes_anything_dead(chain: Anvil) -> None:
    first_price = await price(chain)
    first = await payload(chain, first_price)
    second = await payload(chain, await above(chain, first_price))
    for one in (first, second):
        await send(chain, one)
    await chain.mine(3)
    assert await states(chain, first, second, paths=("/liar",)) == [FOREIGN, FOREIGN]
    assert await states(chain, first, second, paths=("/liar", "/")) == [UNKNOWN, UNKNOWN]
    assert await states(chain, first, second, paths=("/", "/liar")) == [DEAD, LANDED]


async def test_the_market_of_a_quiet_chain_has_the_next_base_fee_and_the_least_tip(chain: Anvil) -> None:
    await chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(8 * GWEI))
    await chain.mine(1)
    async with asking(chain) as rpc:
        assert await market(rpc) == Market(7 * GWEI, GWEI)  # an empty block lowers it by an eighth


async def test_a_node_of_another_chain_answers_nothing(chain: Anvil) -> None:
    ours = await payload(chain)
    async with httpx.AsyncClient() as http:
        elsewhere = EvmRpc((chain.url,), 1, http)
        with pytest.raises(ChainUnavailable, match="chain 31337, not 1"):
            await submit(elsewhere, ours.payload)
        (seen,) = await sightings(elsewhere, (ours,), CEILING)
    assert seen.fate is Fate.UNKNOWN
    assert await chain.rpc("eth_getTransactionByHash", ours.venue_ref) is None
