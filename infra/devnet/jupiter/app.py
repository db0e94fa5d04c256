"""The stand-in's HTTP: Jupiter's own paths, and `/_control` to move it."""

import asyncio
import base64
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import ValidationError
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import ChainUnavailable
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.addresses import WSOL_MINT, associated_token_account
from infra.devnet.jupiter import answers
from infra.devnet.jupiter.asked import ExecuteAsked, Problem, SwapAsked, V1SwapAsked
from infra.devnet.jupiter.chain import Chain
from infra.devnet.jupiter.control import routes as control_routes
from infra.devnet.jupiter.instructions import Steps, Wish, steps
from infra.devnet.jupiter.lies import LieName, bend_steps, bend_wish, stranger
from infra.devnet.jupiter.pricing import Price, exact_in
from infra.devnet.jupiter.script import Script

WRONG_KEY: Final = "wrong"  # every other key, and none, is let in
UNITS: Final = 300_000  # twenty times what the pool takes
RATE_LIMIT: Final = 1_000_000  # a minute: never met, limits are ordered through /_control/faults
_EXECUTE_WITHIN_S: Final = 10.0  # how long /execute looks for what it sent
_EXECUTE_POLL_S: Final = 0.05
_REMEMBERED: Final = 10_000  # request ids of /order

Handler = Callable[[Request], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Trip:
    """A priced swap, and the instructions for it if there is somebody to make it."""

    price: Price
    steps: Steps | None
    lie: LieName


class Jupiter:
    """Prices and writes swaps of the one pool."""

    def __init__(self, chain: Chain, script: Script) -> None:
        self._chain, self._script = chain, script
        self._orders: OrderedDict[str, None] = OrderedDict()

    async def build(self, request: Request) -> dict[str, Any]:
        asked = SwapAsked.model_validate(dict(request.query_params))
        if asked.taker is None:
            raise Problem(400, error="Missing required parameter: taker")
        trip = await self._trip(asked)
        tables = await self._tables()
        if trip.lie == "wrong_table":  # says of an account what it is not
            theirs = associated_token_account(stranger(), Pubkey.from_string(asked.buy))
            tables = {stranger(): (theirs,)}
        made = cast(Steps, trip.steps)
        return answers.build_json(asked, trip.price, made, await self._chain.blockhash(), tables)

    async def order(self, request: Request) -> dict[str, Any]:
        asked = SwapAsked.model_validate(dict(request.query_params))
        trip = await self._trip(asked)
        latest, request_id = await self._chain.blockhash(), secrets.token_hex(16)
        if asked.taker is None or trip.steps is None:
            return answers.order_json(asked, trip.price, request_id, latest, None)
        self._orders[request_id] = None
        if len(self._orders) > _REMEMBERED:
            self._orders.popitem(last=False)
        if await self._held(asked) < asked.amount:
            answer = answers.order_json(asked, trip.price, request_id, latest, "")
            return {**answer, "errorCode": 1, "errorMessage": "Insufficient funds"}
        raw = _transaction(asked, trip, latest.blockhash)
        answer = answers.order_json(asked, trip.price, request_id, latest, raw)
        return {**answer, "signatureFeePayer": str(_payer(asked, trip.lie))}

    async def execute(self, request: Request) -> dict[str, Any]:
        asked = ExecuteAsked.model_validate_json(await request.body())
        if asked.request_id not in self._orders:
            raise Problem(400, error="Invalid requestId", code=-1)
        try:
            raw = base64.b64decode(asked.signed, validate=True)
            transaction = VersionedTransaction.from_bytes(raw)
        except ValueError as error:
            raise Problem(400, error="Failed to decode signed transaction", code=-2) from error
        if Signature.default() in transaction.signatures:
            raise Problem(400, error="Transaction is not fully signed", code=-1003)
        signature = await self._chain.send(raw)
        deadline = time.monotonic() + _EXECUTE_WITHIN_S
        while time.monotonic() < deadline:
            status = await self._chain.status(signature)
            if status is not None and status.confirmation in ("confirmed", "finalized"):
                done = status.err is None
                said = {"signature": signature, "slot": str(status.slot)}
                if done:
                    return {"status": "Success", "code": 0, **said}
                return {"status": "Failed", "code": -1000, "error": str(status.err), **said}
            await asyncio.sleep(_EXECUTE_POLL_S)
        return {"status": "Failed", "code": -1000, "error": "Failed to land", "signature": signature}

    async def v1_quote(self, request: Request) -> dict[str, Any]:
        asked = SwapAsked.model_validate(dict(request.query_params))
        return answers.quote_json(asked, (await self._trip(asked)).price)

    async def v1_swap(self, request: Request) -> dict[str, Any]:
        asked = V1SwapAsked.model_validate_json(await request.body()).as_swap()
        trip = await self._trip(asked)
        latest = await self._chain.blockhash()
        return {
            "swapTransaction": _transaction(asked, trip, latest.blockhash),
            "lastValidBlockHeight": latest.last_valid_block_height,
            "prioritizationFeeLamports": 0,
        }

    async def v1_instructions(self, request: Request) -> dict[str, Any]:
        asked = V1SwapAsked.model_validate_json(await request.body()).as_swap()
        made = cast(Steps, (await self._trip(asked)).steps)
        return answers.v1_instructions_json(made, await self._tables())

    async def _tables(self) -> answers.Tables:
        return await self._chain.tables(tuple(map(Pubkey.from_string, self._script.tables)))

    async def _held(self, asked: SwapAsked) -> int:
        owner, sell = Pubkey.from_string(cast(str, asked.taker)), Pubkey.from_string(asked.sell)
        if sell == WSOL_MINT and asked.wrap:
            return await self._chain.lamports(owner)
        return await self._chain.held(owner, sell)

    async def _trip(self, asked: SwapAsked) -> Trip:
        sell, buy = Pubkey.from_string(asked.sell), Pubkey.from_string(asked.buy)
        reserves = await self._chain.reserves(sell, buy)
        if reserves is None:
            raise Problem.no_route()
        price = exact_in(reserves, asked.amount, asked.slippage_bps)
        if price.amount_out == 0:
            raise Problem.no_route()
        if asked.taker is None:
            return Trip(price, None, "none")
        lie, user = self._script.next_lie(), Pubkey.from_string(asked.taker)
        wish = Wish(
            user=user,
            sell=sell,
            buy=buy,
            amount=price.amount_in,
            quoted=price.amount_out,
            slippage_bps=asked.slippage_bps,
            form=self._script.form,
            destination=associated_token_account(user, buy),
        )
        wish = bend_wish(lie, wish)
        honest = steps(wish, self._script.price_micro_lamports, asked.wrap)
        return Trip(price, bend_steps(lie, wish, honest), lie)


def application(chain: Chain, script: Script) -> Starlette:
    """All endpoints, without the faults around them."""
    jupiter = Jupiter(chain, script)
    return Starlette(
        routes=[
            _endpoint("/swap/v2/build", jupiter.build, "GET"),
            _endpoint("/swap/v2/order", jupiter.order, "GET"),
            _endpoint("/swap/v2/execute", jupiter.execute, "POST"),
            _endpoint("/swap/v1/quote", jupiter.v1_quote, "GET"),
            _endpoint("/swap/v1/swap", jupiter.v1_swap, "POST"),
            _endpoint("/swap/v1/swap-instructions", jupiter.v1_instructions, "POST"),
            *control_routes(script),
        ]
    )


def _endpoint(path: str, handler: Handler, method: str) -> Route:
    async def answer(request: Request) -> Response:
        if request.headers.get("x-api-key") == WRONG_KEY:
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        headers = {
            "x-api-gateway-request-id": secrets.token_hex(8),
            "x-ratelimit-remaining": str(RATE_LIMIT),
            "x-ratelimit-current": "1",
            "x-ratelimit-reset": str(int(time.time()) + 1),
        }
        try:
            return JSONResponse(await handler(request), headers=headers)
        except Problem as problem:
            return JSONResponse(problem.body, status_code=problem.status)
        except ValidationError as error:
            return JSONResponse({"error": f"Invalid request: {error}"}, status_code=400)
        except (ChainUnavailable, RpcRefusal) as error:
            return JSONResponse({"error": f"Internal error: {error}"}, status_code=500)

    return Route(path, answer, methods=[method])


def _payer(asked: SwapAsked, lie: LieName) -> Pubkey:
    return stranger() if lie == "foreign_fee_payer" else Pubkey.from_string(cast(str, asked.taker))


def _transaction(asked: SwapAsked, trip: Trip, blockhash: str) -> str:
    """Unsigned, v0, base64: signatures are zeros to be replaced."""
    instructions = [set_compute_unit_limit(UNITS), *cast(Steps, trip.steps).all]
    message = MessageV0.try_compile(_payer(asked, trip.lie), instructions, [], Hash.from_string(blockhash))
    blank = [Signature.default()] * message.header.num_required_signatures
    return base64.b64encode(bytes(VersionedTransaction.populate(message, blank))).decode()
