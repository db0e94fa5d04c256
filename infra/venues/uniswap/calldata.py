"""The calls that are signed, as bytes and back. Source of signatures: the contracts' own interfaces.

SwapRouter02's `exactInputSingle` has no deadline, so it travels in the `multicall` that has one.
"""

from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from domain.evm_intent import Approve, Call, Unexpected, Unwrap, V2Form, V2Swap, V3Swap

_SINGLE: Final = "(address,address,uint24,address,uint256,uint256,uint160)"

_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "approve": ("address", "uint256"),
    V2Form.TOKENS: ("uint256", "uint256", "address[]", "address", "uint256"),
    V2Form.FROM_NATIVE: ("uint256", "address[]", "address", "uint256"),
    V2Form.TO_NATIVE: ("uint256", "uint256", "address[]", "address", "uint256"),
    "multicall": ("uint256", "bytes[]"),
    "exactInputSingle": (_SINGLE,),
    "unwrapWETH9": ("uint256", "address"),
}


def selector(name: str, types: tuple[str, ...]) -> bytes:
    """The first four bytes of a call: they name the function and the layout of what follows."""
    return keccak(text=f"{name}({','.join(types)})")[:4]


_SELECTORS: Final = {selector(name, types): name for name, types in _TYPES.items()}


class UnreadableCall(Exception):
    """Call data that is not one of ours, byte for byte."""


def encode(call: Approve | V2Swap | V3Swap) -> bytes:
    match call:
        case Approve(spender, base):
            return _pack("approve", spender, base)
        case V2Swap(V2Form.FROM_NATIVE):
            return _pack(call.form, call.minimum_out, call.path, call.recipient, call.deadline)
        case V2Swap():
            return _pack(call.form, call.amount_in, call.minimum_out, call.path, call.recipient, call.deadline)
        case V3Swap():
            swap = (
                call.token_in,
                call.token_out,
                call.fee,
                call.recipient,
                call.amount_in,
                call.minimum_out,
                call.price_limit,
            )
            steps = [_pack("exactInputSingle", swap)]
            if call.unwrap is not None:
                steps.append(_pack("unwrapWETH9", call.unwrap.minimum, call.unwrap.recipient))
            return _pack("multicall", call.deadline, steps)


def decode(data: bytes) -> Call:
    """What a router or a token is asked for. Anything but the canonical bytes of a known call is unexpected."""
    try:
        call = _read(data)
    except UnreadableCall as reason:
        return Unexpected(str(reason))
    # A second form of the same call could mean something else to a contract that reads it otherwise.
    return call if encode(call) == data else Unexpected("a known call in a form that is not ours")


def _read(data: bytes) -> Approve | V2Swap | V3Swap:
    name, values = _unpack(data)
    match name:
        case "approve":
            spender, base = values
            return Approve(to_checksum_address(spender), base)
        case V2Form.FROM_NATIVE:
            minimum, path, recipient, deadline = values
            return V2Swap(V2Form(name), None, minimum, _path(path), to_checksum_address(recipient), deadline)
        case V2Form.TOKENS | V2Form.TO_NATIVE:
            amount, minimum, path, recipient, deadline = values
            return V2Swap(V2Form(name), amount, minimum, _path(path), to_checksum_address(recipient), deadline)
        case "multicall":
            deadline, steps = values
            return _read_v3(deadline, steps)
        case _:
            raise UnreadableCall(f"{name} without a deadline around it")


def _read_v3(deadline: int, steps: tuple[bytes, ...]) -> V3Swap:
    read = [_unpack(step) for step in steps]
    names = [name for name, _ in read]
    if names not in (["exactInputSingle"], ["exactInputSingle", "unwrapWETH9"]):
        raise UnreadableCall(f"a multicall of {', '.join(names) or 'nothing'}")
    ((token_in, token_out, fee, recipient, amount, minimum, limit),) = read[0][1]
    unwrap = None
    if len(read) == 2:
        least, to = read[1][1]
        unwrap = Unwrap(least, to_checksum_address(to))
    token_in, token_out, recipient = map(to_checksum_address, (token_in, token_out, recipient))
    return V3Swap(deadline, token_in, token_out, fee, recipient, amount, minimum, limit, unwrap)


def _path(addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(to_checksum_address, addresses))


def _pack(name: str, *values: Any) -> bytes:
    return selector(name, _TYPES[name]) + abi_encode(_TYPES[name], values)


def _unpack(data: bytes) -> tuple[str, tuple[Any, ...]]:
    name = _SELECTORS.get(data[:4])
    if name is None:
        raise UnreadableCall(f"the unknown call 0x{data[:4].hex()}")
    try:
        return name, abi_decode(_TYPES[name], data[4:])
    except (DecodingError, OverflowError) as error:  # the latter for an offset beyond any machine's numbers
        raise UnreadableCall(f"{name} with values that cannot be read: {error}") from error
