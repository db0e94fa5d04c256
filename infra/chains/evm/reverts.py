"""Why a call was reverted, in words. Source: the Solidity manual, "Panic via assert and Error via require"."""

from collections.abc import Mapping
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from infra.chains.json_rpc import RpcRefusal

_MAX_CHARACTERS: Final = 200  # a contract chooses the text, and may choose a book
_ERROR: Final = bytes.fromhex("08c379a0")  # Error(string)
_PANIC: Final = bytes.fromhex("4e487b71")  # Panic(uint256)
_PANICS: Final[Mapping[int, str]] = {
    0x01: "an assertion failed",
    0x11: "a number overflowed",
    0x12: "a division by zero",
    0x21: "no member of an enumeration",
    0x22: "a broken byte array in storage",
    0x31: "a pop from an empty array",
    0x32: "an index out of bounds",
    0x41: "too much memory asked for",
    0x51: "a call of an empty function",
}


def revert_reason(data: bytes) -> str:
    """The reason that a call's answer bytes give, as part of a sentence."""
    try:
        if data[:4] == _ERROR:
            (text,) = decode(["string"], data[4:])
            return f"reverted: {_printable(text)}"
        if data[:4] == _PANIC:
            (number,) = decode(["uint256"], data[4:])
            return f"reverted: {_PANICS.get(number, 'panic')} (panic {number:#x})"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return f"reverted with unreadable reason {data[:4].hex()}"
    if not data:
        return "reverted without a reason"
    return f"reverted with error 0x{data[:4].hex()} ({len(data)} bytes)"


def refusal_reason(refusal: RpcRefusal) -> str:
    """The reason of a refused `eth_call` or `eth_estimateGas`: the revert's own, or the node's words."""
    data = _revert_data(refusal.data)
    return revert_reason(data) if data else f"refused: {_printable(refusal.message)} ({refusal.code})"


def _revert_data(data: Any) -> bytes:
    try:
        return bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else b""
    except ValueError:
        return b""


def _printable(text: str) -> str:
    kept = "".join(one if one.isprintable() else "?" for one in text[: _MAX_CHARACTERS + 1])
    return kept if len(kept) <= _MAX_CHARACTERS else kept[:_MAX_CHARACTERS] + "…"
