"""Accounts as JSON, in the encodings of a Solana node."""

import base64
from collections.abc import Callable
from typing import Any, Final

from solders.account import Account
from solders.pubkey import Pubkey

from infra.devnet.solana import base58
from infra.devnet.solana.errors import INVALID_REQUEST, RpcError, invalid
from infra.devnet.solana.records import token_amount
from infra.devnet.solana.tokens import read_decimals, read_supply, read_token_account

_MAX_BASE58: Final = 128  # bytes; longer data costs a node too much to write in base 58
_RENT_EPOCH: Final = 2**64 - 1  # what every rent-exempt account shows

Read = Callable[[Pubkey], Account | None]


def account_json(account: Account, settings: dict[str, Any], read: Read) -> dict[str, Any]:
    """One account. `read` finds the mint of a token account, for `jsonParsed`."""
    return {
        "data": _data(account, settings, read),
        "executable": account.executable,
        "lamports": account.lamports,
        "owner": str(account.owner),
        "rentEpoch": _RENT_EPOCH,
        "space": len(account.data),
    }


def _data(account: Account, settings: dict[str, Any], read: Read) -> Any:
    encoding = settings.get("encoding") or "base58"
    data = account.data
    if (part := settings.get("dataSlice")) and encoding != "jsonParsed":
        try:
            data = data[int(part["offset"]) : int(part["offset"]) + int(part["length"])]
        except (KeyError, TypeError, ValueError) as error:
            raise invalid("Invalid params: dataSlice needs offset and length") from error
    if encoding == "jsonParsed":
        return _parsed(account, read) or [base64.b64encode(data).decode(), "base64"]
    if encoding == "base64":
        return [base64.b64encode(data).decode(), "base64"]
    if encoding == "base58":
        if len(data) > _MAX_BASE58:
            message = "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding."
            raise RpcError(INVALID_REQUEST, message)
        return [base58.encode(data), "base58"]
    raise invalid(f"Invalid params: unsupported encoding {encoding!r}")


def _parsed(account: Account, read: Read) -> dict[str, Any] | None:
    if token := read_token_account(account):
        decimals = read_decimals(read(token.mint))
        if decimals is None:
            return None
        info: dict[str, Any] = {
            "isNative": account.data[109] == 1,
            "mint": str(token.mint),
            "owner": str(token.owner),
            "state": "frozen" if token.frozen else "initialized",
            "tokenAmount": token_amount(token.amount, decimals),
        }
        kind = "account"
    elif (decimals := read_decimals(account)) is not None:
        info = {
            "decimals": decimals,
            "freezeAuthority": None,
            "isInitialized": True,
            "mintAuthority": None,
            "supply": str(read_supply(account)),
        }
        kind = "mint"
    else:
        return None
    parsed = {"info": info, "type": kind}
    return {"parsed": parsed, "program": "spl-token", "space": len(account.data)}
