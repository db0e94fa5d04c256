"""JSON-RPC to EVM nodes: one deadline, one try and one bounded answer each; the next node when one fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.errors import ChainUnavailable
from infra.chains.evm.answers import QUANTITY

T = TypeVar("T")

DEADLINE_S: Final = 5.0  # a healthy node answers in a fraction of a second; five are a node to leave
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024  # a hundred full blocks' transaction hashes are 5 MB
MAX_BATCH: Final = 100  # calls. Source: the least that large providers allow; geth's own limit is 1000

# The node's own trouble, which another node may not have. Source: EIP-1474 (-32002 unavailable, geth: timed out;
# -32004 not supported; -32005 limit), JSON-RPC 2.0 (-32601, -32603, -32700), and what providers say for HTTP 429.
_NODE_TROUBLE: Final = {429, -32002, -32004, -32005, -32016, -32429, -32601, -32603, -32700}


class RpcRefusal(Exception):
    """A healthy node refuses this very request: a revert (code 3, with data), bad parameters, a bad transaction."""

    def __init__(self, code: int, message: str, data: object) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.data = code, message, data


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One question of a batch, and the shape of its answer."""

    method: str
    params: list[Any]
    into: TypeAdapter[T]


class EvmNode:
    """One node. `host` names it in proofs and messages: a URL's path or query may hold a provider's key."""

    def __init__(self, url: str, chain_number: int, http: httpx.AsyncClient, deadline_s: float = DEADLINE_S) -> None:
        self._url, self._http, self._deadline_s = url, http, deadline_s
        self._chain_number, self._is_ours = chain_number, False
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    async def call(self, method: str, params: list[Any], into: TypeAdapter[T]) -> T:
        """Ask once. Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal, when the request itself is refused."""
        (answer,) = await self.batch([Call(method, params, into)])
        return answer

    async def batch(self, calls: Sequence[Call[T]]) -> list[T]:
        """Ask several things at once, and get the answers in order; all of them, or an error.

        Errors: as `call`, for the first that fails.
        """
        answers: list[T] = []
        for answer in await self.each(calls):
            if isinstance(answer, RpcRefusal):
                raise answer
            answers.append(answer)
        return answers

    async def each(self, calls: Sequence[Call[T]]) -> list[T | RpcRefusal]:
        """As `batch`, but what is refused has its refusal for an answer: that a call reverts is an answer too.

        More than `MAX_BATCH` go in several requests, one after the other. Errors: CHAIN_UNAVAILABLE (retried).
        """
        if not self._is_ours:
            await self._check_chain()
        answers: list[T | RpcRefusal] = []
        for start in range(0, len(calls), MAX_BATCH):
            answered = await self._ask(calls[start : start + MAX_BATCH])
            answers += answered
        return answers

    async def read(self, calls: Sequence[Call[T]]) -> list[T]:
        """As `batch`, for questions that every healthy node answers, such as counts, blocks and receipts.

        A refusal of those is the node's own trouble: it is starting, or has thrown the state away.
        Errors: CHAIN_UNAVAILABLE (retried).
        """
        try:
            return await self.batch(calls)
        except RpcRefusal as refusal:
            raise ChainUnavailable(f"{self.host} refused to tell {_named(calls)}: {refusal}") from refusal

    async def _check_chain(self) -> None:
        (number,) = await self._ask([Call("eth_chainId", [], QUANTITY)])
        if isinstance(number, RpcRefusal):
            raise ChainUnavailable(f"{self.host} refused to tell its chain: {number}") from number
        if number != self._chain_number:
            raise ChainUnavailable(
                f"{self.host} is a node of chain {number}, not {self._chain_number}: correct the list of RPC URLs"
            )
        self._is_ours = True

    async def _ask(self, calls: Sequence[Call[T]]) -> list[T | RpcRefusal]:
        what = _named(calls)
        bodies = [
            {"jsonrpc": "2.0", "id": no, "method": call.method, "params": call.params} for no, call in enumerate(calls)
        ]
        try:
            async with asyncio.timeout(self._deadline_s):
                # A single question goes as one object: not every provider takes batches.
                raw = await self._post(bodies if len(bodies) > 1 else bodies[0], what)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ChainUnavailable(f"{self.host} did not answer {what}: {type(error).__name__}") from error
        try:
            said = from_json(raw)  # refuses deep nesting, whatever the interpreter's recursion limit
            if len(calls) > 1 and isinstance(said, dict):
                raise ChainUnavailable(f"{self.host} does not take a batch of {what}: {str(said.get('error'))[:200]}")
            by_id = {answer["id"]: answer for answer in (said if len(calls) > 1 else [said])}
            answers: list[T | RpcRefusal] = []
            for no, call in enumerate(calls):
                answer = self._read(call, by_id[no])
                answers.append(answer)
        except (ValueError, ValidationError, KeyError, TypeError, AttributeError) as error:
            raise ChainUnavailable(f"{self.host} answered {what} with nonsense") from error
        return answers

    def _read(self, call: Call[T], answer: dict[str, Any]) -> T | RpcRefusal:
        if isinstance(answer.get("error"), dict):
            return self._refusal(call.method, answer["error"])
        return call.into.validate_python(answer["result"], strict=True)

    async def _post(self, body: object, what: str) -> bytes:
        async with self._http.stream("POST", self._url, json=body) as response:
            if response.status_code != httpx.codes.OK:
                raise ChainUnavailable(f"{self.host} answered {what} with HTTP {response.status_code}")
            raw = bytearray()
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > MAX_ANSWER_BYTES:
                    raise ChainUnavailable(f"{self.host} answered {what} with more than it can mean")
            return bytes(raw)

    def _refusal(self, method: str, error: dict[str, Any]) -> RpcRefusal:
        code, message = error.get("code"), str(error.get("message", ""))[:2000]
        if not isinstance(code, int) or code in _NODE_TROUBLE:
            raise ChainUnavailable(f"{self.host} cannot answer {method}: {code} {message}")
        return RpcRefusal(code, message, error.get("data"))


def _named(calls: Sequence[Call[Any]]) -> str:
    return ", ".join(dict.fromkeys(call.method for call in calls))


class EvmRpc:
    """Several nodes of one chain, in order of preference. `chain_number` is the chain's id of EIP-155."""

    def __init__(
        self, urls: tuple[str, ...], chain_number: int, http: httpx.AsyncClient, deadline_s: float = DEADLINE_S
    ) -> None:
        if not urls:
            raise ValueError(f"at least one RPC URL of chain {chain_number} is needed")
        self.chain_number = chain_number
        self.nodes = tuple(EvmNode(url, chain_number, http, deadline_s) for url in urls)

    async def ask(self, question: Callable[[EvmNode], Awaitable[T]]) -> T:
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

    async def batch(self, calls: Sequence[Call[T]]) -> list[T]:
        """Several calls, all answered by one node, as `ask`."""
        return await self.ask(lambda node: node.batch(calls))

    async def read(self, calls: Sequence[Call[T]]) -> list[T]:
        """As `EvmNode.read`, by the first node that answers it all. Errors: CHAIN_UNAVAILABLE (retried)."""
        return await self.ask(lambda node: node.read(calls))
