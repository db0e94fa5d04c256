"""What a final transaction really moved, from its own logs, compared with the wallet's balances around its block.

Native that a wallet is paid leaves no log of the wallet's. A router pays out all that it unwraps, so what the
router unwrapped is what arrived. A failed transaction gives its value back and keeps its fee.
"""

from typing import Any, Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from pydantic import Field, TypeAdapter

from domain.assets import WRAPPED
from domain.chains import Chain
from domain.errors import IntegrityBroken, SettlementUnreadable
from domain.intents import Leg, LegKind
from domain.ledger import Settlement
from domain.money import Amount, Asset
from infra.chains.evm.answers import BLOCK, QUANTITY, Block, Log, Quantity, TransactionReceipt
from infra.chains.evm.finality import final_height
from infra.chains.evm.rpc import Call, EvmNode
from infra.chains.evm.transaction import Transaction
from infra.chains.json_rpc import RpcRefusal
from infra.venues.protocol import Sent
from infra.venues.uniswap.reads import NoAnswer, balance_of, number
from infra.venues.uniswap.trade import erc20_address, native

TRANSFER: Final = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
WITHDRAWAL: Final = "0x" + keccak(text="Withdrawal(address,uint256)").hex()  # Source: WETH9
NOWHERE: Final = "0x" + 40 * "0"


class FinalReceipt(TransactionReceipt):
    """`l1_fee_wei`: what a rollup of Optimism's kind takes on top, for Ethereum. Source: op-geth, `l1Fee`."""

    l1_fee_wei: Quantity = Field(default=0, alias="l1Fee")

    @property
    def fee_wei(self) -> int:
        return self.gas_used * self.gas_price_wei + self.l1_fee_wei


_RECEIPT: Final = TypeAdapter(FinalReceipt | None)


async def settlement_of(
    node: EvmNode, chain: Chain, chain_number: int, sent: Sent, signed: Transaction, leg: Leg
) -> Settlement:
    """Read a settlement, in base units.

    `wallet_changes` is what this transaction did. A transfer to the wallet in the same block is not of it: it is
    found, and booked, as a stranger's, when chain and book are next compared. But if the block left the wallet
    with less than the logs explain, its real differences are told, and the book refuses them.
    Errors: SETTLEMENT_UNREADABLE, CHAIN_UNAVAILABLE (retried), INTEGRITY_BROKEN (final).
    """
    receipt = await _final_receipt(node, chain_number, sent)
    wallet = to_checksum_address(sent.address)
    if receipt.sender != wallet:
        raise IntegrityBroken(f"{sent.venue_ref} was paid by {receipt.sender}, not by the wallet {wallet}")

    coin, sold, bought = native(chain), leg.intent.sell.asset, leg.intent.buy
    value_wei = signed.value_wei if receipt.succeeded else 0
    changes = {coin.id: _unwrapped(receipt, signed.to, chain) - value_wei}
    for asset in (sold, bought):
        if asset.id != coin.id:
            changes[asset.id] = _transferred(receipt, erc20_address(asset, chain), wallet)
    succeeded = receipt.succeeded and not signed.cancels(wallet)
    swapped = succeeded and leg.kind is LegKind.SWAP
    out, into = (-changes[sold.id], changes[bought.id]) if swapped else (0, 0)
    if out < 0 or into < 0:
        raise IntegrityBroken(f"{sent.venue_ref} changed the wallet by {changes}, which is no swap of its intent")
    if swapped and not (out and into):
        # Its router pays the minimum or reverts, so it cannot have been for nothing: logs were kept back.
        raise SettlementUnreadable(f"{node.host} shows {sent.venue_ref} as a success that moved nothing")
    explained = {**changes, coin.id: changes[coin.id] - receipt.fee_wei}
    differences = await _differences(node, chain, wallet, receipt.block_number, (coin, sold, bought))
    told = {asset: min(change, differences.get(asset, change)) for asset, change in explained.items()}
    return Settlement(
        reference=sent.venue_ref,
        slot=receipt.block_number,
        succeeded=succeeded,
        sold=Amount(out, sold),
        bought=Amount(into, bought),
        fee=Amount(receipt.fee_wei, coin),
        rent=Amount(0, coin),
        wallet_changes={asset: change for asset, change in told.items() if change},
    )


async def _final_receipt(node: EvmNode, chain_number: int, sent: Sent) -> FinalReceipt:
    """A receipt, believed only where the chain holds its transaction now, and for good."""
    heads: list[Call[Any]] = [Call("eth_getBlockByNumber", [tag, False], BLOCK) for tag in ("finalized", "latest")]
    receipts: Call[Any] = Call("eth_getTransactionReceipt", [sent.venue_ref], _RECEIPT)
    receipt: FinalReceipt | None
    finalized, latest, receipt = await node.read([*heads, receipts])
    if receipt is None:
        raise SettlementUnreadable(f"{node.host} does not show {sent.venue_ref} yet")
    if receipt.block_number > final_height(chain_number, finalized.number, latest.number):
        raise SettlementUnreadable(f"{node.host} does not know block {receipt.block_number} to be final")
    (block,) = await node.read([Call("eth_getBlockByNumber", [hex(receipt.block_number), False], BLOCK)])
    if not _holds(block, receipt) or receipt.hash != sent.venue_ref:
        raise SettlementUnreadable(f"{node.host} shows {sent.venue_ref} in a block that does not hold it")
    return receipt


def _holds(block: Block, receipt: FinalReceipt) -> bool:
    at = receipt.index
    return block.hash == receipt.block_hash and block.transactions[at : at + 1] == [receipt.hash]


def _unwrapped(receipt: FinalReceipt, router: str, chain: Chain) -> int:
    """What the router turned into native. Arbitrum's wrapped ether tells it as a burn, the others by an event."""
    wrapped = erc20_address(WRAPPED[chain.name], chain)
    told = sum(_word(log) for log in receipt.logs if _is(log, wrapped, WITHDRAWAL, router))
    return told + sum(_word(log) for log in receipt.logs if _is(log, wrapped, TRANSFER, router, NOWHERE))


def _transferred(receipt: FinalReceipt, token: str, wallet: str) -> int:
    """What the wallet gained of a token, as it arrived: a token that taxes its transfers tells both."""
    gained = 0
    for log in receipt.logs:
        if log.address == token and len(log.topics) == 3 and log.topics[0] == TRANSFER:
            source, target = map(_address, log.topics[1:])
            gained += _word(log) * ((target == wallet) - (source == wallet))
    return gained


def _is(log: Log, contract: str, *topics: str) -> bool:
    event, *parties = topics
    return (
        log.address == contract
        and log.topics[:1] == [event]
        and [_address(topic) for topic in log.topics[1:]] == parties
    )


def _address(topic: str) -> str:
    return str(to_checksum_address("0x" + topic[-40:]))


def _word(log: Log) -> int:
    try:
        return number(log.data)
    except NoAnswer as reason:
        raise SettlementUnreadable(f"a log of {log.address} holds no amount") from reason


async def _differences(
    node: EvmNode, chain: Chain, wallet: str, height: int, assets: tuple[Asset, ...]
) -> dict[str, int]:
    """What the wallet's balances changed by in a block; nothing, where the node has thrown the state away.

    Full nodes keep 128 blocks of it, and finality takes 64 to 96 of them, so a late settlement does without. The
    logs are exact by themselves, and the book is compared with the chain's balances after each execution.
    """
    names = list(dict.fromkeys(asset.id for asset in assets))
    by_name = {asset.id: asset for asset in assets}
    around = [hex(height - 1), hex(height)]
    calls: list[Call[Any]] = [
        Call("eth_getBalance", [wallet, block], QUANTITY)
        if name == native(chain).id
        else balance_of(erc20_address(by_name[name], chain), wallet, block)
        for name in names
        for block in around
    ]
    answers = await node.each(calls)
    found: dict[str, int] = {}
    for name, before, after in zip(names, answers[::2], answers[1::2], strict=True):
        if isinstance(before, RpcRefusal) or isinstance(after, RpcRefusal):
            continue
        try:
            found[name] = _base(after) - _base(before)
        except NoAnswer:
            continue
    return found


def _base(answer: int | bytes) -> int:
    return answer if isinstance(answer, int) else number(answer)
