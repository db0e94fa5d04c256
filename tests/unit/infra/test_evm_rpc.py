"""The EVM client: one try, bounded, the right chain, and the next node only where another could do better."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from domain.errors import ChainUnavailable
from infra.chains.evm.answers import QUANTITY
from infra.chains.evm.rpc import MAX_ANSWER_BYTES, MAX_BATCH, Call, EvmRpc
from infra.chains.json_rpc import RpcRefusal
from tests.unit.infra.evm_script import CHAIN, Script, rpc_of, transport

Answer = Callable[[httpx.Request], Any]
GOOD = Script({"eth_blockNumber": "0x7"})


async def ask(first: Answer, second: Answer = GOOD) -> tuple[int, list[str]]:
    """The answer of two nodes, and who was asked for it. Both say that they are of the right chain."""
    asked: list[str] = []

    async def route(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["method"] == "eth_chainId":
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": 0, "result": hex(CHAIN)})
        asked.append(request.url.host)
        said: Any = (first if request.url.host == "one" else second)(request)
        answer = await said if asyncio.iscoroutine(said) else said
        assert isinstance(answer, httpx.Response)
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(route)) as http:
        rpc = EvmRpc(("http://one/secret?key=secret", "http://two/secret"), CHAIN, http, deadline_s=0.2)
        return await rpc.call("eth_blockNumber", [], QUANTITY), asked


def error(code: Any) -> Answer:
    body = {"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": "no", "data": "0x08c379a0"}}
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
    lambda _: httpx.Response(500, json={"jsonrpc": "2.0", "id": 0, "result": "0x7"}),
    lambda _: httpx.Response(200, content=b"{"),
    lambda _: httpx.Response(200, content=b"[" * 100_000),
    lambda _: httpx.Response(200, content=b" " * (MAX_ANSWER_BYTES + 1)),
    lambda _: httpx.Response(200, json=[]),
    lambda _: httpx.Response(200, json={"id": 0}),
    lambda _: httpx.Response(200, json={"id": 1, "result": "0x7"}),
    lambda _: httpx.Response(200, json={"id": 0, "result": 7}),
    lambda _: httpx.Response(200, json={"id": 0, "result": "0x"}),
    lambda _: httpx.Response(200, json={"id": 0, "result": None}),
    error(-32005),
    error(-32601),
    error(-32603),
    error(429),
    error("limit"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_node_in_trouble_is_passed_over(trouble: Answer) -> None:
    assert await ask(trouble) == (7, ["one", "two"])


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_when_all_nodes_are_in_trouble_the_chain_is_unavailable(trouble: Answer) -> None:
    with pytest.raises(ChainUnavailable) as failure:
        await ask(trouble, trouble)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("code", [3, -32000, -32003, -32602])
async def test_a_refusal_of_the_request_condemns_no_node(code: int) -> None:
    def unasked(_: httpx.Request) -> httpx.Response:
        raise AssertionError("the second node was asked")

    with pytest.raises(RpcRefusal) as refusal:
        await ask(error(code), unasked)
    assert (refusal.value.code, refusal.value.message, refusal.value.data) == (code, "no", "0x08c379a0")


async def test_the_chain_is_asked_for_once_before_anything_else() -> None:
    node = Script({"eth_blockNumber": "0x7"})
    async with httpx.AsyncClient(transport=transport(one=node)) as http:
        rpc = rpc_of(http, "one")
        for _ in range(3):
            assert await rpc.call("eth_blockNumber", [], QUANTITY) == 7
    assert [method for method, _ in node.asked] == ["eth_chainId"] + ["eth_blockNumber"] * 3


async def test_nothing_that_a_node_of_another_chain_says_is_believed() -> None:
    wrong = Script({"eth_chainId": "0x1", "eth_blockNumber": "0x63"})
    async with httpx.AsyncClient(transport=transport(one=wrong, two=GOOD)) as http:
        assert await rpc_of(http, "one", "two").call("eth_blockNumber", [], QUANTITY) == 7
        for _ in range(2):
            with pytest.raises(ChainUnavailable, match="chain 1, not 31337"):
                await rpc_of(http, "one").call("eth_blockNumber", [], QUANTITY)


def numbers(count: int) -> list[Call[int]]:
    return [Call("eth_getBlockTransactionCountByNumber", [hex(number)], QUANTITY) for number in range(count)]


async def test_a_batch_is_answered_in_order_and_asked_in_pieces() -> None:
    node = Script({"eth_getBlockTransactionCountByNumber": lambda number: number})
    async with httpx.AsyncClient(transport=transport(one=node)) as http:
        assert await rpc_of(http, "one").batch(numbers(2 * MAX_BATCH + 1)) == list(range(2 * MAX_BATCH + 1))
    assert [len(one) for one in node.requests] == [1, MAX_BATCH, MAX_BATCH, 1]


async def test_a_batch_that_one_answer_is_missing_from_is_no_answer() -> None:
    def short(request: httpx.Request) -> httpx.Response:
        answer = Script({"eth_getBlockTransactionCountByNumber": "0x1"})(request)
        body = answer.json()
        return httpx.Response(200, json=body[1:] if isinstance(body, list) else body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(short)) as http:
        with pytest.raises(ChainUnavailable, match="nonsense"):
            await rpc_of(http, "one").batch(numbers(3))


async def test_a_node_that_takes_no_batches_is_passed_over() -> None:
    def single(request: httpx.Request) -> httpx.Response:
        if isinstance(json.loads(request.content), list):
            refusal = {"code": -32600, "message": "batches are off"}
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": None, "error": refusal})
        return Script()(request)

    other = Script({"eth_getBlockTransactionCountByNumber": lambda number: number})

    def route(request: httpx.Request) -> httpx.Response:
        return (single if request.url.host == "one" else other)(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(route)) as http:
        assert await rpc_of(http, "one", "two").batch(numbers(2)) == [0, 1]
        with pytest.raises(ChainUnavailable, match="does not take a batch"):
            await rpc_of(http, "one").batch(numbers(2))


async def test_one_refusal_in_a_batch_refuses_it() -> None:
    refused = {"error": {"code": 3, "message": "execution reverted", "data": "0x"}}
    node = Script({"eth_getBlockTransactionCountByNumber": lambda number: refused if number == "0x1" else number})
    async with httpx.AsyncClient(transport=transport(one=node)) as http:
        with pytest.raises(RpcRefusal):
            await rpc_of(http, "one").batch(numbers(3))


async def test_what_every_healthy_node_tells_is_asked_of_the_next_when_one_refuses() -> None:
    refused = {"error": {"code": -32000, "message": "missing trie node"}}
    starting = Script({"eth_getBlockTransactionCountByNumber": refused})
    healthy = Script({"eth_getBlockTransactionCountByNumber": lambda number: number})
    async with httpx.AsyncClient(transport=transport(one=starting, two=healthy)) as http:
        assert await rpc_of(http, "one", "two").read(numbers(2)) == [0, 1]
        with pytest.raises(ChainUnavailable, match="missing trie node"):
            await rpc_of(http, "one").read(numbers(2))


async def test_a_node_that_does_not_tell_its_chain_is_passed_over() -> None:
    shy = Script({"eth_chainId": {"error": {"code": -32000, "message": "later"}}, "eth_blockNumber": "0x63"})
    async with httpx.AsyncClient(transport=transport(one=shy, two=GOOD)) as http:
        assert await rpc_of(http, "one", "two").call("eth_blockNumber", [], QUANTITY) == 7


def test_a_chain_without_nodes_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one RPC URL of chain 31337"):
        EvmRpc((), CHAIN, httpx.AsyncClient())


async def test_of_several_calls_each_tells_whether_it_was_refused() -> None:
    refused = {"error": {"code": 3, "message": "execution reverted", "data": "0x"}}
    node = Script({"eth_blockNumber": "0x7", "eth_call": refused})
    calls = [Call("eth_blockNumber", [], QUANTITY), Call("eth_call", [], QUANTITY)]
    async with httpx.AsyncClient(transport=transport(one=node)) as http:
        rpc = rpc_of(http, "one")
        number, refusal = await rpc.ask(lambda asked: asked.each(calls))
        assert number == 7
        assert isinstance(refusal, RpcRefusal)
        with pytest.raises(RpcRefusal, match="3 execution reverted"):
            await rpc.batch(calls)
