"""JSON-RPC to Solana nodes: one deadline, one try and one bounded answer each; the next node when one fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from domain.errors import ChainUnavailable

T = TypeVar("T")

DEADLINE_S: Final = 5.0  # a healthy node answers in a fraction of a second; five are a node to leave
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # a hundred accounts of 10 kB, in base64, and as much again

# The node's own trouble, which another node may not have.
# Source: solana rpc-client-api `custom_error.rs`; -32601 a provider without the method, -32603 internal,
# -32429 a provider's way to say "too many requests".
_NODE_TROUBLE: Final = {-32004, -32005, -32014, -32016, -32429, -32601, -32603}


class RpcRefusal(Exception):
    """A healthy node refuses this very request. Another node would say the same."""

    def __init__(self, code: int, message: str, data: object) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.data = code, message, data


class SolanaNode:
    """One node. `host` names it in proofs and messages: a URL's path or query may hold a provider's key."""

    def __init__(self, url: str, http: httpx.AsyncClient, deadline_s: float = DEADLINE_S) -> None:
        self._url, self._http, self._deadline_s = url, http, deadline_s
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    async def call(self, method: str, params: list[Any], into: TypeAdapter[T]) -> T:
        """Ask once. Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal, when the request itself is refused."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            async with asyncio.timeout(self._deadline_s):
                raw = await self._post(body, method)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ChainUnavailable(f"{self.host} did not answer {method}: {type(error).__name__}") from error
        try:
            answer = json.loads(raw)
            if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
                raise self._error(method, answer["error"])
            return into.validate_python(answer["result"], strict=True)
        except (ValueError, ValidationError, KeyError, TypeError, RecursionError) as error:
            raise ChainUnavailable(f"{self.host} answered {method} with nonsense") from error

    async def _post(self, body: dict[str, Any], method: str) -> bytes:
        async with self._http.stream("POST", self._url, json=body) as response:
            if response.status_code != httpx.codes.OK:
                raise ChainUnavailable(f"{self.host} answered {method} with HTTP {response.status_code}")
            raw = bytearray()
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > MAX_ANSWER_BYTES:
                    raise ChainUnavailable(f"{self.host} answered {method} with more than it can mean")
            return bytes(raw)

    def _error(self, method: str, error: dict[str, Any]) -> Exception:
        code, message = error.get("code"), str(error.get("message", ""))[:2000]
        if not isinstance(code, int) or code in _NODE_TROUBLE:
            return ChainUnavailable(f"{self.host} cannot answer {method}: {code} {message}")
        return RpcRefusal(code, message, error.get("data"))


class SolanaRpc:
    """Several nodes, in order of preference."""

    def __init__(self, urls: tuple[str, ...], http: httpx.AsyncClient, deadline_s: float = DEADLINE_S) -> None:
        if not urls:
            raise ValueError("at least one Solana RPC URL is needed")
        self.nodes = tuple(SolanaNode(url, http, deadline_s) for url in urls)

    async def ask(self, question: Callable[[SolanaNode], Awaitable[T]]) -> T:
        """Put a question, which may take several calls, to one node after the other until one answers it all.

        Errors: CHAIN_UNAVAILABLE (retried), from the last node; RpcRefusal, from the first that refuses.
        """
        *others, last = self.nodes
        for node in others:
            try:
                return await question(node)
            except ChainUnavailable:
                continue
        return await question(last)

    async def call(self, method: str, params: list[Any], into: TypeAdapter[T]) -> T:
        """One call, as `ask`."""
        return await self.ask(lambda node: node.call(method, params, into))
