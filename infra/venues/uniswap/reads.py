"""The calls that ask contracts and move nothing."""

from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError

from infra.chains.evm.answers import DATA
from infra.chains.evm.rpc import Call
from infra.chains.evm.transaction import Transaction
from infra.chains.json_rpc import RpcRefusal
from infra.venues.uniswap.calldata import selector

LATEST: Final = "latest"


class NoAnswer(Exception):
    """The contract gave other bytes than its interface says, or there is none."""


def amounts_out(router: str, sell_base: int, path: tuple[str, str]) -> Call[bytes]:
    """What V2 would pay, as base units along the path."""
    return _ask(router, "getAmountsOut", ("uint256", "address[]"), (sell_base, path))


def pool_out(quoter: str, sell_base: int, path: tuple[str, str], fee: int) -> Call[bytes]:
    """What the V3 pool of a fee would pay, first of four values. QuoterV2 tries the swap and undoes it."""
    types = ("(address,address,uint256,uint24,uint160)",)
    return _ask(quoter, "quoteExactInputSingle", types, ((*path, sell_base, fee, 0),))


def allowance(token: str, owner: str, spender: str) -> Call[bytes]:
    return _ask(token, "allowance", ("address", "address"), (owner, spender))


def balance_of(token: str, owner: str, block: str = LATEST) -> Call[bytes]:
    return _ask(token, "balanceOf", ("address",), (owner,), block)


def trial(transaction: Transaction, sender: str) -> dict[str, str]:
    """A transaction as `eth_call` and `eth_estimateGas` take it, at no price: whether fees are there is asked apart."""
    return {
        "from": sender,
        "to": transaction.to,
        "value": hex(transaction.value_wei),
        "data": "0x" + transaction.data.hex(),
        "gas": hex(transaction.gas),
    }


def number(answer: bytes) -> int:
    """The first word of an answer. Errors: NoAnswer."""
    return int(_decoded(("uint256",), answer[:32])[0])


def last_of(answer: bytes) -> int:
    """The last of a list of numbers. Errors: NoAnswer."""
    (numbers,) = _decoded(("uint256[]",), answer)
    if not numbers:
        raise NoAnswer
    return int(numbers[-1])


def is_revert(refusal: RpcRefusal) -> bool:
    """Whether the contract refused, and not the node. geth has code 3 only where the contract gave a reason."""
    return refusal.code == 3 or "revert" in refusal.message.lower()


def _decoded(types: tuple[str, ...], answer: bytes) -> tuple[Any, ...]:
    try:
        return abi_decode(types, answer)
    except (DecodingError, OverflowError) as error:
        raise NoAnswer from error


def _ask(to: str, name: str, types: tuple[str, ...], values: tuple[Any, ...], block: str = LATEST) -> Call[bytes]:
    data = selector(name, types) + abi_encode(types, values)
    return Call("eth_call", [{"to": to, "data": "0x" + data.hex()}, block], DATA)
