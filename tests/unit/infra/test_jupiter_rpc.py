"""The JSON-RPC client: one try, bounded, and the next node only where another could do better."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from domain.errors import ChainUnavailable
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.rpc import MAX_ANSWER_BYTES, SolanaRpc

NUMBER = TypeAdapter(int)
GOOD = httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": 7})
Answer = Callable[[httpx.Request], Any]


async def ask(first: Answer, second: Answer | None = None) -> tuple[int, list[str]]:
    """The answer of two nodes, the second of which is well unless told, and who was asked."""
    asked: list[str] = []

    async def route(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        answer = first if request.url.host == "one.test" else second or (lambda _: GOOD)
        said = answer(request)
        return await said if asyncio.iscoroutine(said) else said

    async with httpx.AsyncClient(transport=httpx.MockTransport(route)) as http:
        rpc = SolanaRpc(("http://one.test/secret?key=secret", "http://two.test"), http, deadline_s=0.2)
        return await rpc.call("getSlot", [], NUMBER), asked


def error(code: int) -> Answer:
    body = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "no", "data": {"err": "X"}}}
    return lambda _: httpx.Response(200, json=body)


def broken(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


async def never(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


TROUBLES: list[Answer] = [
    broken,
    never,
    lambda _: httpx.Response(429),
    lambda _: httpx.Response(500, json={"jsonrpc": "2.0", "id": 1, "result": 7}),
    lambda _: httpx.Response(200, content=b"{"),
    lambda _: httpx.Response(200, content=b"[" * 100_000),
    lambda _: httpx.Response(200, json=[]),
    lambda _: httpx.Response(200, json={"id": 1}),
    lambda _: httpx.Response(200, json={"id": 1, "result": "7"}),
    error(-32005),
    error(-32016),
    error(-32601),
]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_node_in_trouble_is_passed_over(trouble: Answer) -> None:
    assert await ask(trouble) == (7, ["one.test", "two.test"])


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_when_all_nodes_are_in_trouble_the_chain_is_unavailable(trouble: Answer) -> None:
    with pytest.raises(ChainUnavailable) as failure:
        await ask(trouble, trouble)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("code", [-32002, -32003, -32602])
async def test_a_refusal_of_the_request_condemns_no_node(code: int) -> None:
    def unasked(_: httpx.Request) -> httpx.Response:
        raise AssertionError("the second node was asked")

    with pytest.raises(RpcRefusal) as refusal:
        await ask(error(code), unasked)
    assert (refusal.value.code, refusal.value.data) == (code, {"err": "X"})


async def test_an_answer_without_end_is_cut_off() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 65_536
            yield b" " * 65_536

    assert await ask(lambda _: httpx.Response(200, content=endless())) == (7, ["one.test", "two.test"])
    assert read <= MAX_ANSWER_BYTES + 2 * 65_536


async def test_a_node_is_asked_once() -> None:
    calls = 0

    def count(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        assert json.loads(request.content)["method"] == "getSlot"
        return httpx.Response(503)

    await ask(count)
    assert calls == 1


async def test_a_client_without_nodes_is_not_made() -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(ValueError, match="URL"):
            SolanaRpc((), http)
