"""Parameters of a call: positional values, then one optional object of settings."""

from typing import Any, Final

from solders.hash import Hash
from solders.pubkey import Pubkey

from infra.devnet.solana.chain import Chain, Commitment
from infra.devnet.solana.errors import MIN_CONTEXT_SLOT, RpcError, invalid
from infra.devnet.solana.ledger import Block

API_VERSION: Final = "3.0.0"  # the validator release whose shapes are copied


class Params:
    """Reads what a caller passed. Errors: −32602 for whatever does not fit."""

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, list):
            raise invalid("Invalid params: expected a list")
        self._raw: list[Any] = raw

    def text(self, at: int) -> str:
        value = self._raw[at] if at < len(self._raw) else None
        if not isinstance(value, str):
            raise invalid(f"Invalid params: expected a string at index {at}")
        return value

    def number(self, at: int) -> int:
        value = self._raw[at] if at < len(self._raw) else None
        if type(value) is not int or value < 0:
            raise invalid(f"Invalid params: expected an unsigned integer at index {at}")
        return value

    def texts(self, at: int, most: int) -> list[str]:
        value = self._raw[at] if at < len(self._raw) else []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid(f"Invalid params: expected a list of strings at index {at}")
        if len(value) > most:
            raise invalid(f"Too many inputs provided; max {most}")
        return value

    def address(self, at: int) -> Pubkey:
        return as_address(self.text(at))

    def blockhash(self, at: int) -> Hash:
        try:
            return Hash.from_string(self.text(at))
        except ValueError as error:
            raise invalid(f"Invalid param: {error}") from error

    def settings(self, at: int) -> dict[str, Any]:
        value = self._raw[at] if at < len(self._raw) else None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise invalid(f"Invalid params: expected an object at index {at}")
        return value


def as_address(text: str) -> Pubkey:
    """Errors: −32602."""
    try:
        return Pubkey.from_string(text)
    except ValueError as error:
        raise invalid(f"Invalid param: {error}") from error


def commitment_of(settings: dict[str, Any], key: str = "commitment") -> Commitment:
    """The asked commitment, `finalized` unless told."""
    try:
        return Commitment(settings.get(key) or Commitment.FINALIZED)
    except ValueError as error:
        raise invalid(f"Invalid params: unknown commitment {settings.get(key)!r}") from error


def view_of(chain: Chain, settings: dict[str, Any], key: str = "commitment") -> Block:
    """The block whose state is asked for. Errors: −32016 if it is older than the caller insists on."""
    block = chain.block_at(commitment_of(settings, key))
    least = settings.get("minContextSlot")
    if least is not None and (type(least) is not int or least < 0):
        raise invalid("Invalid params: minContextSlot must be an unsigned integer")
    if least is not None and block.slot < least:
        message = "Minimum context slot has not been reached"
        raise RpcError(MIN_CONTEXT_SLOT, message, {"contextSlot": block.slot})
    return block


def in_context(block: Block, value: Any) -> dict[str, Any]:
    """An answer together with the slot it is true of."""
    return {"context": {"apiVersion": API_VERSION, "slot": block.slot}, "value": value}
