"""The WebSocket half: every open connection, and the mode that all of them are in."""

import asyncio
import itertools
import json
from contextlib import suppress
from enum import StrEnum

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from infra.devnet.kalshi.exchange import Exchange
from infra.devnet.kalshi.gate import Gate, Refused
from infra.devnet.kalshi.line import Line
from infra.devnet.kalshi.market import Market
from infra.devnet.kalshi.subscriptions import Frame, Subscriptions

PATH = "/trade-api/ws/v2"
MAX_WAITING = 1000  # frames a slow reader may be behind before its connection is cut
GARBAGE = (
    "not json at all",
    '{"type":"ticker","sid":1,"msg":{"market_ticker":"FED-25DEC-CUT","yes_bid_do',
    "[]",
    "null",
    '"ticker"',
    '{"type":"ticker"}',
    '{"type":"ticker","sid":1,"msg":[]}',
    (
        '{"type":"ticker","sid":1,"msg":{"market_ticker":"FED-25DEC-CUT","yes_bid_dollars":"1.5000",'
        '"yes_ask_dollars":"1.6000","price_dollars":"1.5500","ts_ms":1781159370164}}'
    ),
    (
        '{"type":"ticker","sid":1,"msg":{"market_ticker":"FED-25DEC-CUT","yes_bid_dollars":"0.9000",'
        '"yes_ask_dollars":"0.1000","price_dollars":"0.5000","ts_ms":1781159370164}}'
    ),
    (
        '{"type":"ticker","sid":1,"msg":{"market_ticker":"FED-25DEC-CUT","yes_bid_dollars":"NaN",'
        '"yes_ask_dollars":"NaN","price_dollars":"NaN","ts_ms":1781159370164}}'
    ),
    (
        '{"type":"ticker","sid":1,"msg":{"market_ticker":"FED-25DEC-CUT","yes_bid_dollars":0.90,'
        '"yes_ask_dollars":0.91,"price_dollars":NaN,"ts_ms":"yesterday"}}'
    ),
    '{"type":"market_lifecycle_v2","sid":2,"msg":{"market_ticker":"FED-25DEC-CUT","event_type":"exploded"}}',
    '{"type":"weather","sid":9,"msg":{"rain":true}}',
)


class Mode(StrEnum):
    UP = "up"
    DOWN = "down"  # open connections are cut, new ones refused
    SILENT = "silent"  # open, but not a frame and not a ping
    GARBAGE = "garbage"  # nonsense instead of news; commands are still answered


class Floor:
    """All connections. The exchange tells it of changes, the control door of modes."""

    def __init__(self, exchange: Exchange, gate: Gate, tick_s: float, heartbeat_s: float) -> None:
        self.mode = Mode.UP
        self.accepted = 0  # since the start
        self._exchange = exchange
        self._gate = gate
        self._tick_s = tick_s
        self._heartbeat_s = heartbeat_s
        self._open: set[_Connection] = set()
        self._garbage = itertools.cycle(GARBAGE)
        exchange.listen(self._news)

    @property
    def connections(self) -> int:
        return len(self._open)

    @property
    def followed(self) -> list[str]:
        """Markets that some connection follows by name."""
        return sorted({ticker for connection in self._open for ticker in connection.subscriptions.followed()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        line = Line(receive, send)
        if scope["path"] != PATH:
            return await line.refuse(404, {"error": {"code": "not_found", "message": "not found"}})
        if self.mode is Mode.DOWN:
            return await line.hang_up()
        try:
            self._gate.check("GET", PATH, Headers(scope=scope), required=True)
        except Refused as refusal:
            return await line.refuse(401, refusal.body())
        await line.accept()
        connection = _Connection(line, self._exchange)
        self._open.add(connection)
        self.accepted += 1
        try:
            await self._serve(connection)
        finally:
            self._open.discard(connection)
        return None

    def switch(self, mode: Mode) -> None:
        """Put all connections, open and to come, into `mode`."""
        self.mode = mode
        if mode is Mode.DOWN:
            for connection in self._open:
                connection.line.cut()
        elif mode is Mode.GARBAGE:
            for _ in GARBAGE:
                self._utter_garbage()

    async def _serve(self, connection: "_Connection") -> None:
        duties = [
            asyncio.create_task(duty) for duty in (connection.write(), self._beat(connection), self._tick(connection))
        ]
        try:
            while (text := await connection.line.heard()) is not None:
                if self.mode is not Mode.SILENT:
                    connection.subscriptions.command(text)
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)

    async def _beat(self, connection: "_Connection") -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            if self.mode is not Mode.SILENT:
                connection.line.ping()

    async def _tick(self, connection: "_Connection") -> None:
        while self._tick_s:
            await asyncio.sleep(self._tick_s)
            if self.mode is Mode.UP:
                connection.subscriptions.tick()
            elif self.mode is Mode.GARBAGE:
                connection.queue(next(self._garbage))

    def _news(self, before: Market | None, after: Market) -> None:
        if self.mode is Mode.UP:
            for connection in self._open:
                connection.subscriptions.news(before, after)
        elif self.mode is Mode.GARBAGE:
            self._utter_garbage()

    def _utter_garbage(self) -> None:
        nonsense = next(self._garbage)
        for connection in self._open:
            connection.queue(nonsense)


class _Connection:
    """One client, and what waits to be sent to it."""

    def __init__(self, line: Line, exchange: Exchange) -> None:
        self.line = line
        self.subscriptions = Subscriptions(exchange, self._say)
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)

    def queue(self, text: str) -> None:
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            self.line.cut()

    async def write(self) -> None:
        """Send what waits, each frame with the newline that the exchange ends it with."""
        with suppress(ClientDisconnected):
            while True:
                await self.line.say(await self._waiting.get() + "\n")

    def _say(self, frame: Frame) -> None:
        self.queue(json.dumps(frame, separators=(",", ":")))
