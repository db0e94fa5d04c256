"""The door for tests and drills: move a market, cut the socket. The real exchange has no such thing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.devnet.kalshi.exchange import Exchange
from infra.devnet.kalshi.market import Change
from infra.devnet.kalshi.socket import Floor, Mode


class SocketOrder(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    mode: Literal["up", "down", "silent", "garbage"]


class Control:
    def __init__(self, exchange: Exchange, floor: Floor) -> None:
        self._exchange = exchange
        self._floor = floor

    def routes(self) -> list[Route]:
        return [
            Route("/_control/markets", self._markets, methods=["GET"]),
            Route("/_control/markets/{ticker}", self._put, methods=["PUT"]),
            Route("/_control/socket", self._socket, methods=["GET"]),
            Route("/_control/socket", self._order, methods=["PUT"]),
        ]

    async def _markets(self, _: Request) -> Response:
        return JSONResponse({"markets": [market.model_dump(mode="json") for market in self._exchange.all()]})

    async def _put(self, request: Request) -> Response:
        try:
            change = Change.model_validate_json(await request.body())
        except ValidationError as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=422)
        market = self._exchange.put(request.path_params["ticker"], change)
        return JSONResponse(market.model_dump(mode="json"))

    async def _socket(self, _: Request) -> Response:
        floor = self._floor
        told = {"mode": floor.mode, "connections": floor.connections, "accepted": floor.accepted}
        return JSONResponse({**told, "followed": floor.followed})

    async def _order(self, request: Request) -> Response:
        try:
            order = SocketOrder.model_validate_json(await request.body())
        except ValidationError as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=422)
        self._floor.switch(Mode(order.mode))
        return await self._socket(request)
