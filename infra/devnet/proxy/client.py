"""The client's side of an HTTP proxy: one connection, read and answered request by request, or cut."""

import asyncio

import h11

from infra.devnet.proxy.answer import Answer
from infra.devnet.proxy.request import Header, Request, read

READ_BYTES = 65_536
MAX_BODY_BYTES = 16 * 1024 * 1024  # ten times the largest batch that a node takes


class ClientConnection:
    """HTTP/1.1 with keep-alive, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER)

    async def next_request(self) -> Request | None:
        """None when the client has gone, speaks no HTTP, asks too much, or may ask no more on this connection."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        head: h11.Request | None = None
        body = bytearray()
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                return None
            match event:
                case h11.NEED_DATA:
                    await self._read_on()
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                    if len(body) > MAX_BODY_BYTES:
                        return None
                case h11.EndOfMessage() if head is not None:
                    headers: tuple[Header, ...] = tuple((bytes(name), bytes(value)) for name, value in head.headers)
                    return read(head.method.decode(), head.target.decode(), headers, bytes(body))
                case _:
                    return None

    async def send(self, answer: Answer) -> None:
        await self._write(self._head(answer), h11.Data(data=answer.body), h11.EndOfMessage())

    async def send_half(self, answer: Answer) -> None:
        """Announce all of it, and send the first half; nothing but the end can follow."""
        await self._write(self._head(answer), h11.Data(data=answer.body[: len(answer.body) // 2]))

    def close(self) -> None:
        """Close once what was written has left."""
        self._writer.close()

    def cut(self) -> None:
        self._writer.transport.abort()

    @staticmethod
    def _head(answer: Answer) -> h11.Response:
        length = (b"content-length", str(len(answer.body)).encode())
        return h11.Response(status_code=answer.status, headers=[*answer.headers, length])

    async def _write(self, *events: h11.Event) -> None:
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    async def _read_on(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            await self._write(h11.InformationalResponse(status_code=100, headers=[]))
        self._http.receive_data(await self._reader.read(READ_BYTES))
