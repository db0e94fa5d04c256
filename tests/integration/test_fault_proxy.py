"""What a proxy does to an exchange is what was ordered, and its log says so. A real server behind it."""

import asyncio
import base64
import hashlib
import json
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.devnet.kms.client import ensure_key
from infra.devnet.ports import LOOPBACK, free_port
from infra.devnet.proxy.http import HttpFaultProxy
from infra.devnet.proxy.modes import (
    Delay,
    DropAfter,
    DropBefore,
    Duplicate,
    Garble,
    LateDeliver,
    LieNull,
    Mode,
    Pass,
    Replace,
    StaleRead,
    Status,
    Truncate,
)
from infra.devnet.solana import base58
from tests.world.conditions import until
from tests.world.kms import kms_server
from tests.world.upstream import Upstream, upstream

BYTES = b"\x01\x02 signed"


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with upstream() as serving:
        yield serving


@pytest.fixture
async def proxy(server: Upstream) -> AsyncIterator[HttpFaultProxy]:
    server.heard.clear()
    async with HttpFaultProxy(server.url) as proxy:
        yield proxy


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


def call(method: str, *params: object, number: int = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


async def ask(client: httpx.AsyncClient, proxy: HttpFaultProxy, *calls: dict[str, object]) -> Any:
    response = await client.post(proxy.url, json=calls[0] if len(calls) == 1 else list(calls))
    return response.raise_for_status().json()


async def cut_off(client: httpx.AsyncClient, proxy: HttpFaultProxy, method: str = "getSlot") -> None:
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await ask(client, proxy, call(method))


async def test_without_a_fault_all_passes_both_ways(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    answer = await client.get(f"{proxy.url}/v2/markets%2Fa?limit=2&x=%20")
    assert answer.json()["path"] == "/v2/markets/a"
    assert answer.json()["query"] == "limit=2&x=%20"
    large = call("getBlock", "x" * 300_000)
    posted = await client.post(proxy.url, json=large)
    assert posted.headers["x-upstream"] == "heard"
    assert json.loads(server.heard[-1]) == large
    assert [exchange.names for exchange in proxy.log.calls()] == [("GET /v2/markets%2Fa",), ("getBlock",)]


async def test_a_crowd_of_clients_is_served(proxy: HttpFaultProxy) -> None:
    async with asyncio.TaskGroup() as crowd:
        for _ in range(500):
            crowd.create_task(_open_and_ask(proxy))
    assert proxy.log.count == 500


async def _open_and_ask(proxy: HttpFaultProxy) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    writer.write(b"GET /at/once HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_delayed_request_arrives_after_its_client_has_given_up(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    proxy.arm(Delay(0.3), times=1)
    with pytest.raises(httpx.ReadTimeout):
        await client.post(proxy.url, json=call("getSlot"), timeout=0.1)
    assert not server.heard

    async def arrived() -> bool:
        return len(server.heard) == 1

    await until(arrived)


async def test_dropped_before_the_upstream_hears_nothing(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    armed = proxy.arm(DropBefore())
    await cut_off(client, proxy)
    assert (server.heard, armed.hits) == ([], 1)
    assert not proxy.log.calls()[0].reached


async def test_dropped_after_the_upstream_has_answered(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    armed = proxy.arm(DropAfter())
    await cut_off(client, proxy)
    assert (len(server.heard), armed.hits) == (1, 1)
    exchange = proxy.log.calls()[0]
    assert (exchange.status, exchange.reached) == (200, True)
    assert json.loads(exchange.answer or b"")["result"]


async def test_delivered_late_the_client_is_cut_off_first(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    proxy.arm(LateDeliver(0.3), times=1)
    await cut_off(client, proxy)
    assert not server.heard
    assert not proxy.log.calls()[0].reached

    async def delivered() -> bool:
        return proxy.log.calls()[0].duration_s is not None

    await until(delivered)
    assert len(server.heard) == 1
    assert proxy.log.calls()[0].reached


async def test_a_duplicate_is_forwarded_twice_and_answered_once(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    proxy.arm(Duplicate(), times=1)
    first = await ask(client, proxy, call("sendTransaction", "1"))
    assert len(server.heard) == 2
    assert first["result"]["place"] == server.calls - 1
    assert [len(times) for times in proxy.log.sent().values()] == [2]


async def test_a_truncated_answer_ends_in_the_middle(proxy: HttpFaultProxy, client: httpx.AsyncClient) -> None:
    proxy.arm(Truncate())
    async with client.stream("POST", proxy.url, json=call("getSlot")) as response:
        pieces = response.aiter_bytes()
        heard = await anext(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)
    assert int(response.headers["content-length"]) // 2 == len(heard) > 0


async def test_a_garbled_answer_is_no_json(proxy: HttpFaultProxy, client: httpx.AsyncClient) -> None:
    proxy.arm(Garble())
    response = await client.post(proxy.url, json=call("getSlot"))
    assert response.status_code == 200
    with pytest.raises(ValueError):
        json.loads(response.content)


async def test_a_status_comes_from_the_proxy_alone(
    server: Upstream, proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    proxy.arm(Status(429, retry_after_s=7, body=b"slowly"))
    response = await client.post(proxy.url, json=call("getSlot"))
    assert (response.status_code, response.headers["retry-after"], response.content) == (429, "7", b"slowly")
    assert not server.heard


async def test_a_stale_answer_is_that_to_the_same_question_under_the_new_id(
    proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    asked_before = await ask(client, proxy, call("getBalance", "a", number=1))
    of_another = await ask(client, proxy, call("getBalance", "b", number=2))
    proxy.arm(StaleRead())
    again = await ask(client, proxy, call("getBalance", "a", number=8))
    never_asked = await ask(client, proxy, call("getBalance", "c", number=9))
    assert again == {**asked_before, "id": 8}
    assert never_asked == {**of_another, "id": 9}


async def test_where_there_is_no_earlier_answer_a_stale_read_does_not_happen(
    proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    armed = proxy.arm(StaleRead(), times=1)
    first = await ask(client, proxy, call("getSlot"))
    assert armed.hits == 0
    assert await ask(client, proxy, call("getSlot")) == first
    assert armed.hits == 1


async def test_the_lie_of_nothing_found_keeps_lists_ids_and_errors(
    proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    proxy.arm(LieNull())
    statuses, receipt, error = await ask(
        client,
        proxy,
        call("getSignatureStatuses", ["a", "b"], number=1),
        call("eth_getTransactionReceipt", "0x", number=2),
        call("unknown", number=3),
    )
    assert statuses == {"jsonrpc": "2.0", "id": 1, "result": {"context": {"slot": 7}, "value": [None, None]}}
    assert receipt == {"jsonrpc": "2.0", "id": 2, "result": None}
    assert error["error"]["code"] == -32601


async def test_an_answer_is_replaced_by_what_is_made_of_it(proxy: HttpFaultProxy, client: httpx.AsyncClient) -> None:
    proxy.arm(Replace(lambda told: {**told, "result": "0x1"}))
    assert await ask(client, proxy, call("eth_chainId", number=4)) == {"jsonrpc": "2.0", "id": 4, "result": "0x1"}


async def test_a_fault_meets_only_what_it_names_as_often_as_it_may_and_the_first_armed_wins(
    proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    by_name = proxy.arm(Status(503), name="eth_get*", times=1)
    by_condition = proxy.arm(Status(502), when=lambda request: b"poison" in request.body)
    codes = [
        (await client.post(proxy.url, json=body)).status_code
        for body in (
            call("eth_call"),
            [call("eth_call"), call("eth_getBalance", "poison")],
            call("eth_getBalance", "poison"),
            call("eth_getBalance"),
        )
    ]
    assert codes == [200, 503, 502, 200]
    assert (by_name.hits, by_condition.hits) == (1, 1)


async def test_disarmed_and_cleared_faults_are_over(proxy: HttpFaultProxy, client: httpx.AsyncClient) -> None:
    proxy.arm(Status(503)).disarm()
    assert (await client.post(proxy.url, json=call("getSlot"))).status_code == 200
    proxy.arm(Status(503))
    proxy.clear()
    assert (await client.post(proxy.url, json=call("getSlot"))).status_code == 200


async def test_a_hit_is_known_before_the_client_hears(proxy: HttpFaultProxy, client: httpx.AsyncClient) -> None:
    armed = proxy.arm(Pass(), name="getSlot")
    waiting = asyncio.create_task(armed.hit(2))
    for _ in range(2):
        await ask(client, proxy, call("getSlot"))
    await asyncio.wait_for(waiting, 10)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_seed_gives_the_same_faults(seed: int, server: Upstream, client: httpx.AsyncClient) -> None:
    async def course() -> list[Mode]:
        async with HttpFaultProxy(server.url, random.Random(seed)) as proxy:
            proxy.arm(Status(503), chance=0.3)
            proxy.arm(Garble(), chance=0.5)
            for _ in range(30):
                await client.post(proxy.url, json=call("getSlot"))
            return [exchange.mode for exchange in proxy.log.calls()]

    first, second = await course(), await course()
    assert first == second
    assert {type(mode) for mode in first} == {Status, Garble, Pass}


async def test_an_upstream_that_is_not_there_is_a_cut_and_reached_nothing(client: httpx.AsyncClient) -> None:
    async with HttpFaultProxy(f"http://{LOOPBACK}:{free_port()}") as proxy:
        armed = proxy.arm(DropAfter())
        await cut_off(client, proxy, "sendTransaction")
        assert armed.hits == 0
        assert not proxy.log.calls()[0].reached
        assert proxy.log.sent() == {}


async def test_the_log_knows_each_transaction_by_its_raw_bytes(
    proxy: HttpFaultProxy, client: httpx.AsyncClient
) -> None:
    begun = datetime.now(UTC)
    of_solana = call("sendTransaction", base64.b64encode(BYTES).decode(), {"encoding": "base64"})
    in_base58 = call("sendTransaction", base58.encode(BYTES))
    of_evm = call("eth_sendRawTransaction", "0x" + b"other".hex())
    await ask(client, proxy, of_solana)
    mark = proxy.log.count
    proxy.arm(DropBefore(), times=1)
    await cut_off(client, proxy, "getSlot")
    await ask(client, proxy, in_base58, of_evm)
    wanted, other = (hashlib.sha256(raw).hexdigest() for raw in (BYTES, b"other"))
    sent = proxy.log.sent()
    assert {payload: len(times) for payload, times in sent.items()} == {wanted: 2, other: 1}
    assert all(begun <= moment <= datetime.now(UTC) for times in sent.values() for moment in times)
    assert proxy.log.count == 3
    assert [exchange.number for exchange in proxy.log.calls(since=mark)] == [2, 3]
    batch = proxy.log.calls("eth_*")[0]
    assert (batch.names, batch.payloads) == (("sendTransaction", "eth_sendRawTransaction"), (wanted, other))
    assert batch.received - begun < timedelta(minutes=1)
    assert (batch.status, batch.duration_s is not None) == (200, True)


async def test_calls_to_the_key_service_are_known_by_their_operation(tmp_path: Path) -> None:
    with kms_server(tmp_path) as kms:
        async with HttpFaultProxy(kms.endpoint) as proxy:
            proxy.arm(Status(500), name="TrentService.Decrypt")
            key = await asyncio.to_thread(ensure_key, proxy.url)
            assert key == kms.key_id
            assert all(name.startswith("TrentService.") for exchange in proxy.log.calls() for name in exchange.names)
