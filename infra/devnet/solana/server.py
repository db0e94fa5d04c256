"""The process: HTTP on one port, WebSocket on the next, a slot whenever one is due."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, Final, cast

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from infra.devnet.faults import Faults
from infra.devnet.solana import genesis
from infra.devnet.solana.chain import Chain, Pace
from infra.devnet.solana.control import REFUSALS, Doors
from infra.devnet.solana.ledger import Ledger
from infra.devnet.solana.machine import Machine
from infra.devnet.solana.rpc import answer
from infra.devnet.solana.subscriptions import Connection, Pulse

_MAX_BODY_BYTES: Final = 50 * 1024  # what a validator reads. Source: solana `MAX_REQUEST_BODY_SIZE`
_GRACE_S: Final = 2  # for calls under way when told to stop; a fault may hold one for minutes
_BACKLOG: Final = 128  # connections waiting to be accepted

log = structlog.get_logger("devnet.solana")


def application(chain: Chain, pulse: Pulse) -> Starlette:
    """The endpoints of one chain."""

    async def rpc(request: Request) -> Response:
        body = await request.body()
        if len(body) > _MAX_BODY_BYTES:
            return PlainTextResponse("request body too large", status_code=413)
        return Response(json.dumps(answer(chain, body)), media_type="application/json")

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def listen(socket: WebSocket) -> None:
        await Connection(chain, socket, pulse).serve()

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        ticking = asyncio.create_task(tick(chain, pulse))
        ticking.add_done_callback(_stop_on_failure)
        yield
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking

    routes = [
        Route("/", rpc, methods=["POST"]),
        Route("/health", health, methods=["GET"]),
        WebSocketRoute("/", listen),
        *Doors(chain, pulse).routes(),
    ]
    return Starlette(routes=routes, lifespan=life, exception_handlers=cast(Any, REFUSALS))


async def tick(chain: Chain, pulse: Pulse) -> None:
    """A block every `slot_ms`. Late ones are made late, not twice as fast."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + chain.pace.slot_ms / 1000, loop.time())
        await asyncio.sleep(due - loop.time())
        chain.produce()
        pulse.beat()


def _stop_on_failure(ticking: "asyncio.Task[None]") -> None:
    """A chain that could not commit a slot has memory and file apart: only a restart mends that."""
    if not ticking.cancelled() and (error := ticking.exception()) is not None:
        log.error("slot_failed", error=repr(error))
        raise SystemExit(70) from error


def run(host: str, port: int, ws_port: int, state: Path, pace: Pace) -> None:
    """Serve until told to stop."""
    with closing(Ledger(state)) as ledger, _listen(host, port) as http, _listen(host, ws_port) as ws:
        chain = Chain(ledger, Machine(), pace)
        genesis.found(chain)
        app = Faults(application(chain, Pulse()))
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=_GRACE_S
        )
        log.info("serving", rpc=f"http://{host}:{port}", ws=f"ws://{host}:{ws_port}", slot=chain.tip.slot)
        uvicorn.Server(config).run(sockets=[http, ws])


def _listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), backlog=_BACKLOG)
