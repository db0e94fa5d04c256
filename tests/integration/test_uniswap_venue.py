"""The venue `uniswap` on a real node with Uniswap's own contracts: prices, legs, replacements, settlements."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from domain.attempts import Fate
from domain.errors import FeesAboveCap, InvalidInput, NoRoute, QuoteUnavailable, SettlementUnreadable
from domain.evm_intent import Approve, V3Swap
from domain.intents import Intent, Leg, LegKind, Objection, least_acceptable
from domain.money import Amount, Asset
from infra.chains.evm import transaction
from infra.chains.evm.market import GWEI
from infra.chains.evm.rpc import EvmRpc
from infra.devnet.evm.addresses import STUBBORN, TAXED, V2_ROUTER, V3_ROUTER
from infra.devnet.evm.liquidity import pair_address
from infra.devnet.evm.rpc import EvmRpc as EvmControl
from infra.devnet.evm.transactions import call_data
from infra.venues.protocol import Known, Sent, Unsigned
from infra.venues.uniswap.calldata import decode
from infra.venues.uniswap.venue import UniswapVenue
from tests.world.anvil import Anvil
from tests.world.conditions import until
from tests.world.evm_account import EvmAccount
from tests.world.uniswap_trader import ANVIL, ETH, FINAL_BLOCKS, USDC, WETH, UniswapTrader

ETHER, CAP_GWEI = 10**18, 50
RESERVES_SLOT = 8  # of a V2 pair: when it was last traded, then both reserves. Source: UniswapV2Pair's layout
ELSEWHERE = Asset("eip155:1/erc20:0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "USDC", 6)


def token(address: str) -> Asset:
    return Asset(f"eip155:31337/erc20:{address}", "TOKEN", 18)


@pytest.fixture
async def venue(evm: Anvil) -> AsyncIterator[UniswapVenue]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield UniswapVenue(EvmRpc((evm.url,), 31337, http, deadline_s=30), ANVIL, CAP_GWEI * GWEI)


@pytest.fixture
async def trader(evm: Anvil, venue: UniswapVenue) -> UniswapTrader:
    """Ten ether and 100 000 dollars, final."""
    trader = UniswapTrader(evm, venue, EvmAccount(evm))
    await evm.fund(trader.address, 10 * ETHER)
    await evm.mint(token_address(USDC), trader.address, 100_000 * 10**6)
    await evm.mine(FINAL_BLOCKS)
    return trader


@asynccontextmanager
async def blocks_by_hand(node: Anvil) -> AsyncIterator[None]:
    await node.rpc("evm_setAutomine", False)
    try:
        yield
    finally:
        await node.rpc("evm_setAutomine", True)


@asynccontextmanager
async def base_fee(node: Anvil, wei: int) -> AsyncIterator[None]:
    """For a while; going back to a snapshot does not bring the fee back."""
    before = (await node.rpc("eth_getBlockByNumber", "latest", False))["baseFeePerGas"]
    await node.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))
    await node.mine(1)
    try:
        yield
    finally:
        await node.rpc("anvil_setNextBlockBaseFeePerGas", before)
        await node.mine(1)


def token_address(asset: Asset) -> str:
    return asset.id.partition("/erc20:")[2]


def called(sent: Sent) -> object:
    return decode(transaction.read(sent.payload).transaction.data)


def spoken_to(sent: Sent) -> str:
    return transaction.read(sent.payload).transaction.to


async def test_ether_is_sold_where_it_fetches_more(trader: UniswapTrader) -> None:
    intent = trader.intent(ETH, "1", USDC)
    (leg,) = trader.venue.legs(intent)
    quote = await trader.venue.quote(intent)
    sent = await trader.drawn(leg, quote)
    assert spoken_to(sent) == V3_ROUTER
    swap = called(sent)
    assert isinstance(swap, V3Swap)
    assert swap.fee == 500
    assert quote.minimum.base == least_acceptable(quote.expected.base, 100) <= swap.minimum_out


async def test_ether_is_bought_where_it_costs_less(trader: UniswapTrader) -> None:
    approve, _ = trader.venue.legs(trader.intent(USDC, "3000", ETH))
    sent = await trader.drawn(approve)
    assert called(sent) == Approve(V2_ROUTER, 3_000 * 10**6)


@pytest.mark.parametrize(
    ("sell", "whole", "buy", "legs"),
    [(ETH, "1", USDC, 1), (ETH, "0.000001", USDC, 1), (USDC, "3000", ETH, 2), (USDC, "500", WETH, 2)],
    ids=["sells", "sells little", "buys", "tokens"],
)
async def test_a_swap_is_settled_to_the_last_unit(
    trader: UniswapTrader, sell: Asset, whole: str, buy: Asset, legs: int
) -> None:
    intent = trader.intent(sell, whole, buy)
    before = await trader.held(ETH, USDC, WETH)
    quote = await trader.venue.quote(intent)
    settlements = await trader.executed(intent)
    after = await trader.held(ETH, USDC, WETH)

    changes: dict[str, int] = {}
    for settlement in settlements:
        for asset, change in settlement.wallet_changes.items():
            changes[asset] = changes.get(asset, 0) + change
    assert changes == {asset: after[asset] - before[asset] for asset in after if after[asset] != before[asset]}
    *approvals, swap = settlements
    assert len(settlements) == legs
    assert all(one.succeeded and not one.sold.base and not one.bought.base and one.fee.base for one in approvals)
    assert swap.succeeded
    assert (swap.sold, swap.bought) == (intent.sell, quote.expected)


@pytest.mark.parametrize("buy", [ETH, WETH], ids=["native", "token"])
async def test_a_swap_goes_to_the_router_that_was_approved_even_where_another_pays_more(
    trader: UniswapTrader, buy: Asset
) -> None:
    intent = trader.intent(USDC, "3000", buy)
    _, swap = trader.venue.legs(intent)
    dear = await trader.venue.quote(intent)
    await trader.account.send(token_address(USDC), "approve(address,uint256)", V3_ROUTER, intent.sell.base)
    quote = await trader.venue.quote(intent)
    assert quote.expected < dear.expected
    sent = await trader.drawn(swap, quote)
    assert spoken_to(sent) == V3_ROUTER
    await trader.send(sent)
    settlement = await trader.settled(sent, swap)
    assert (settlement.sold, settlement.bought) == (intent.sell, quote.expected)


async def test_an_approval_of_less_than_is_sold_does_not_bind(trader: UniswapTrader) -> None:
    intent = trader.intent(USDC, "3000", ETH)
    best = await trader.venue.quote(intent)
    await trader.account.send(token_address(USDC), "approve(address,uint256)", V3_ROUTER, intent.sell.base - 1)
    assert (await trader.venue.quote(intent)).expected == best.expected


async def test_the_swap_after_an_approval_leaves_nothing_approved(trader: UniswapTrader) -> None:
    await trader.executed(trader.intent(USDC, "3000", ETH))
    for router in (V2_ROUTER, V3_ROUTER):
        left = await trader.account.would(token_address(USDC), "allowance(address,address)", trader.address, router)
        assert int(left, 16) == 0


async def test_what_no_pool_trades_has_no_route(trader: UniswapTrader) -> None:
    with pytest.raises(NoRoute):
        await trader.venue.quote(trader.intent(USDC, "1", token("0x00000000000000000000000000000000000000aa")))


async def test_an_asset_of_another_chain_is_refused(trader: UniswapTrader) -> None:
    for sell, buy in ((ETH, ELSEWHERE), (ELSEWHERE, ETH), (ETH, WETH)):
        with pytest.raises(InvalidInput):
            trader.venue.legs(Intent(Amount(1, sell), buy, 100, trader.address))


async def test_a_token_that_refuses_approval_has_no_route(evm: Anvil, trader: UniswapTrader) -> None:
    await evm.mint(STUBBORN, trader.address, 100 * ETHER)
    intent = trader.intent(token(STUBBORN), "10", ETH)
    approve, _ = trader.venue.legs(intent)
    quote = await trader.venue.quote(intent)
    with pytest.raises(NoRoute, match="approval refused"):
        await trader.venue.build(approve, quote, await trader.venue.slot(trader.wallet))


async def test_a_token_that_taxes_transfers_is_booked_as_it_arrived(trader: UniswapTrader) -> None:
    intent = trader.intent(ETH, "0.1", token(TAXED))
    quote = await trader.venue.quote(intent)
    (settlement,) = await trader.executed(intent)
    arrived = (await trader.held(intent.buy))[intent.buy.id]
    assert settlement.bought.base == arrived < quote.expected.base


async def test_a_swap_that_would_miss_its_minimum_is_not_built(evm: Anvil, trader: UniswapTrader) -> None:
    intent = trader.intent(ETH, "1", USDC)
    (leg,) = trader.venue.legs(intent)
    quote = await trader.venue.quote(intent)
    greedy = replace(quote, minimum=Amount(quote.expected.base + 1, USDC))
    with pytest.raises(QuoteUnavailable, match="the price fell"):
        await trader.venue.build(leg, greedy, await trader.venue.slot(trader.wallet))


async def test_a_swap_guarantees_the_quotes_minimum_or_what_a_risen_price_makes_of_it(trader: UniswapTrader) -> None:
    intent = trader.intent(ETH, "1", USDC)
    (leg,) = trader.venue.legs(intent)
    fresh = await trader.venue.quote(intent)
    low = replace(fresh, minimum=Amount(fresh.minimum.base // 2, USDC))
    high = replace(fresh, minimum=fresh.expected)
    slot = await trader.venue.slot(trader.wallet)
    for quote, guaranteed in ((low, fresh.minimum), (high, fresh.expected)):
        unsigned = await trader.venue.build(leg, quote, slot)
        swap = decode(transaction.read_message(unsigned.message).data)
        assert isinstance(swap, V3Swap)
        assert swap.minimum_out == guaranteed.base


async def test_a_minimum_that_is_missed_in_the_block_costs_the_fee_alone(evm: Anvil, trader: UniswapTrader) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    before = await trader.held(ETH, USDC)
    late = await trader.drawn(leg)
    rival = UniswapTrader(evm, trader.venue, EvmAccount(evm))
    await evm.fund(rival.address, 1_000 * ETHER)
    await rival.executed(rival.intent(ETH, "100", USDC))  # moves the price by more than the slippage allowed
    unsigned = Unsigned(transaction.message(transaction.read(late.payload).transaction))
    quote = await trader.venue.quote(leg.intent)
    (refusal,) = await trader.venue.examine(leg, quote, late.slot, unsigned)
    assert refusal.objection is Objection.SIMULATION_FAILED
    assert "Too little received" in refusal.detail

    await trader.send(late)
    settlement = await trader.settled(late, leg)
    (sighting,) = await trader.venue.look_up((late,))
    assert (sighting.fate, sighting.succeeded) == (Fate.LANDED, False)
    after = await trader.held(ETH, USDC)
    assert not settlement.succeeded
    assert (settlement.sold.base, settlement.bought.base) == (0, 0)
    assert settlement.wallet_changes == {ETH.id: -settlement.fee.base} == {ETH.id: after[ETH.id] - before[ETH.id]}


async def test_gas_suffices_where_the_pool_was_traded_in_the_block_of_the_estimate(
    evm: Anvil, trader: UniswapTrader
) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "0.1", token(TAXED)))
    now = int((await evm.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    async with EvmControl(evm.url) as rpc:
        pair = await pair_address(rpc, TAXED)
    reserves = await evm.rpc("eth_getStorageAt", pair, hex(RESERVES_SLOT), "latest")
    await evm.rpc("anvil_setStorageAt", pair, f"0x{RESERVES_SLOT:064x}", f"0x{now:08x}{reserves[10:]}")
    sent = await trader.drawn(leg)
    await evm.rpc("evm_setNextBlockTimestamp", hex(now + 10))
    await trader.send(sent)
    assert (await trader.settled(sent, leg)).succeeded


async def test_a_payload_that_waits_is_replaced_by_itself_for_more(evm: Anvil, trader: UniswapTrader) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    async with blocks_by_hand(evm):
        first = await trader.drawn(leg)
        await trader.send(first)
        unsigned = await trader.venue.replace(first)
        assert trader.venue.examine_replacement(first, unsigned) == ()
        second = trader.signed(unsigned, first.slot)
        await trader.send(second)
        old, new = (transaction.read(one.payload).transaction for one in (first, second))
        assert (new.to, new.value_wei, new.data, new.nonce) == (old.to, old.value_wei, old.data, old.nonce)
        await evm.mine(1)
    settlement = await trader.settled(second, leg)
    assert settlement.succeeded
    fates = [sighting.fate for sighting in await trader.venue.look_up((first, second))]
    assert fates == [Fate.DEAD, Fate.LANDED]


async def test_a_payload_past_its_deadline_is_replaced_by_nothing(evm: Anvil, trader: UniswapTrader) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    before = await trader.held(ETH, USDC)
    swap = await trader.drawn(leg)  # never sent: no block has taken it
    await evm.rpc("evm_setNextBlockTimestamp", hex(swap.slot.valid_until + 1))
    await evm.mine(1)
    unsigned = await trader.venue.replace(swap)
    assert trader.venue.examine_replacement(swap, unsigned) == ()
    cancelling = trader.signed(unsigned, swap.slot)
    assert transaction.read(cancelling.payload).transaction.cancels(trader.address)
    await trader.send(cancelling)
    settlement = await trader.settled(cancelling, leg)
    after = await trader.held(ETH, USDC)
    assert not settlement.succeeded
    assert settlement.wallet_changes == {ETH.id: -settlement.fee.base} == {ETH.id: after[ETH.id] - before[ETH.id]}
    dead, landed = await trader.venue.look_up((swap, cancelling))
    assert (dead.fate, landed.fate, landed.succeeded) == (Fate.DEAD, Fate.LANDED, False)


async def test_a_swap_that_is_mined_past_its_deadline_only_fails(evm: Anvil, trader: UniswapTrader) -> None:
    for intent in (trader.intent(ETH, "1", USDC), trader.intent(ETH, "0.1", token(TAXED))):  # V3, then V2
        (leg,) = trader.venue.legs(intent)
        swap = await trader.drawn(leg)
        await evm.rpc("evm_setNextBlockTimestamp", hex(swap.slot.valid_until + 1))
        await trader.send(swap)
        assert not (await trader.settled(swap, leg)).succeeded


async def test_nothing_is_offered_above_the_cap(evm: Anvil, trader: UniswapTrader) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    quote = await trader.venue.quote(leg.intent)
    swap = await trader.drawn(leg, quote)
    async with base_fee(evm, 500 * GWEI):
        slot = await trader.venue.slot(trader.wallet)
        with pytest.raises(FeesAboveCap):
            await trader.venue.build(leg, quote, slot)
        with pytest.raises(FeesAboveCap):
            await trader.venue.replace(swap)


async def test_a_payload_of_another_leg_is_refused(trader: UniswapTrader) -> None:
    intent = trader.intent(USDC, "3000", ETH)
    approve, swap = trader.venue.legs(intent)
    quote, slot = await trader.venue.quote(intent), await trader.venue.slot(trader.wallet)
    unsigned = await trader.venue.build(approve, quote, slot)
    assert await trader.venue.examine(approve, quote, slot, unsigned) == ()
    found = await trader.venue.examine(swap, quote, slot, unsigned)
    assert [refusal.objection for refusal in found] == [Objection.UNEXPECTED_INSTRUCTION]
    smaller = Leg(1, LegKind.APPROVE, replace(intent, sell=Amount(intent.sell.base - 1, USDC)))
    found = await trader.venue.examine(smaller, replace(quote, sell=smaller.intent.sell), slot, unsigned)
    assert [refusal.objection for refusal in found] == [Objection.AMOUNT_TOO_LARGE]
    (unreadable,) = await trader.venue.examine(approve, quote, slot, Unsigned(unsigned.message[:-1]))
    assert unreadable.objection is Objection.UNREADABLE


async def test_a_swap_before_its_approval_cannot_be_built(trader: UniswapTrader) -> None:
    _, swap = trader.venue.legs(trader.intent(USDC, "3000", ETH))
    quote = await trader.venue.quote(swap.intent)
    with pytest.raises(QuoteUnavailable, match="would not get through"):
        await trader.venue.build(swap, quote, await trader.venue.slot(trader.wallet))


async def test_a_transaction_that_is_not_final_is_not_settled(evm: Anvil, trader: UniswapTrader) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    sent = await trader.drawn(leg)
    with pytest.raises(SettlementUnreadable, match="does not show"):
        await trader.venue.settle(sent, leg)
    await trader.send(sent)
    await until(lambda: evm.rpc("eth_getTransactionReceipt", sent.venue_ref))  # a node may take a moment to show it
    with pytest.raises(SettlementUnreadable, match="to be final"):
        await trader.venue.settle(sent, leg)
    await evm.mine(FINAL_BLOCKS)
    assert (await trader.venue.settle(sent, leg)).succeeded


async def test_what_a_stranger_pays_in_the_same_block_is_not_of_the_swap(evm: Anvil, trader: UniswapTrader) -> None:
    """Nor does it keep the swap from being booked: anybody could stop an execution with a single unit."""
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    stranger = EvmAccount(evm)
    await evm.fund(stranger.address, ETHER)
    await evm.mint(token_address(USDC), stranger.address, 5)
    before = await trader.held(USDC)
    async with blocks_by_hand(evm):
        sent = await trader.drawn(leg)
        await trader.send(sent)
        await evm.rpc("anvil_impersonateAccount", stranger.address)
        data = call_data("transfer(address,uint256)", trader.address, 5)
        await evm.rpc("eth_sendTransaction", {"from": stranger.address, "to": token_address(USDC), "data": data})
        await evm.mine(1)
    settlement = await trader.settled(sent, leg)
    after = await trader.held(USDC)
    assert settlement.wallet_changes[USDC.id] == settlement.bought.base
    assert after[USDC.id] - before[USDC.id] == settlement.bought.base + 5


async def test_a_nonce_that_the_book_does_not_know_is_named(trader: UniswapTrader) -> None:
    for known in (0, 1):
        assert await trader.venue.strangers(trader.wallet, Known(frozenset(), known)) == ()
    await trader.account.send(token_address(USDC), "transfer(address,uint256)", V2_ROUTER, 1)
    await trader.account.send(token_address(USDC), "transfer(address,uint256)", V2_ROUTER, 1)
    assert await trader.venue.strangers(trader.wallet, Known(frozenset(), 2)) == ()
    (sentence,) = await trader.venue.strangers(trader.wallet, Known(frozenset(), 0))
    assert "nonce 1" in sentence
    assert "next is 0" in sentence


async def test_balances_are_those_of_the_final_block(evm: Anvil, trader: UniswapTrader) -> None:
    before = await trader.held(ETH, USDC, WETH)
    assert before == {ETH.id: 10 * ETHER, USDC.id: 100_000 * 10**6, WETH.id: 0}
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    sent = await trader.drawn(leg)
    await trader.send(sent)
    assert await trader.held(ETH, USDC, WETH) == before
    settlement = await trader.settled(sent, leg)
    assert (await trader.held(USDC))[USDC.id] == before[USDC.id] + settlement.bought.base
