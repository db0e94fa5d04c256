"""The venue `uniswap` on a node that does not tell the truth, or forgets: nothing is believed that does not fit."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from domain.errors import ChainUnavailable, IntegrityBroken, QuoteUnavailable, SettlementUnreadable
from domain.intents import Leg
from domain.ledger import entries
from infra.chains.evm.market import GWEI
from infra.chains.evm.rpc import EvmRpc
from infra.devnet.evm.addresses import V2_ROUTER
from infra.venues.protocol import Sent
from infra.venues.uniswap.venue import UniswapVenue
from tests.world.anvil import Anvil
from tests.world.evm_account import EvmAccount
from tests.world.uniswap_trader import ANVIL, ETH, FINAL_BLOCKS, USDC, WETH, UniswapTrader

ETHER = 10**18
NO_STATE = {"error": {"code": -32000, "message": "missing trie node"}}
Lie = Callable[[list[Any], Any], Any]


class Node(httpx.AsyncBaseTransport):
    """A real node whose answers to some methods go through a lie: of the parameters and the true result."""

    def __init__(self) -> None:
        self._real = httpx.AsyncHTTPTransport()
        self.lies: dict[str, Lie] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        answer = await self._real.handle_async_request(request)
        said = json.loads(await answer.aread())
        calls, answers = (asked, said) if isinstance(asked, list) else ([asked], [said])
        by_id = {call["id"]: call for call in calls}
        told = [self._told(by_id[one["id"]], one) for one in answers]
        return httpx.Response(200, json=told if isinstance(asked, list) else told[0])

    def _told(self, call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        lie = self.lies.get(call["method"])
        if lie is None or "result" not in answer:
            return answer
        told = lie(call["params"], answer["result"])
        if isinstance(told, dict) and "error" in told:
            return {"jsonrpc": "2.0", "id": answer["id"], **told}
        return {**answer, "result": told}

    async def aclose(self) -> None:
        await self._real.aclose()


@pytest.fixture
async def node() -> Node:
    return Node()


@pytest.fixture
async def trader(evm: Anvil, node: Node) -> AsyncIterator[UniswapTrader]:
    async with httpx.AsyncClient(transport=node) as http:
        venue = UniswapVenue(EvmRpc((evm.url,), 31337, http, deadline_s=30), ANVIL, 50 * GWEI)
        trader = UniswapTrader(evm, venue, EvmAccount(evm))
        await evm.fund(trader.address, 10 * ETHER)
        await evm.mine(FINAL_BLOCKS)
        yield trader


async def swapped(trader: UniswapTrader) -> tuple[Sent, Leg]:
    """A swap in a final block, not settled yet."""
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    sent = await trader.drawn(leg)
    await trader.send(sent)
    await trader.node.mine(FINAL_BLOCKS)
    return sent, leg


@pytest.mark.parametrize(
    "lie",
    [
        {"blockHash": "0x" + 64 * "1"},
        {"blockNumber": "0x1"},
        {"transactionIndex": "0x5"},
        {"transactionHash": "0x" + 64 * "2"},
    ],
)
async def test_a_receipt_that_the_chain_does_not_hold_is_not_believed(
    trader: UniswapTrader, node: Node, lie: dict[str, str]
) -> None:
    sent, leg = await swapped(trader)
    node.lies["eth_getTransactionReceipt"] = lambda _, true: {**true, **lie}
    with pytest.raises(SettlementUnreadable, match="does not hold it"):
        await trader.venue.settle(sent, leg)


async def test_a_receipt_of_another_wallet_stops_for_a_person(trader: UniswapTrader, node: Node) -> None:
    sent, leg = await swapped(trader)
    node.lies["eth_getTransactionReceipt"] = lambda _, true: {**true, "from": V2_ROUTER}
    with pytest.raises(IntegrityBroken, match="was paid by"):
        await trader.venue.settle(sent, leg)


async def test_a_state_that_was_thrown_away_is_done_without(trader: UniswapTrader, node: Node) -> None:
    sent, leg = await swapped(trader)
    whole = await trader.venue.settle(sent, leg)
    node.lies |= {"eth_getBalance": lambda *_: NO_STATE, "eth_call": lambda *_: NO_STATE}
    assert await trader.venue.settle(sent, leg) == whole


@pytest.mark.parametrize("method", ["eth_getBalance", "eth_call"], ids=["ether", "dollars"])
async def test_a_wallet_left_with_less_than_the_logs_explain_is_not_booked(
    trader: UniswapTrader, node: Node, method: str
) -> None:
    sent, leg = await swapped(trader)
    height = hex((await trader.venue.settle(sent, leg)).slot)
    node.lies[method] = lambda params, true: hex(int(true, 16) - 1) if params[1] == height else true
    if method == "eth_call":
        node.lies[method] = lambda params, true: f"0x{int(true, 16) - 1:064x}" if params[1] == height else true
    settlement = await trader.venue.settle(sent, leg)
    with pytest.raises(IntegrityBroken, match="explains"):
        entries(settlement, "wal_1", "uniswap")


async def test_a_swap_whose_logs_are_kept_back_is_not_booked(trader: UniswapTrader, node: Node) -> None:
    sent, leg = await swapped(trader)
    node.lies["eth_getTransactionReceipt"] = lambda _, true: {**true, "logs": []}
    with pytest.raises(SettlementUnreadable, match="moved nothing"):
        await trader.venue.settle(sent, leg)


async def test_what_a_rollup_takes_for_ethereum_is_part_of_the_fee(trader: UniswapTrader, node: Node) -> None:
    sent, leg = await swapped(trader)
    plain = (await trader.venue.settle(sent, leg)).fee.base
    node.lies["eth_getTransactionReceipt"] = lambda _, true: {**true, "l1Fee": hex(12_345)}
    settlement = await trader.venue.settle(sent, leg)
    assert settlement.fee.base == plain + 12_345
    assert settlement.wallet_changes[ETH.id] == -(ETHER + plain + 12_345)


async def test_a_burn_of_wrapped_native_is_what_arrived_where_there_is_no_event_of_it(
    evm: Anvil, trader: UniswapTrader, node: Node
) -> None:
    """Arbitrum's wrapped ether has no `Withdrawal`: its router burns."""
    usdc, weth = (asset.id.partition("/erc20:")[2] for asset in (USDC, WETH))
    await evm.mint(usdc, trader.address, 3_000 * 10**6)
    await evm.mine(FINAL_BLOCKS)
    intent = trader.intent(USDC, "3000", ETH)
    approve, swap = trader.venue.legs(intent)
    approval = await trader.drawn(approve)
    await trader.send(approval)
    sent = await trader.drawn(swap)
    await trader.send(sent)
    whole = await trader.settled(sent, swap)
    withdrawal = "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65"
    transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

    def burned(_: list[Any], true: dict[str, Any]) -> dict[str, Any]:
        logs = [
            {**log, "topics": [transfer, log["topics"][1], "0x" + 64 * "0"]} if log["topics"][0] == withdrawal else log
            for log in true["logs"]
        ]
        assert logs != true["logs"]
        assert any(log["address"].lower() == weth.lower() for log in logs)
        return {**true, "logs": logs}

    node.lies["eth_getTransactionReceipt"] = burned
    assert await trader.venue.settle(sent, swap) == whole
    assert whole.bought.base > 0


async def test_a_node_in_trouble_is_not_read_as_no_route(trader: UniswapTrader, node: Node) -> None:
    node.lies["eth_call"] = lambda *_: NO_STATE
    with pytest.raises(QuoteUnavailable, match="missing trie node"):
        await trader.venue.quote(trader.intent(ETH, "1", USDC))


async def test_a_node_that_cannot_simulate_gives_no_verdict(trader: UniswapTrader, node: Node) -> None:
    (leg,) = trader.venue.legs(trader.intent(ETH, "1", USDC))
    quote, slot = await trader.venue.quote(leg.intent), await trader.venue.slot(trader.wallet)
    unsigned = await trader.venue.build(leg, quote, slot)
    node.lies["eth_call"] = lambda *_: NO_STATE
    with pytest.raises(ChainUnavailable, match="missing trie node"):
        await trader.venue.examine(leg, quote, slot, unsigned)


async def test_an_approval_that_answers_no_is_refused(evm: Anvil, trader: UniswapTrader, node: Node) -> None:
    approve, _ = trader.venue.legs(trader.intent(USDC, "3000", ETH))
    quote, slot = await trader.venue.quote(approve.intent), await trader.venue.slot(trader.wallet)
    unsigned = await trader.venue.build(approve, quote, slot)
    for answer, refusals in (("0x" + 64 * "0", 1), ("0x" + 63 * "0" + "1", 0), ("0x", 0), ("0x01", 1)):
        node.lies["eth_call"] = lambda *_, answer=answer: answer
        assert len(await trader.venue.examine(approve, quote, slot, unsigned)) == refusals
