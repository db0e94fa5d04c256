"""Swaps of a wallet with a durable nonce, against real parts: nothing ages, one payload a value lands."""

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.system_program import create_nonce_account
from solders.transaction import VersionedTransaction

from domain.assets import SOL
from domain.attempts import Fate, Sighting
from domain.errors import FeesAboveCap, IntegrityBroken
from domain.intents import Objection
from domain.ledger import entries
from infra.chains.solana.addresses import USDC_MINT
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.durable import durable_of, offered_by
from infra.venues.jupiter.priority import MAX_PRICE_MICRO_LAMPORTS
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Sent, Unsigned
from tests.world.jupiter import JupiterExchange, jupiter_exchange
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, Wallet
from tests.world.swapper import Swapper, begin_anew

RENT_LAMPORTS = 1_447_680  # of the 80 bytes of a nonce account


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
    """A wallet with 10 SOL, 1,000 USDC and a nonce account that somebody else paid for."""
    begin_anew(solana, exchange)
    key = Keypair()
    solana.give_lamports(key.pubkey(), 10 * 10**9)
    solana.give_tokens(key.pubkey(), USDC_MINT, 1_000 * 10**6)
    nonce = nonce_account(solana, key)
    async with httpx.AsyncClient() as http:
        venue = JupiterVenue(JupiterApi(exchange.url, http), SolanaRpc((solana.rpc_url,), http))
        yield Swapper(solana, exchange, http, venue, key, durable_nonce=nonce)


def nonce_account(node: SolanaNode, authority: Keypair) -> str:
    """A finalized nonce account."""
    payer, nonce = Wallet(node), Keypair()
    made = create_nonce_account(payer.address, nonce.pubkey(), authority.pubkey(), RENT_LAMPORTS)
    message = MessageV0.try_compile(payer.address, list(made), [], payer.blockhash())
    raw = base64.b64encode(bytes(VersionedTransaction(message, [payer.key, nonce]))).decode()
    node.call("sendTransaction", raw, BLIND)
    node.advance(1 + node.options["--finalized-lag"])
    return str(nonce.pubkey())


async def signed(world: Swapper) -> Sent:
    """A swap that is signed and not sent."""
    slot, unsigned = await world.made(world.buys_sol())
    sealed = world.signed(unsigned)
    return Sent(sealed.payload, sealed.venue_ref, slot, world.address)


async def cancelled(world: Swapper, sent: Sent, earlier: int = 1) -> Sent:
    """What takes its place, examined and signed as the signer would."""
    unsigned = await world.venue.replace(sent)
    assert world.venue.examine_replacement(sent, unsigned) == ()
    sealed = world.signed(unsigned)
    return Sent(sealed.payload, sealed.venue_ref, replace(sent.slot, earlier=earlier), world.address)


async def fates(world: Swapper, *sent: Sent) -> list[Sighting]:
    return list(await world.venue.look_up(sent))


async def test_a_swap_on_a_durable_nonce_settles_like_any_other(world: Swapper) -> None:
    intent = world.buys_sol()
    quote, before = await world.venue.quote(intent), await world.held()
    settled = await world.settled(intent)
    after = await world.held()
    assert settled.bought == quote.expected
    assert {asset: after[asset] - before[asset] for asset in after} == dict(settled.wallet_changes)
    assert entries(settled, "wallet", "jupiter")


async def test_a_nonce_account_that_a_door_made_serves_as_well(world: Swapper) -> None:
    made = world.node.control("nonce", authority=world.address)["account"]
    given = replace(world, durable_nonce=made)
    assert (await given.settled(given.buys_sol())).succeeded
    assert (await given.settled(given.buys_sol())).succeeded


async def test_each_swap_finds_the_nonce_that_the_last_one_left(world: Swapper) -> None:
    first = await world.sent(world.buys_sol())
    await world.landed(first)
    second = await world.sent(world.buys_sol())
    assert second.slot.nonce != first.slot.nonce
    await world.landed(second)
    assert [one.fate for one in await fates(world, first, second)] == [Fate.LANDED] * 2


async def test_a_payload_that_waited_past_every_blockhash_still_lands(world: Swapper) -> None:
    sent = await signed(world)
    world.node.advance(400)
    (seen,) = await fates(world, sent)
    assert (seen.fate, seen.raisable) == (Fate.PENDING, True)
    await world.venue.submit(sent.payload)
    assert (await world.landed(sent)).succeeded


async def test_a_cancellation_kills_what_it_replaces_and_costs_its_fee(world: Swapper) -> None:
    stale = await signed(world)
    before = await world.held()
    cancel = await cancelled(world, stale)
    await world.venue.submit(cancel.payload)
    assert (await world.landed(cancel)).succeeded is False
    dead, landed = await fates(world, stale, cancel)
    assert (dead.fate, landed.fate) == (Fate.DEAD, Fate.LANDED)
    assert dict(dead.proof)["nonce_account"] == world.durable_nonce
    await world.venue.submit(stale.payload)  # the proof holds: the swap is refused
    world.node.advance(10)
    (still,) = await fates(world, stale)
    assert still.fate is Fate.DEAD
    (leg,) = world.venue.legs(world.buys_sol())
    settled = await world.venue.settle(cancel, leg)
    assert (settled.succeeded, settled.sold.base, settled.bought.base) == (False, 0, 0)
    assert entries(settled, "wallet", "jupiter")
    assert (await world.held())[SOL.id] == before[SOL.id] - settled.fee.base


async def test_of_a_swap_and_its_cancellation_one_lands_whoever_comes_first(world: Swapper) -> None:
    sent = await signed(world)
    cancel = await cancelled(world, sent)
    await world.venue.submit(sent.payload)
    await world.venue.submit(cancel.payload)
    assert (await world.landed(sent)).succeeded
    swapped, lost = await fates(world, sent, cancel)
    assert (swapped.fate, lost.fate) == (Fate.LANDED, Fate.DEAD)


async def test_a_swap_that_failed_on_chain_used_its_nonce_up_all_the_same(world: Swapper) -> None:
    sent = await signed(world)
    twin = await cancelled(world, sent)
    world.node.set_pool(usdc=4_000_000 * 10**6, sol=10_000 * 10**9)
    raw = base64.b64encode(sent.payload).decode()
    world.node.call("sendTransaction", raw, BLIND)
    assert (await world.landed(sent)).succeeded is False
    (lost,) = await fates(world, twin)
    assert lost.fate is Fate.DEAD


async def test_each_cancellation_offers_more_until_the_most(world: Swapper) -> None:
    sent = await signed(world)
    offers = [offered_by(sent)]
    for _ in range(3):
        sent = await cancelled(world, sent)
        offers.append(offered_by(sent))
    assert offers == [50_000, 75_000, 112_500, 168_750]
    while offered_by(sent) < MAX_PRICE_MICRO_LAMPORTS:
        sent = await cancelled(world, sent)
    with pytest.raises(FeesAboveCap):
        await world.venue.replace(sent)


async def test_a_payload_that_dies_with_its_blockhash_is_not_replaced(world: Swapper) -> None:
    plain = await signed(replace(world, durable_nonce=None))
    assert durable_of(plain.slot) is None
    with pytest.raises(IntegrityBroken):
        await world.venue.replace(plain)
    (refusal,) = world.venue.examine_replacement(plain, Unsigned(b""))
    assert refusal.objection is Objection.OTHER_SLOT


async def test_another_swap_is_no_cancellation(world: Swapper) -> None:
    sent = await signed(world)
    _, unsigned = await world.made(world.buys_sol())
    assert Objection.UNEXPECTED_INSTRUCTION in {
        one.objection for one in world.venue.examine_replacement(sent, unsigned)
    }
    (refusal,) = world.venue.examine_replacement(sent, Unsigned(b"\x80noise"))
    assert refusal.objection is Objection.UNREADABLE


async def test_a_message_on_a_blockhash_is_refused_where_a_nonce_was_allocated(world: Swapper) -> None:
    (leg,) = world.venue.legs(world.buys_sol())
    quote, slot = await world.venue.quote(leg.intent), await world.venue.slot(world.wallet)
    plain = await world.venue.slot(replace(world, durable_nonce=None).wallet)
    refusals = await world.venue.examine(leg, quote, slot, await world.venue.build(leg, quote, plain))
    assert {one.objection for one in refusals} == {Objection.OTHER_SLOT}
    refusals = await world.venue.examine(leg, quote, plain, await world.venue.build(leg, quote, slot))
    assert {one.objection for one in refusals} == {Objection.OTHER_SLOT}


async def test_only_a_nonce_account_of_the_wallets_own_is_used(world: Swapper) -> None:
    foreign = nonce_account(world.node, Keypair())
    for account in (foreign, str(Keypair().pubkey()), world.address):
        with pytest.raises(IntegrityBroken, match="set the wallet's durable nonce anew"):
            await world.venue.slot(replace(world, durable_nonce=account).wallet)


async def test_the_slot_is_the_finalized_value_and_never_passes(world: Swapper) -> None:
    slot = await world.venue.slot(world.wallet)
    durable = durable_of(slot)
    assert slot.durable
    assert durable is not None
    assert durable.account == world.durable_nonce
    shown = world.node.call("getAccountInfo", world.durable_nonce, {"encoding": "base64"})["value"]["data"][0]
    assert Hash(base64.b64decode(shown)[40:72]) == Hash.from_string(durable.value)
