"""One WebSocket connection, down to what ASGI has no word for: a ping of our own, and a cut cable."""

import asyncio
import json
from typing import Any, Protocol, cast

from starlette.types import Receive, Send

HEARTBEAT = b"heartbeat"  # the payload of the exchange's pings


class _Frames(Protocol):
    def send_ping(self, data: bytes) -> None: ...
    def data_to_send(self) -> list[bytes]: ...


class _Server(Protocol):
    """What is needed of uvicorn's protocol object, which `send` is a method of."""

    conn: _Frames
    transport: asyncio.Transport


class Line:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._server = cast(_Server, cast(Any, send).__self__)

    async def accept(self) -> None:
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})

    async def refuse(self, status: int, body: dict[str, object]) -> None:
        """Answer the handshake with an HTTP error."""
        await self._receive()
        headers = [(b"content-type", b"application/json")]
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": json.dumps(body).encode()})

    async def heard(self) -> str | None:
        """The next message from the client; None when it has gone."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return None
        return message.get("text") or (message.get("bytes") or b"").decode(errors="replace")

    async def say(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    def ping(self) -> None:
        self._server.conn.send_ping(HEARTBEAT)
        self._server.transport.write(b"".join(self._server.conn.data_to_send()))

    async def hang_up(self) -> None:
        """Cut the connection before it is one."""
        self.cut()
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    def cut(self) -> None:
        """Gone at once, with no closing handshake."""
        self._server.transport.abort()
