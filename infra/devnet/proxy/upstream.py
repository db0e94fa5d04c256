"""The upstream's side of an HTTP proxy: one request, one connection, one answer."""

import asyncio
from contextlib import closing
from urllib.parse import urlsplit

import h11

from infra.devnet.proxy.answer import Answer
from infra.devnet.proxy.request import Header, Request

READ_BYTES = 65_536
TIMEOUT_S = 120  # longer than any client of the product waits: its deadline shall count, not ours
# Source: RFC 9110, 7.6.1; and what is said anew on each side: length, encodings that may be answered in.
_NOT_PASSED_ON = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    *(b"content-length", b"accept-encoding", b"expect"),
}


class NotThere(Exception):
    """Nobody listens: no byte of the request has left."""


class NoAnswer(Exception):
    """The request may have arrived, and was not answered."""


class Upstream:
    """An HTTP/1.1 server on this machine.

    Each request has a connection of its own: of one that was used before, nobody knows whether the server is about
    to close it, and a fault that nobody ordered would look like one.
    """

    def __init__(self, origin: str) -> None:
        """Errors: ValueError for anything but http://HOST:PORT."""
        parts = urlsplit(origin)
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise ValueError(f"a fault proxy stands before http://HOST:PORT, not before {origin}")
        self._where = (parts.hostname, parts.port)

    async def ask(self, request: Request) -> Answer:
        """Errors: NotThere, NoAnswer."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                try:
                    reader, writer = await asyncio.open_connection(*self._where)
                except OSError as error:
                    raise NotThere from error
                with closing(writer):
                    return await _exchange(request, reader, writer)
        except (OSError, TimeoutError, h11.RemoteProtocolError) as error:
            raise NoAnswer from error


async def _exchange(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
    http = h11.Connection(h11.CLIENT)
    length = (b"content-length", str(len(request.body)).encode())
    headers = [*_passed_on(request.headers), length, (b"accept-encoding", b"identity"), (b"connection", b"close")]
    head = h11.Request(method=request.method, target=request.target, headers=headers)
    for event in (head, h11.Data(data=request.body), h11.EndOfMessage()):
        writer.write(http.send(event) or b"")
    await writer.drain()
    status, body = 0, bytearray()
    told: tuple[Header, ...] = ()
    while True:
        match http.next_event():
            case h11.NEED_DATA:
                http.receive_data(await reader.read(READ_BYTES))
            case h11.Response(status_code=status, headers=fields):
                told = _passed_on(tuple((bytes(name), bytes(value)) for name, value in fields))
            case h11.Data(data=piece):
                body += piece
            case h11.EndOfMessage():
                return Answer(status, told, bytes(body))
            case h11.InformationalResponse():
                continue
            case _:
                raise h11.RemoteProtocolError("the upstream ended in the middle")


def _passed_on(headers: tuple[Header, ...]) -> tuple[Header, ...]:
    return tuple((name, value) for name, value in headers if name.lower() not in _NOT_PASSED_ON)
