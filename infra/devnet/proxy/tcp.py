"""A TCP proxy that passes bytes on, except where it was told otherwise."""

import asyncio
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from infra.devnet.ports import BACKLOG, LOOPBACK
from infra.devnet.proxy.arming import Armed
from infra.devnet.proxy.modes import Delay, Pass

READ_BYTES = 65_536
CONNECT_TIMEOUT_S = 5

# How a Postgres client commits: a simple query, by itself. Source: PostgreSQL 18, 54.7 "Query"; asyncpg 0.31
# `transaction.py` says "COMMIT;", libpq's users "COMMIT".
_COMMITS = (b"Q\x00\x00\x00\x0cCOMMIT;\x00", b"Q\x00\x00\x00\x0bCOMMIT\x00")
_READY = b"Z\x00\x00\x00\x05"  # followed by one byte, the state of the transaction
_READY_BYTES = len(_READY) + 1


@dataclass(frozen=True, slots=True)
class Refuse:
    """New connections are accepted and closed; those that stand go on."""


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Bytes are swallowed both ways. A connection that lost some is cut when the mode ends."""


TcpMode = Pass | Delay | Refuse | Blackhole  # Delay: each piece, each way, so many seconds later


@dataclass(slots=True, eq=False)
class _Link:
    """A client's connection and ours to the upstream."""

    client: asyncio.StreamWriter
    upstream: asyncio.StreamWriter
    lost_bytes: bool = False
    dropping: Armed | None = None  # the reply to its COMMIT goes no further

    def cut(self) -> None:
        self.client.transport.abort()
        self.upstream.transport.abort()


class TcpFaultProxy:
    """Stands before `host`:`port`. It may start before the upstream runs; a client that comes too early is closed."""

    port: int  # known once it is entered

    def __init__(self, host: str, port: int, rng: random.Random | None = None) -> None:
        self.accepted = 0  # connections, ever
        self.bytes_up = 0  # passed on to the upstream
        self.bytes_down = 0  # passed on to clients
        self.swallowed = 0  # bytes, either way
        self._where = (host, port)
        self._rng = rng or random.Random(0)  # noqa: S311 - faults shall replay
        self._mode: TcpMode = Pass()
        self._dropping: list[Armed] = []
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, backlog=BACKLOG)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def open(self) -> int:
        """Connections that stand now."""
        return len(self._links)

    @property
    def mode(self) -> TcpMode:
        return self._mode

    @mode.setter
    def mode(self, mode: TcpMode) -> None:
        self._mode = mode
        for link in [link for link in self._links if link.lost_bytes]:
            link.cut()

    def cut(self) -> None:
        """Cut every connection now. Clients may connect anew at once, unless the mode is Refuse."""
        for link in self._links:
            link.cut()

    def drop_after_commit(self, *, times: int | None = 1, chance: float = 1.0) -> Armed:
        """Pass a Postgres client's COMMIT on, let the server finish it, then cut instead of replying."""
        armed = Armed(times, chance)
        self._dropping.append(armed)
        return armed

    def clear(self) -> None:
        """Pass everything again."""
        for armed in self._dropping:
            armed.disarm()
        self._dropping.clear()
        self.mode = Pass()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._mode, Refuse):
            writer.transport.abort()
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                from_upstream, to_upstream = await asyncio.open_connection(*self._where)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        link = _Link(writer, to_upstream)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._up(reader, link))
                ways.create_task(self._down(from_upstream, link))
        except* OSError:
            pass  # one side broke off, so the other one is cut too
        finally:
            self._links.discard(link)
            link.cut()

    async def _up(self, reader: asyncio.StreamReader, link: _Link) -> None:
        tail = b""
        while piece := await reader.read(READ_BYTES):
            tail = (tail + piece)[-len(_COMMITS[0]) :]
            if tail.endswith(_COMMITS):
                link.dropping = self._choose()
            if await self._pass_on(piece, link.upstream, link):
                self.bytes_up += len(piece)
        link.upstream.write_eof()

    async def _down(self, reader: asyncio.StreamReader, link: _Link) -> None:
        tail = b""
        while piece := await reader.read(READ_BYTES):
            if link.dropping:
                tail = (tail + piece)[-_READY_BYTES:]
                if tail.startswith(_READY):
                    link.dropping.happened()
                    link.cut()
            elif await self._pass_on(piece, link.client, link):
                self.bytes_down += len(piece)
        link.client.write_eof()

    async def _pass_on(self, piece: bytes, to: asyncio.StreamWriter, link: _Link) -> bool:
        if isinstance(self._mode, Delay):
            await asyncio.sleep(self._mode.seconds)
        if isinstance(self._mode, Blackhole):
            link.lost_bytes = True
            self.swallowed += len(piece)
            return False
        to.write(piece)
        await to.drain()
        return True

    def _choose(self) -> Armed | None:
        self._dropping = [armed for armed in self._dropping if not armed.spent]
        return next((armed for armed in self._dropping if armed.take(self._rng)), None)
