"""REST, WebSocket and control door as one ASGI application."""

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.devnet.faults import Faults
from infra.devnet.kalshi.budget import Budget
from infra.devnet.kalshi.control import Control
from infra.devnet.kalshi.exchange import Exchange
from infra.devnet.kalshi.gate import Gate
from infra.devnet.kalshi.rest import Rest
from infra.devnet.kalshi.socket import Floor


@dataclass(frozen=True, slots=True)
class Options:
    state: Path
    public_key: RSAPublicKey
    key_id: str
    tick_s: float  # active markets trade this often; 0: only when moved
    heartbeat_s: float
    read_tokens_per_s: int


def build(options: Options) -> ASGIApp:
    """The whole stand-in, faults outermost."""
    exchange = Exchange(options.state, timedelta(seconds=options.tick_s))
    gate = Gate(options.key_id, options.public_key)
    floor = Floor(exchange, gate, options.tick_s, options.heartbeat_s)
    rest = Rest(exchange, gate, Budget(options.read_tokens_per_s, time.monotonic))
    http = Starlette(routes=[*rest.routes(), *Control(exchange, floor).routes()])

    async def by_kind(scope: Scope, receive: Receive, send: Send) -> None:
        await (floor if scope["type"] == "websocket" else http)(scope, receive, send)

    return Faults(by_kind)
