"""A request as the proxy reads it: what it asks for, by name, and the transactions it carries."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from infra.devnet.solana import base58

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC call."""

    id: Any
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `calls` is empty when it is no JSON-RPC."""

    method: str
    target: str  # path and query
    headers: tuple[Header, ...]
    body: bytes
    calls: tuple[Call, ...]
    names: tuple[str, ...]  # one; of a JSON-RPC batch, one a call

    @property
    def params(self) -> str:
        """What tells it from other requests of the same name; a JSON-RPC id does not."""
        if self.calls:
            return json.dumps([call.params for call in self.calls], sort_keys=True)
        return f"{self.target} {self.body!r}"

    def payloads(self) -> tuple[str, ...]:
        """SHA-256 (hex) of the raw bytes of every transaction that it asks to broadcast."""
        raws = [raw for call in self.calls if (raw := _transaction(call)) is not None]
        return tuple(hashlib.sha256(raw).hexdigest() for raw in raws)


def read(method: str, target: str, headers: tuple[Header, ...], body: bytes) -> Request:
    """Name it: by its JSON-RPC methods, by `X-Amz-Target`, else `METHOD path`."""
    operation = next((value.decode() for name, value in headers if name.lower() == b"x-amz-target"), None)
    calls = () if operation else _calls(body)
    names = tuple(call.method for call in calls) or (operation or f"{method} {target.partition('?')[0]}",)
    return Request(method, target, headers, body, calls, names)


def _calls(body: bytes) -> tuple[Call, ...]:
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        return ()
    entries = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(entry, dict) and isinstance(entry.get("method"), str) for entry in entries):
        return ()
    return tuple(Call(entry.get("id"), entry["method"], entry.get("params", [])) for entry in entries)


def _transaction(call: Call) -> bytes | None:
    """The bytes to broadcast; None when it asks for something else, or what it carries is no transaction."""
    params = call.params if isinstance(call.params, list) else []
    if not params or not isinstance(params[0], str):
        return None
    try:
        if call.method == "eth_sendRawTransaction":
            return bytes.fromhex(params[0].removeprefix("0x"))
        if call.method == "sendTransaction":
            options = params[1] if len(params) > 1 and isinstance(params[1], dict) else {}
            # Source: Solana JSON-RPC, sendTransaction: base58 unless told otherwise.
            if options.get("encoding", "base58") == "base64":
                return base64.b64decode(params[0], validate=True)
            return base58.decode(params[0])
    except (ValueError, binascii.Error):
        return None
    return None
