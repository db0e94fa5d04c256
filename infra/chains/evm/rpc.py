"""JSON-RPC to EVM nodes: batches, and the chain that a node must be of."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.errors import ChainUnavailable
from infra.chains.evm.answers import QUANTITY
from infra.chains.json_rpc import DEADLINE_S, HttpNode, RpcRefusal, first_answer

T = TypeVar("T")

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024  # a hundred full blocks' transaction hashes are 5 MB
MAX_BATCH: Final = 100  # calls. Source: the least that large providers allow; geth's own limit is 1000


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One question of a batch, and the shape of its answer."""

    method: str
    params: list[Any]
    into: TypeAdapter[T]


class EvmNode(HttpNode):
    """One node. What it refuses (a revert has code 3, with data), bad parameters among it, condemns no node."""

    max_answer_bytes = MAX_ANSWER_BYTES
    # Source: EIP-1474 (-32002 unavailable, geth: timed out; -32004 not supported; -32005 limit), JSON-RPC 2.0
    # (-32601, -32603, -32700), and what providers say for HTTP 429.
    troubles = frozenset({429, -32002, -32004, -32005, -32016, -32429, -32601, -32603, -32700})

    def __init__(self, url: str, chain_number: int, http: httpx.AsyncClient, deadline_s: float = DEADLINE_S) -> None:
        super().__init__(url, http, deadline_s)
        self._chain_number, self._is_ours = chain_number, False

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
        # A single question goes as one object: not every provider takes batches.
        raw = await self._asked(bodies if len(bodies) > 1 else bodies[0], what)
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
        """As `first_answer`."""
        return await first_answer(self.nodes, question)

    async def call(self, method: str, params: list[Any], into: TypeAdapter[T]) -> T:
        """One call, as `ask`."""
        return await self.ask(lambda node: node.call(method, params, into))

    async def batch(self, calls: Sequence[Call[T]]) -> list[T]:
        """Several calls, all answered by one node, as `ask`."""
        return await self.ask(lambda node: node.batch(calls))

    async def read(self, calls: Sequence[Call[T]]) -> list[T]:
        """As `EvmNode.read`, by the first node that answers it all. Errors: CHAIN_UNAVAILABLE (retried)."""
        return await self.ask(lambda node: node.read(calls))
