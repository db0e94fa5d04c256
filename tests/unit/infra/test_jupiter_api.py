"""Quotes from a Jupiter that answers in every wrong way."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from domain.assets import SOL, SOLANA_USDC, USDC_MINT, WRAPPED_SOL_MINT
from domain.errors import NoRoute, QuoteUnavailable
from domain.intents import Intent
from domain.money import Amount
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.jupiter.api import MAX_ANSWER_BYTES, JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from tests.unit.infra.jupiter_bytes import WALLET

INTENT = Intent(Amount(50_000_000, SOLANA_USDC), SOL, 50, str(WALLET.pubkey()))
SWAP = {"programId": "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4", "accounts": [], "data": ""}
GOOD: dict[str, Any] = {
    "inputMint": USDC_MINT,
    "outputMint": WRAPPED_SOL_MINT,
    "inAmount": "50000000",
    "outAmount": "249000001",
    "computeBudgetInstructions": [],
    "setupInstructions": [],
    "swapInstruction": SWAP,
    "cleanupInstruction": None,
    "addressesByLookupTableAddress": None,
}


async def quoted(answer: Callable[[httpx.Request], httpx.Response], key: str | None = None) -> Any:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        rpc = SolanaRpc(("http://node.test",), http)
        return await JupiterVenue(JupiterApi("http://jupiter.test/", http, key), rpc).quote(INTENT)


def says(status: int = 200, **changes: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, json={**GOOD, **changes})


async def test_a_quote_asks_for_exactly_the_intent_and_keeps_the_last_unit_of_the_minimum() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=GOOD)

    quote = await quoted(answer, key="k")
    assert dict(asked[0].url.params) == {
        "inputMint": USDC_MINT,
        "outputMint": WRAPPED_SOL_MINT,
        "amount": "50000000",
        "taker": str(WALLET.pubkey()),
        "slippageBps": "50",
        "wrapAndUnwrapSol": "true",
    }
    assert asked[0].headers["x-api-key"] == "k"
    assert (quote.sell, quote.expected.base, quote.minimum.base) == (INTENT.sell, 249_000_001, 247_755_001)


async def test_without_a_key_no_header_is_sent() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "x-api-key" not in request.headers
        return httpx.Response(200, json=GOOD)

    await quoted(answer)


@pytest.mark.parametrize(
    "change",
    [
        {"outAmount": 249},
        {"outAmount": "-1"},
        {"outAmount": "1e9"},
        {"outAmount": "2.5"},
        {"outAmount": "0"},
        {"outAmount": None},
        {"outAmount": "1" * 21},
        {"inAmount": "50000001"},
        {"inputMint": WRAPPED_SOL_MINT},
        {"outputMint": USDC_MINT},
        {"swapInstruction": None},
        {"setupInstructions": [{"programId": 5}]},
        {"setupInstructions": [SWAP] * 17},
        {"addressesByLookupTableAddress": []},
    ],
)
async def test_a_malformed_answer_is_no_quote(change: dict[str, Any]) -> None:
    with pytest.raises(QuoteUnavailable):
        await quoted(says(**change))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 429, 500, 502, 503])
async def test_a_refused_call_is_no_quote_and_may_be_asked_again(status: int) -> None:
    with pytest.raises(QuoteUnavailable, match=str(status)):
        await quoted(lambda _: httpx.Response(status, json={"error": "Too many requests"}))


@pytest.mark.parametrize("code", ["NO_ROUTES_FOUND", "COULD_NOT_FIND_ANY_ROUTE", "TOKEN_NOT_TRADABLE"])
async def test_a_pair_without_a_route_is_a_final_answer(code: str) -> None:
    with pytest.raises(NoRoute):
        await quoted(lambda _: httpx.Response(400, json={"error": "no", "errorCode": code}))


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_answer_is_no_quote(body: bytes) -> None:
    for status in (200, 400, 500):
        with pytest.raises(QuoteUnavailable):
            await quoted(lambda _, status=status: httpx.Response(status, content=body))  # type: ignore[misc]


async def test_an_answer_without_end_is_cut_off() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 65_536
            yield b" " * 65_536

    with pytest.raises(QuoteUnavailable):
        await quoted(lambda _: httpx.Response(200, content=endless()))
    assert read <= MAX_ANSWER_BYTES + 2 * 65_536


async def test_an_answer_that_never_comes_is_no_quote() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.MockTransport(silent)) as http:
        api = JupiterApi("http://jupiter.test", http, deadline_s=0.05)
        with pytest.raises(QuoteUnavailable):
            await JupiterVenue(api, SolanaRpc(("http://node.test",), http)).quote(INTENT)


async def test_a_connection_that_breaks_is_no_quote() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("peer closed connection")

    with pytest.raises(QuoteUnavailable):
        await quoted(broken)


async def test_the_request_id_of_a_failure_is_told_for_jupiters_support() -> None:
    body = json.dumps({"error": "x"})
    headers = {"x-api-gateway-request-id": "abc-123"}
    with pytest.raises(QuoteUnavailable, match="abc-123"):
        await quoted(lambda _: httpx.Response(500, content=body, headers=headers))
