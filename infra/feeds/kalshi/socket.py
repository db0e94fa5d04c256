"""One connection to Kalshi's WebSocket: commands and their answers inside, news outside.

Source: Kalshi AsyncAPI 2.0.0, https://docs.kalshi.com/websockets.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from domain.errors import FeedNonsense
from infra.feeds.kalshi import wire
from infra.feeds.kalshi.rest import refusal
from infra.feeds.kalshi.signing import Signer

TICKER, LIFECYCLE = "ticker", "market_lifecycle_v2"
OPEN_WITHIN_S = 10.0  # a TLS handshake across an ocean, with room
ANSWER_WITHIN_S = 10.0  # a command left unanswered this long means that nobody is listening
CLOSE_WITHIN_S = 1.0  # a source that is gone will not say goodbye
MARKETS_PER_COMMAND = 200  # of up to 100 characters: a frame of some 20 kB


class SocketLost(Exception):
    """The connection is of no use any more; the message says why."""


@dataclass(frozen=True, slots=True)
class News:
    """A frame that is no answer to a command of ours."""

    kind: str
    message: object
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Command:
    id: int
    verb: str
    channel: str
    markets: frozenset[str]
    due_s: float


class _Ear(ClientConnection):
    """Notes when the exchange last said anything. Its pings count; pongs, which only echo us, do not."""

    heard_s: float | None = None
    heard_at: datetime | None = None

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode is not Opcode.PONG:
            self.heard_s, self.heard_at = self.loop.time(), datetime.now(UTC)
        super().process_event(event)


@asynccontextmanager
async def opened(url: str, signer: Signer, silence_s: float, covered: Callable[[], None]) -> AsyncIterator["Socket"]:
    """Connect and sign in. Raises SocketLost, also for a refusal: its text then holds the exchange's code."""
    headers = signer.headers("GET", urlsplit(url).path, datetime.now(UTC))
    attempt = connect(
        url,
        additional_headers=headers,
        open_timeout=OPEN_WITHIN_S,
        ping_interval=None,  # the exchange pings us; its silence is judged by `silence_s`
        close_timeout=CLOSE_WITHIN_S,
        create_connection=_Ear,
    )
    try:
        connection = await attempt
    except InvalidStatus as error:
        answer = error.response
        raise SocketLost(f"refused with {answer.status_code}: {refusal(bytes(answer.body or b''))}") from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise SocketLost(f"cannot connect: {type(error).__name__}") from error
    if not isinstance(connection, _Ear):
        raise TypeError("websockets made a connection of another class")
    try:
        yield Socket(connection, silence_s, covered)
    finally:
        await connection.close()


class Socket:
    """Keeps the exchange's idea of what we follow equal to ours, one command at a time."""

    def __init__(self, connection: _Ear, silence_s: float, covered: Callable[[], None]) -> None:
        self._connection = connection
        self._silence_s = silence_s
        self._tell_covered = covered
        self._clock_s = asyncio.get_running_loop().time
        self._opened_s = self._clock_s()
        self._ids = itertools.count(1)
        self._pending: _Command | None = None
        self._sids: dict[str, int] = {}
        self._wanted: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()  # not asked for again on this connection
        self._subscribed: dict[str, float] = {}

    @property
    def answered(self) -> bool:
        """Whether the exchange obeys commands here: an open connection alone proves nothing."""
        return LIFECYCLE in self._sids

    @property
    def last_heard(self) -> datetime | None:
        return self._connection.heard_at

    def covered_since_s(self, market: str) -> float | None:
        """Since when every change of this market reaches us here; None: it does not."""
        return self._subscribed.get(market) if self.answered else None

    async def want(self, markets: frozenset[str]) -> None:
        """Follow exactly these from now on. Raises SocketLost."""
        self._wanted = markets
        await self._advance()

    async def next(self) -> News:
        """Wait for news. Raises FeedNonsense (go on listening) and SocketLost (connect anew)."""
        while True:
            raw = await self._receive()
            if not raw.strip():
                continue  # frames end with a newline, and some are nothing else
            frame = wire.decoded(raw)
            match frame.get("type"):
                case "subscribed" | "unsubscribed" | "ok":
                    await self._answered(frame)
                case "error":
                    await self._failed(frame)
                case str(kind):
                    return News(kind, frame.get("msg"), raw)
                case _:
                    raise FeedNonsense("a frame without a type")

    async def _receive(self) -> bytes:
        while True:
            quiet_since_s = max(self._connection.heard_s or 0.0, self._opened_s)
            deadline_s = quiet_since_s + self._silence_s
            if self._pending:
                deadline_s = min(deadline_s, self._pending.due_s)
            if deadline_s <= self._clock_s():
                raise SocketLost("silent: no frame, no ping, or no answer in time")
            try:
                async with asyncio.timeout_at(deadline_s):
                    return await self._connection.recv(decode=False)
            except TimeoutError:
                continue  # a ping may have moved the deadline
            except ConnectionClosed as error:
                raise SocketLost(f"closed: {error}") from error

    async def _answered(self, frame: dict[str, Any]) -> None:
        command = self._pending
        if command is None or frame.get("id") != command.id:
            return
        if command.verb == "subscribe":
            message = frame.get("msg")
            sid = message.get("sid") if isinstance(message, dict) else None
            if type(sid) is not int:
                raise SocketLost("a subscription without a number")
            self._sids[command.channel] = sid
        if command.verb in ("subscribe", "add_markets"):
            self._subscribed |= dict.fromkeys(command.markets, self._clock_s())
        elif command.verb == "delete_markets":
            for market in command.markets:
                self._subscribed.pop(market, None)
        else:
            self._sids.pop(command.channel, None)
            self._subscribed.clear()
        self._pending = None
        self._tell_covered()
        await self._advance()

    async def _failed(self, frame: dict[str, Any]) -> None:
        """A refused market is left to REST; any other error means that we and they disagree: start over."""
        command, message = self._pending, frame.get("msg")
        code = message.get("code") if isinstance(message, dict) else None
        asked = command is not None and frame.get("id") == command.id
        if command is None or not asked or not command.markets or command.verb == "delete_markets":
            raise SocketLost(f"error {code!r:.20}")
        self._refused |= command.markets
        self._pending = None
        await self._advance()

    async def _advance(self) -> None:
        """Send the next command that is needed, unless one is still to be answered."""
        if self._pending:
            return
        wanted = self._wanted - self._refused
        added, removed = wanted - self._subscribed.keys(), frozenset(self._subscribed) - wanted
        if not self.answered:
            await self._send("subscribe", LIFECYCLE, frozenset())
        elif TICKER not in self._sids:
            if added:
                await self._send("subscribe", TICKER, _some(added))
        elif not wanted:
            await self._send("unsubscribe", TICKER, frozenset())
        elif added:
            await self._send("add_markets", TICKER, _some(added))
        elif removed:
            await self._send("delete_markets", TICKER, _some(removed))

    async def _send(self, verb: str, channel: str, markets: frozenset[str]) -> None:
        command = _Command(next(self._ids), verb, channel, markets, self._clock_s() + ANSWER_WITHIN_S)
        self._pending = command
        named = {"market_tickers": sorted(markets)} if markets else {}
        said: dict[str, object]
        match verb:
            case "subscribe":
                said = {"cmd": verb, "params": {"channels": [channel], **named}}
            case "unsubscribe":
                said = {"cmd": verb, "params": {"sids": [self._sids[channel]]}}
            case _:
                update = {"sids": [self._sids[channel]], "action": verb, **named}
                said = {"cmd": "update_subscription", "params": update}
        try:
            await self._connection.send(json.dumps({"id": command.id, **said}))
        except ConnectionClosed as error:
            raise SocketLost(f"closed: {error}") from error


def _some(markets: frozenset[str]) -> frozenset[str]:
    return frozenset(sorted(markets)[:MARKETS_PER_COMMAND])
