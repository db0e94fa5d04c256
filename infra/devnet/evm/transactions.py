"""What goes into a contract and what comes out, in its ABI's terms, and transactions without a signature."""

from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.grammar import parse
from eth_utils.abi import function_signature_to_4byte_selector

from infra.devnet.evm.rpc import EvmRpc

GAS = 6_000_000  # more than any of these needs; a block holds five such
BLOCKS_PATIENCE = 50


class TransactionFailed(Exception):
    """A transaction was mined and reverted, or was not mined at all."""


def call_data(signature: str, *arguments: Any) -> str:
    """`transfer(address,uint256)` and its arguments as hex."""
    types = _types(signature[signature.index("(") :])
    return "0x" + (function_signature_to_4byte_selector(signature) + encode(types, arguments)).hex()


async def read(rpc: EvmRpc, to: str, signature: str, *arguments: Any, returns: str, block: str = "latest") -> Any:
    """What a function answers, as a tuple of the types in `returns`, such as `(uint256,address)`.

    Errors: Refused when it reverts.
    """
    answer: str = await rpc.call("eth_call", {"to": to, "data": call_data(signature, *arguments)}, block)
    return decode(_types(returns), bytes.fromhex(answer.removeprefix("0x")))


async def transact(rpc: EvmRpc, sender: str, *calls: dict[str, str]) -> list[dict[str, Any]]:
    """Send from an impersonated account, in order, and mine until all are in blocks. Returns the receipts.

    Errors: TransactionFailed.
    """
    sent = [await rpc.call("eth_sendTransaction", {"from": sender, "gas": hex(GAS), **call}) for call in calls]
    for _ in range(BLOCKS_PATIENCE):
        await rpc.call("anvil_mine", "0x1")
        receipts = [await rpc.call("eth_getTransactionReceipt", hash_) for hash_ in sent]
        if all(receipts):
            break
    for call, receipt in zip(calls, receipts, strict=True):
        if receipt is None or receipt["status"] != "0x1":
            raise TransactionFailed(f"to {call['to']}, data {call.get('data', '0x')[:74]}: {receipt}")
    return receipts


def _types(tuple_: str) -> list[str]:
    return [] if tuple_ == "()" else [part.to_type_str() for part in parse(tuple_).components]
