"""The transaction of a leg: its call, its gas, its fees."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from domain.errors import ChainUnavailable, FeesAboveCap, NoRoute, QuoteUnavailable
from domain.evm_intent import ROUTER_ITSELF, Approve, Unwrap, V2Form, V2Swap, V3Swap
from domain.fees import Offer, Wait, first_offer
from domain.intents import Intent, Leg, LegKind, Quote, Slot, least_acceptable
from infra.chains.evm.answers import QUANTITY
from infra.chains.evm.market import HISTORY
from infra.chains.evm.market import read as read_market
from infra.chains.evm.reverts import refusal_reason
from infra.chains.evm.rpc import Call, EvmNode
from infra.chains.evm.transaction import Transaction
from infra.chains.json_rpc import RpcRefusal
from infra.venues.uniswap.calldata import encode
from infra.venues.uniswap.deployments import Deployment
from infra.venues.uniswap.quoting import Route, best_route
from infra.venues.uniswap.reads import LATEST, is_revert, trial
from infra.venues.uniswap.trade import Trade

# Seen on mainnet's own contracts: an approval 46 k, a swap through one pool 100 to 140 k (tests/integration). What
# asks for more than the double of that and the spare is no plain token or pool.
MAX_GAS: Final[Mapping[LegKind, int]] = {LegKind.APPROVE: 100_000, LegKind.SWAP: 400_000}

# A pool may move across a tick between the estimate and the block.
SPARE_GAS_PERCENT: Final = 20

# A pool that was traded in the block that the estimate stands on does not write its two price sums, and in the
# next block does, in slots that may be empty: 22 100 each. Source: UniswapV2Pair, `_update`; EIP-2200, EIP-2929.
SPARE_GAS: Final[Mapping[LegKind, int]] = {LegKind.APPROVE: 0, LegKind.SWAP: 50_000}


async def assemble(
    node: EvmNode,
    deployment: Deployment,
    trade: Trade,
    leg: Leg,
    quote: Quote,
    slot: Slot,
    chain_number: int,
    cap_wei: int,
) -> Transaction:
    """Build a leg with what the chain says now: the best route, the gas it takes, the market's fees.

    Errors: QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE, FEES_ABOVE_CAP (retried), NO_ROUTE (final).
    """
    route = await best_route(node, deployment, trade)
    to, value_wei, call = _call(route, deployment, trade, leg, quote, slot)
    data, most_gas = encode(call), MAX_GAS[leg.kind]
    unpriced = Transaction(chain_number, int(slot.nonce), Offer(0, 0), most_gas, to, value_wei, data)
    asked: list[Call[Any]] = [Call("eth_estimateGas", [trial(unpriced, trade.wallet), LATEST], QUANTITY), HISTORY]
    estimate, history = await node.each(asked)
    if isinstance(history, RpcRefusal):
        raise ChainUnavailable(f"{node.host} refuses to tell the market's fees: {history}")
    if isinstance(estimate, RpcRefusal):
        raise _unbuildable(leg.kind, estimate)
    roomy = estimate * (100 + SPARE_GAS_PERCENT) // 100 + SPARE_GAS[leg.kind]
    offer = within_cap(first_offer(read_market(history, chain_number), cap_wei), cap_wei)
    return replace(unpriced, gas=min(roomy, most_gas), offer=offer)


def within_cap(decided: Offer | Wait, cap_wei: int) -> Offer:
    """Errors: FEES_ABOVE_CAP (retried)."""
    if isinstance(decided, Wait):
        raise FeesAboveCap(f"the network asks for {decided.needed_wei} wei a gas, the cap is {cap_wei}: waiting")
    return decided


def _call(
    route: Route, deployment: Deployment, trade: Trade, leg: Leg, quote: Quote, slot: Slot
) -> tuple[str, int, Approve | V2Swap | V3Swap]:
    if leg.kind is LegKind.APPROVE:
        return trade.sell_token, 0, Approve(route.router, trade.sell_base)
    value_wei = trade.sell_base if trade.sells_native else 0
    minimum = _minimum(route, leg.intent, quote)
    if route.fee is None:
        return deployment.v2_router, value_wei, _v2(trade, minimum, slot.valid_until)
    return deployment.v3_router, value_wei, _v3(trade, route.fee, minimum, slot.valid_until)


def _minimum(route: Route, intent: Intent, quote: Quote) -> int:
    """The quote's minimum; and where the price has risen since, what the slippage cap makes of the new one."""
    if route.expected < quote.minimum.base:
        raise QuoteUnavailable(
            f"the price fell: {route.expected} base units of {intent.buy.symbol} now, "
            f"the quote promised {quote.minimum.base} at the least"
        )
    return max(quote.minimum.base, least_acceptable(route.expected, intent.max_slippage_bps))


def _v2(trade: Trade, minimum: int, deadline: int) -> V2Swap:
    path = (trade.sell_token, trade.buy_token)
    if trade.sells_native:
        return V2Swap(V2Form.FROM_NATIVE, None, minimum, path, trade.wallet, deadline)
    form = V2Form.TO_NATIVE if trade.buys_native else V2Form.TOKENS
    return V2Swap(form, trade.sell_base, minimum, path, trade.wallet, deadline)


def _v3(trade: Trade, fee: int, minimum: int, deadline: int) -> V3Swap:
    return V3Swap(
        deadline=deadline,
        token_in=trade.sell_token,
        token_out=trade.buy_token,
        fee=fee,
        recipient=ROUTER_ITSELF if trade.buys_native else trade.wallet,
        amount_in=trade.sell_base,
        minimum_out=minimum,
        price_limit=0,
        unwrap=Unwrap(minimum, trade.wallet) if trade.buys_native else None,
    )


def _unbuildable(kind: LegKind, refusal: RpcRefusal) -> Exception:
    reason = refusal_reason(refusal)
    if kind is LegKind.APPROVE and is_revert(refusal):
        return NoRoute(f"the token refuses to be approved, so that no router can sell it: {reason}")
    return QuoteUnavailable(f"the {kind} would not get through now: {reason}")
