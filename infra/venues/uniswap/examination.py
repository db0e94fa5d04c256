"""What a node says of a transaction before it is signed."""

from domain.errors import ChainUnavailable, IntegrityBroken
from domain.evm_intent import Payload, Terms
from domain.intents import Leg, LegKind, Objection, Quote, Refusal, Slot, least_acceptable
from infra.chains.evm.answers import DATA
from infra.chains.evm.reverts import refusal_reason
from infra.chains.evm.rpc import EvmNode
from infra.chains.evm.transaction import Transaction
from infra.chains.json_rpc import RpcRefusal
from infra.venues.uniswap.assembly import MAX_GAS
from infra.venues.uniswap.deployments import Deployment
from infra.venues.uniswap.reads import LATEST, NoAnswer, is_revert, number, trial
from infra.venues.uniswap.trade import Trade


def terms_of(
    leg: Leg,
    quote: Quote,
    slot: Slot,
    trade: Trade,
    deployment: Deployment,
    chain_number: int,
    cap_wei: int,
    most_wei: int,
) -> Terms:
    """What a payload for this leg may do. Errors: INTEGRITY_BROKEN (final), for a quote of another intent."""
    intent = leg.intent
    if quote.sell != intent.sell or {quote.expected.asset, quote.minimum.asset} != {intent.buy}:
        raise IntegrityBroken("the quote in the book is not of the intent in the book")
    return Terms(
        kind=leg.kind,
        chain_id=chain_number,
        nonce=slot.nonce,
        valid_until=slot.valid_until,
        wallet=trade.wallet,
        sell_token=trade.sell_token,
        sells_native=trade.sells_native,
        sell_base=trade.sell_base,
        buy_token=trade.buy_token,
        buys_native=trade.buys_native,
        # Computed anew: a minimum written down wrong must not lower what the cap promises. Never nothing: a swap
        # for at least nothing is a gift to whoever moves the price first.
        minimum_base=max(quote.minimum.base, least_acceptable(quote.expected.base, intent.max_slippage_bps), 1),
        v2_router=deployment.v2_router,
        v3_router=deployment.v3_router,
        v3_fees=deployment.v3_fees,
        max_gas=MAX_GAS[leg.kind],
        max_fee_wei=cap_wei,
        max_cost_wei=most_wei,
    )


def payload_of(transaction: Transaction) -> Payload:
    return Payload(
        chain_id=transaction.chain_number,
        nonce=transaction.nonce,
        to=transaction.to,
        value_wei=transaction.value_wei,
        data=transaction.data,
        gas=transaction.gas,
        offer=transaction.offer,
    )


async def simulated(node: EvmNode, transaction: Transaction, kind: LegKind, wallet: str) -> tuple[Refusal, ...]:
    """Let a node run the very call on its latest state. Errors: CHAIN_UNAVAILABLE (retried)."""
    try:
        answer = await node.call("eth_call", [trial(transaction, wallet), LATEST], DATA)
    except RpcRefusal as refusal:
        if not is_revert(refusal):
            raise ChainUnavailable(f"{node.host} does not simulate: {refusal}") from refusal
        return (Refusal(Objection.SIMULATION_FAILED, f"the simulation ended: {refusal_reason(refusal)}"),)
    if kind is LegKind.APPROVE and _denied(answer):
        return (Refusal(Objection.SIMULATION_FAILED, "the token answers that it does not approve"),)
    return ()


def _denied(answer: bytes) -> bool:
    """Old tokens answer an approval with nothing, others with true."""
    try:
        return bool(answer) and number(answer) != 1
    except NoAnswer:
        return True
