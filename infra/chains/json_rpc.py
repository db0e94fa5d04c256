"""What JSON-RPC clients share: one deadline, one try and one bounded answer each; the next node when one fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from domain.errors import ChainUnavailable

N = TypeVar("N")
T = TypeVar("T")

DEADLINE_S: Final = 5.0  # a healthy node answers in a fraction of a second; five are a node to leave


class RpcRefusal(Exception):
    """A healthy node refuses this very request. Another node would say the same."""

    def __init__(self, code: int, message: str, data: object) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.data = code, message, data


class HttpNode:
    """One node. `host` names it in proofs and messages: a URL's path or query may hold a provider's key.

    A chain says how long an answer may be, and which error codes are the node's own trouble, that another node
    may not have.
    """

    max_answer_bytes: ClassVar[int]
    troubles: ClassVar[frozenset[int]]

    def __init__(self, url: str, http: httpx.AsyncClient, deadline_s: float) -> None:
        self._url, self._http, self._deadline_s = url, http, deadline_s
        parts = urlsplit(url)
        self.host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    async def _asked(self, body: object, what: str) -> bytes:
        """The bytes of the answer. `what` names the question. Errors: CHAIN_UNAVAILABLE (retried)."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._post(body, what)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ChainUnavailable(f"{self.host} did not answer {what}: {type(error).__name__}") from error

    async def _post(self, body: object, what: str) -> bytes:
        async with self._http.stream("POST", self._url, json=body) as response:
            if response.status_code != httpx.codes.OK:
                raise ChainUnavailable(f"{self.host} answered {what} with HTTP {response.status_code}")
            raw = bytearray()
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > self.max_answer_bytes:
                    raise ChainUnavailable(f"{self.host} answered {what} with more than it can mean")
            return bytes(raw)

    def _refusal(self, method: str, error: dict[str, Any]) -> RpcRefusal:
        """What an `error` object means. Errors: CHAIN_UNAVAILABLE (retried), where it is the node's own trouble."""
        code, message = error.get("code"), str(error.get("message", ""))[:2000]
        if not isinstance(code, int) or code in self.troubles:
            raise ChainUnavailable(f"{self.host} cannot answer {method}: {code} {message}")
        return RpcRefusal(code, message, error.get("data"))


async def first_answer(nodes: Sequence[N], question: Callable[[N], Awaitable[T]]) -> T:
    """Put a question, which may take several calls, to one node after the other until one answers it all.

    Errors: CHAIN_UNAVAILABLE (retried), from the last node; RpcRefusal, from the first that refuses.
    """
    *others, last = nodes
    for node in others:
        try:
            return await question(node)
        except ChainUnavailable:
            continue
    return await question(last)
