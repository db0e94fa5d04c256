"""The Jupiter venue against a real node and a Jupiter that trades with its pool, honestly or not."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.keypair import Keypair
from solders.signature import Signature

from domain.assets import SOL, SOLANA_USDC
from domain.attempts import Fate
from domain.errors import ChainUnavailable, IntegrityBroken, NoRoute, QuoteUnavailable, SettlementUnreadable
from domain.intents import Intent, Leg, LegKind, Objection, Slot, least_acceptable
from domain.ledger import entries
from domain.money import Amount
from domain.solana_intent import TOKEN_ACCOUNT_RENT_LAMPORTS
from infra.chains.solana.addresses import (
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
    jupiter_program_authority,
)
from infra.chains.solana.message import tables_named
from infra.chains.solana.rpc import SolanaRpc
from infra.devnet.jupiter.lies import LieName
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Sent, Unsigned, Venue
from tests.world.jupiter import JupiterExchange, jupiter_exchange
from tests.world.solana import SolanaNode, solana_node
from tests.world.swapper import Swapper, begin_anew, table_of

FORMS = ["route_v2", "route", "shared_accounts_route", "shared_accounts_route_v2"]
NOWHERE = "http://127.0.0.1:9"  # discard: nobody listens
LIES: dict[LieName, Objection] = {
    "other_destination": Objection.WRONG_DESTINATION,
    "larger_amount": Objection.AMOUNT_TOO_LARGE,
    "worse_price": Objection.MINIMUM_TOO_LOW,
    "platform_fee": Objection.FEE_TOO_HIGH,
    "other_asset": Objection.WRONG_ASSET,
    "extra_instruction": Objection.WRONG_DESTINATION,
    "spending_right": Objection.UNEXPECTED_INSTRUCTION,
    "foreign_program": Objection.FOREIGN_PROGRAM,
    "foreign_signer": Objection.FOREIGN_SIGNER,
    "foreign_account": Objection.FOREIGN_ACCOUNT,
    "closed_to_stranger": Objection.WRONG_DESTINATION,
    "second_swap": Objection.UNEXPECTED_INSTRUCTION,
}


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
    """A wallet with 10 SOL and 1,000 USDC, an honest Jupiter, and the pool at 200 USDC a SOL."""
    begin_anew(solana, exchange)
    key = Keypair()
    solana.give_lamports(key.pubkey(), 10 * 10**9)
    solana.give_tokens(key.pubkey(), USDC_MINT, 1_000 * 10**6)
    async with httpx.AsyncClient() as http:
        venue = JupiterVenue(JupiterApi(exchange.url, http), SolanaRpc((solana.rpc_url,), http))
        yield Swapper(solana, exchange, http, venue, key)


def test_the_venue_fits_the_protocol() -> None:
    fits: type[Venue] = JupiterVenue
    assert fits.name == "jupiter"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("direction", ["buys_sol", "sells_sol"])
async def test_a_swap_moves_what_was_quoted_and_its_book_balances(world: Swapper, form: str, direction: str) -> None:
    world.jupiter.form(form)
    intent = world.buys_sol() if direction == "buys_sol" else world.sells_sol()
    quote, before = await world.venue.quote(intent), await world.held()
    settled = await world.settled(intent)
    after = await world.held()
    assert settled.succeeded
    assert (settled.sold, settled.bought) == (intent.sell, quote.expected)
    assert 5_000 < settled.fee.base <= 2_000_000
    assert settled.rent.base == 0
    assert {asset: after[asset] - before[asset] for asset in after} == dict(settled.wallet_changes)
    assert entries(settled, "wallet", "jupiter")


def leg_of(intent: Intent) -> Leg:
    return Leg(1, LegKind.SWAP, intent)


async def test_the_deposit_of_a_new_token_account_is_rent(world: Swapper) -> None:
    key = Keypair()
    world.node.give_lamports(key.pubkey(), 5 * 10**9)
    newcomer = replace(world, key=key)
    settled = await newcomer.settled(newcomer.sells_sol())
    assert settled.rent.base == TOKEN_ACCOUNT_RENT_LAMPORTS
    assert settled.sold.base == 2 * 10**9
    assert entries(settled, "wallet", "jupiter")


async def test_wrapped_sol_sent_by_a_stranger_does_not_bend_the_book(world: Swapper) -> None:
    world.node.give_tokens(world.address, WSOL_MINT, 12_345)
    intent = world.buys_sol()
    quote = await world.venue.quote(intent)
    settled = await world.settled(intent)
    assert settled.bought == quote.expected
    assert settled.rent.base == -(TOKEN_ACCOUNT_RENT_LAMPORTS + 12_345)
    assert entries(settled, "wallet", "jupiter")


async def test_a_quote_promises_what_the_slippage_cap_leaves(world: Swapper) -> None:
    quote = await world.venue.quote(world.buys_sol())
    assert quote.minimum.base == least_acceptable(quote.expected.base, 50)


async def test_a_price_that_slipped_a_little_still_guarantees_the_quoted_minimum(world: Swapper) -> None:
    """0.2 % worse since the quote, 0.5 % allowed: the built swap promises what the quote promised."""
    intent = world.buys_sol()
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    world.node.set_pool(usdc=2_004_000 * 10**6, sol=10_000 * 10**9)
    unsigned = await world.venue.build(leg_of(intent), quote, slot)
    assert await world.venue.examine(leg_of(intent), quote, slot, unsigned) == ()


async def test_a_price_that_slipped_too_far_is_refused(world: Swapper) -> None:
    intent = world.buys_sol()
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    world.node.set_pool(usdc=2_020_000 * 10**6, sol=10_000 * 10**9)
    unsigned = await world.venue.build(leg_of(intent), quote, slot)
    refusals = await world.venue.examine(leg_of(intent), quote, slot, unsigned)
    assert {one.objection for one in refusals} == {Objection.MINIMUM_TOO_LOW}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_jupiter_gets_no_signature(world: Swapper, lie: LieName, form: str) -> None:
    world.jupiter.form(form)
    intent = world.buys_sol()
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    world.jupiter.lie(lie)
    unsigned = await world.venue.build(leg_of(intent), quote, slot)
    refusals = await world.venue.examine(leg_of(intent), quote, slot, unsigned)
    assert LIES[lie] in {one.objection for one in refusals}


async def test_a_lie_about_a_lookup_table_changes_nothing(world: Swapper) -> None:
    """The tables are read from the chain, whatever Jupiter says they hold."""
    intent = world.buys_sol()
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    honest = await world.venue.build(leg_of(intent), quote, slot)
    world.jupiter.lie("wrong_table")
    assert await world.venue.build(leg_of(intent), quote, slot) == honest


async def test_a_swap_through_a_lookup_table_of_the_chain_is_read_and_settled(world: Swapper) -> None:
    intent = world.buys_sol()
    _, plain = await world.made(intent)
    world.node.advance(5)  # the chain has to have recent slots for a table to be named after
    vaults = (associated_token_account(jupiter_program_authority(0), mint) for mint in (USDC_MINT, WSOL_MINT))
    table = await table_of(world, jupiter_program_authority(0), *vaults)
    world.jupiter.tables(table, Keypair().pubkey())  # the second is none, and is done without
    quote = await world.venue.quote(intent)
    slot, unsigned = await world.made(intent)
    assert len(unsigned.message) < len(plain.message)
    assert tables_named(unsigned.message) == (table,)
    signed = world.signed(unsigned)
    await world.venue.submit(signed.payload)
    sent = Sent(signed.payload, signed.venue_ref, slot, world.address)
    assert (await world.landed(sent)).succeeded
    settled = await world.venue.settle(sent, leg_of(intent))
    assert settled.bought == quote.expected
    assert entries(settled, "wallet", "jupiter")


async def test_a_fee_that_jupiter_exaggerates_is_held_down(world: Swapper) -> None:
    world.jupiter.form("route_v2", price_micro_lamports=10**15)
    settled = await world.settled(world.buys_sol())
    assert 50_000 < settled.fee.base <= 2_000_000


async def test_a_wallet_that_cannot_pay_is_told_by_the_simulation(world: Swapper) -> None:
    intent = world.buys_sol(usdc=1_001 * 10**6)
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    unsigned = await world.venue.build(leg_of(intent), quote, slot)
    (refusal,) = await world.venue.examine(leg_of(intent), quote, slot, unsigned)
    assert refusal.objection is Objection.SIMULATION_FAILED


async def test_a_message_for_another_slot_is_refused(world: Swapper) -> None:
    intent = world.buys_sol()
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    unsigned = await world.venue.build(leg_of(intent), quote, slot)
    other = Slot(str(Keypair().pubkey()), slot.valid_until)
    refusals = await world.venue.examine(leg_of(intent), quote, other, unsigned)
    assert {one.objection for one in refusals} == {Objection.OTHER_SLOT}


async def test_noise_is_unreadable_and_not_signed(world: Swapper) -> None:
    intent = world.buys_sol()
    quote, slot = await world.venue.quote(intent), await world.venue.slot(world.wallet)
    (refusal,) = await world.venue.examine(leg_of(intent), quote, slot, Unsigned(b"\x80noise"))
    assert refusal.objection is Objection.UNREADABLE


async def test_a_signature_of_another_key_is_not_sealed(world: Swapper) -> None:
    _, unsigned = await world.made(world.buys_sol())
    with pytest.raises(IntegrityBroken):
        world.venue.seal(unsigned, bytes(Keypair().sign_message(unsigned.message)))


async def test_the_reference_is_the_signature_and_known_before_sending(world: Swapper) -> None:
    _, unsigned = await world.made(world.buys_sol())
    signature = world.key.sign_message(unsigned.message)
    signed = world.venue.seal(unsigned, bytes(signature))
    assert signed.venue_ref == str(signature)
    assert Signature.from_bytes(signed.payload[1:65]) == signature
    assert len(signed.payload) <= 1232


async def test_the_same_bytes_sent_again_and_again_land_once(world: Swapper) -> None:
    before = await world.held()
    sent = await world.sent(world.buys_sol())
    for _ in range(3):
        await world.venue.submit(sent.payload)
    await world.landed(sent)
    assert "already been processed" in (await world.venue.submit(sent.payload)).answer
    assert (await world.held())[SOLANA_USDC.id] == before[SOLANA_USDC.id] - 50_000_000


async def test_a_preflight_refusal_is_written_down_and_proves_nothing(world: Swapper) -> None:
    slot, unsigned = await world.made(world.buys_sol())
    signed = world.signed(unsigned)
    world.node.set_pool(usdc=4_000_000 * 10**6, sol=10_000 * 10**9)
    receipt = await world.venue.submit(signed.payload)
    assert "0x1771" in receipt.answer
    (seen,) = await world.venue.look_up((Sent(signed.payload, signed.venue_ref, slot, world.address),))
    assert seen.fate is Fate.PENDING


async def test_a_swap_that_lands_as_a_failure_cost_its_fee_alone(world: Swapper) -> None:
    intent = world.buys_sol()
    slot, unsigned = await world.made(intent)
    signed = world.signed(unsigned)
    world.node.set_pool(usdc=4_000_000 * 10**6, sol=10_000 * 10**9)
    before = await world.held()
    raw = base64.b64encode(signed.payload).decode()
    world.node.call("sendTransaction", raw, {"encoding": "base64", "skipPreflight": True})
    sent = Sent(signed.payload, signed.venue_ref, slot, world.address)
    assert (await world.landed(sent)).succeeded is False
    settled = await world.venue.settle(sent, leg_of(intent))
    assert (settled.succeeded, settled.sold.base, settled.bought.base) == (False, 0, 0)
    assert entries(settled, "wallet", "jupiter")
    assert (await world.held())[SOL.id] == before[SOL.id] - settled.fee.base


async def test_an_attempt_that_was_never_sent_is_dead_once_its_height_is_final(world: Swapper) -> None:
    slot, unsigned = await world.made(world.buys_sol())
    signed = world.signed(unsigned)
    sent = Sent(signed.payload, signed.venue_ref, slot, world.address)
    (seen,) = await world.venue.look_up((sent,))
    assert seen.fate is Fate.PENDING
    world.node.advance(160)
    (seen,) = await world.venue.look_up((sent,))
    assert seen.fate is Fate.DEAD
    proof = dict(seen.proof)
    assert int(proof["finalized_block_height"]) > slot.valid_until
    assert int(proof["status_slot"]) >= int(proof["finalized_slot"])
    assert int(proof["oldest_block_height_at_most"]) <= slot.valid_until - 150
    assert proof["node"] == f"127.0.0.1:{world.node.port}"
    await world.venue.submit(sent.payload)
    world.node.advance(10)
    (seen,) = await world.venue.look_up((sent,))
    assert seen.fate is Fate.DEAD  # the proof held


@pytest.mark.parametrize("method", ["getEpochInfo", "getSignatureStatuses"])
@pytest.mark.parametrize(
    "fault", [{"mode": "status", "status": 429}, {"mode": "drop_after"}, {"mode": "truncate"}, {"mode": "garble"}]
)
async def test_a_look_up_that_fails_is_unknown_and_never_an_absence(
    world: Swapper, method: str, fault: dict[str, Any]
) -> None:
    slot, unsigned = await world.made(world.buys_sol())
    signed = world.signed(unsigned)
    world.node.advance(160)
    world.node.fault(method, **fault)
    (seen,) = await world.venue.look_up((Sent(signed.payload, signed.venue_ref, slot, world.address),))
    assert seen.fate is Fate.UNKNOWN


@pytest.mark.parametrize("mode", ["drop_before", "drop_after", "truncate", "garble"])
async def test_a_send_without_an_answer_is_neither_failure_nor_success(world: Swapper, mode: str) -> None:
    slot, unsigned = await world.made(world.buys_sol())
    signed = world.signed(unsigned)
    world.node.fault("sendTransaction", mode)
    with pytest.raises(ChainUnavailable):
        await world.venue.submit(signed.payload)
    await world.venue.submit(signed.payload)  # the same bytes: whether or not the first arrived
    assert (await world.landed(Sent(signed.payload, signed.venue_ref, slot, world.address))).succeeded is True


async def test_one_node_down_is_passed_over_by_every_verb(world: Swapper) -> None:
    rpc = SolanaRpc((NOWHERE, world.node.rpc_url), world.http)
    venue = JupiterVenue(JupiterApi(world.jupiter.url, world.http), rpc)
    two = replace(world, venue=venue)
    settled = await two.settled(two.buys_sol())
    assert settled.succeeded


async def test_no_node_at_all_is_the_chain_unavailable(world: Swapper) -> None:
    rpc = SolanaRpc((NOWHERE,), world.http)
    venue = JupiterVenue(JupiterApi(world.jupiter.url, world.http), rpc)
    for question in (venue.slot(world.wallet), venue.balances(world.address, (SOL,)), venue.submit(b"bytes")):
        with pytest.raises(ChainUnavailable):
            await question


async def test_a_settlement_that_cannot_be_read_yet_is_asked_again(world: Swapper) -> None:
    intent = world.buys_sol()
    sent = await world.sent(intent)
    await world.landed(sent)
    world.node.fault("getTransaction", "status", status=503)
    with pytest.raises(SettlementUnreadable):
        await world.venue.settle(sent, leg_of(intent))
    with pytest.raises(SettlementUnreadable):
        await world.venue.settle(replace(sent, venue_ref=str(Signature.new_unique())), leg_of(intent))
    assert (await world.venue.settle(sent, leg_of(intent))).succeeded


async def test_a_jupiter_that_limits_or_falls_silent_gives_no_quote(world: Swapper) -> None:
    for fault in ({"mode": "status", "status": 429}, {"mode": "drop_before"}, {"mode": "truncate"}):
        world.jupiter.fault(match="/swap/v2/build", **fault)
        with pytest.raises(QuoteUnavailable):
            await world.venue.quote(world.buys_sol())
    wrong = JupiterApi(world.jupiter.url, world.http, key="wrong")
    with pytest.raises(QuoteUnavailable, match="401"):
        await JupiterVenue(wrong, SolanaRpc((world.node.rpc_url,), world.http)).quote(world.buys_sol())


async def test_a_pool_that_pays_nothing_is_no_route(world: Swapper) -> None:
    with pytest.raises(NoRoute):
        await world.venue.quote(Intent(Amount(1, SOL), SOLANA_USDC, 50, world.address))


async def test_balances_are_final_and_nothing_where_there_is_no_account(world: Swapper) -> None:
    stranger = str(Keypair().pubkey())
    held = await world.venue.balances(stranger, (SOL, SOLANA_USDC))
    assert held == {SOL.id: Amount(0, SOL), SOLANA_USDC.id: Amount(0, SOLANA_USDC)}
    assert await world.held() == {SOL.id: 10 * 10**9, SOLANA_USDC.id: 1_000 * 10**6}


async def test_the_swaps_of_many_wallets_are_looked_up_together(world: Swapper) -> None:
    sent = []
    for _ in range(5):
        key = Keypair()
        world.node.give_lamports(key.pubkey(), 5 * 10**9)
        one = replace(world, key=key)
        sent.append(await one.sent(one.sells_sol()))
    await asyncio.gather(*(world.landed(one) for one in sent))
    seen = await world.venue.look_up(tuple(sent))
    assert [one.fate for one in seen] == [Fate.LANDED] * 5
