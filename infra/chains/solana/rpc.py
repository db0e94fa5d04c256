"""JSON-RPC to Solana nodes."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.errors import ChainUnavailable
from infra.chains.json_rpc import DEADLINE_S, HttpNode, first_answer

T = TypeVar("T")

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # a hundred accounts of 10 kB, in base64, and as much again


class SolanaNode(HttpNode):
    max_answer_bytes = MAX_ANSWER_BYTES
    # Source: solana rpc-client-api `custom_error.rs`; -32601 a provider without the method, -32603 internal,
    # -32429 a provider's way to say "too many requests".
    troubles = frozenset({-32004, -32005, -32014, -32016, -32429, -32601, -32603})

    def __init__(self, url: str, http: httpx.AsyncClient, deadline_s: float = DEADLINE_S) -> None:
        super().__init__(url, http, deadline_s)

    async def call(self, method: str, params: list[Any], into: TypeAdapter[T]) -> T:
        """Ask once. Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal, when the request itself is refused."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        raw = await self._asked(body, method)
        try:
            answer = from_json(raw)  # refuses deep nesting, whatever the interpreter's recursion limit
            if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
                raise self._refusal(method, answer["error"])
            return into.validate_python(answer["result"], strict=True)
        except (ValueError, ValidationError, KeyError, TypeError) as error:
            raise ChainUnavailable(f"{self.host} answered {method} with nonsense") from error


class SolanaRpc:
    """Several nodes, in order of preference."""

    def __init__(self, urls: tuple[str, ...], http: httpx.AsyncClient, deadline_s: float = DEADLINE_S) -> None:
        if not urls:
            raise ValueError("at least one Solana RPC URL is needed")
        self.nodes = tuple(SolanaNode(url, http, deadline_s) for url in urls)

    async def ask(self, question: Callable[[SolanaNode], Awaitable[T]]) -> T:
        """As `first_answer`."""
        return await first_answer(self.nodes, question)

    async def call(self, method: str, params: list[Any], into: TypeAdapter[T]) -> T:
        """One call, as `ask`."""
        return await self.ask(lambda node: node.call(method, params, into))
