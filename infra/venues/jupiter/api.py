"""Jupiter's Swap API v2, as far as it is used: `GET /swap/v2/build`.

The same call serves as the quote. It answers with the price of the very route it would build, without a
platform's fee, for one request of the rate limit; `/order` would quote routers that `/build` cannot use,
and takes a fee. Source: dev.jup.ag, OpenAPI of swap v2.
"""

import asyncio
import json
from typing import Annotated, Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import NoRoute, QuoteUnavailable

DEADLINE_S: Final = 5.0  # a quote older than ten seconds is refused anyway
MAX_ANSWER_BYTES: Final = 1024 * 1024  # a route of 64 accounts with five full lookup tables is a tenth of it

# Source: dev.jup.ag, error codes of the Metis routing engine.
_NO_ROUTE: Final = frozenset({"NO_ROUTES_FOUND", "COULD_NOT_FIND_ANY_ROUTE", "TOKEN_NOT_TRADABLE", "MARKET_NOT_FOUND"})

BaseUnits = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
Address = Annotated[str, Field(min_length=32, max_length=44)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Account(_Answer):
    pubkey: Address
    signer: bool = Field(alias="isSigner")
    writable: bool = Field(alias="isWritable")


class Instruction(_Answer):
    """One instruction; `data` is base64."""

    program: Address = Field(alias="programId")
    accounts: list[Account] = Field(max_length=256)
    data: str


class Built(_Answer):
    """A route, its price, and its instructions. Amounts in base units, as decimal strings."""

    input_mint: Address = Field(alias="inputMint")
    output_mint: Address = Field(alias="outputMint")
    in_amount: BaseUnits = Field(alias="inAmount")
    out_amount: BaseUnits = Field(alias="outAmount")
    compute_budget: list[Instruction] = Field(alias="computeBudgetInstructions", max_length=4)
    setup: list[Instruction] = Field(alias="setupInstructions", max_length=16)
    swap: Instruction = Field(alias="swapInstruction")
    cleanup: Instruction | None = Field(alias="cleanupInstruction", default=None)
    tables: dict[Address, Any] | None = Field(alias="addressesByLookupTableAddress", default=None)


class JupiterApi:
    """One deadline, one try and one bounded answer per call. Without a key: Jupiter's keyless tier."""

    def __init__(
        self, url: str, http: httpx.AsyncClient, key: str | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        self._url, self._http, self._deadline_s = url.rstrip("/"), http, deadline_s
        self._headers = {"x-api-key": key} if key else {}

    async def build(self, *, sell_mint: str, sell_base: int, buy_mint: str, slippage_bps: int, taker: str) -> Built:
        """A route and its price. Errors: QUOTE_UNAVAILABLE (retried), NO_ROUTE (final)."""
        query = {
            "inputMint": sell_mint,
            "outputMint": buy_mint,
            "amount": str(sell_base),
            "taker": taker,
            "slippageBps": str(slippage_bps),
            "wrapAndUnwrapSol": "true",
        }
        try:
            async with asyncio.timeout(self._deadline_s):
                status, raw, trace = await self._get("/swap/v2/build", query)
        except (httpx.HTTPError, TimeoutError) as error:
            raise QuoteUnavailable(f"Jupiter did not answer: {type(error).__name__}") from error
        if status != httpx.codes.OK:
            raise _refusal(status, raw, trace)
        try:
            built = Built.model_validate_json(raw)
        except ValidationError as error:
            raise QuoteUnavailable(f"Jupiter answered with nonsense{trace}: {error.error_count()} faults") from error
        same = (built.input_mint, built.output_mint, built.in_amount) == (sell_mint, buy_mint, str(sell_base))
        if not same or int(built.out_amount) == 0:
            raise QuoteUnavailable(f"Jupiter answered about another swap than the one asked for{trace}")
        return built

    async def _get(self, path: str, query: dict[str, str]) -> tuple[int, bytes, str]:
        async with self._http.stream("GET", self._url + path, params=query, headers=self._headers) as response:
            raw = bytearray()
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > MAX_ANSWER_BYTES:
                    raise QuoteUnavailable("Jupiter answered with more than a route can need")
            request_id = response.headers.get("x-api-gateway-request-id", "")[:100]
            return response.status_code, bytes(raw), f" (request {request_id})" if request_id else ""


def _refusal(status: int, raw: bytes, trace: str) -> QuoteUnavailable | NoRoute:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = {}
    said = answer if isinstance(answer, dict) else {}
    words = {str(said.get(name, "")) for name in ("errorCode", "error", "code")}
    if status in (400, 404) and words & _NO_ROUTE:
        return NoRoute(f"Jupiter knows no route for this pair and amount: {' '.join(words & _NO_ROUTE)}{trace}")
    told = str(said.get("error") or said.get("message") or "")[:200]
    return QuoteUnavailable(f"Jupiter answered HTTP {status} {told}{trace}")
