"""An HTTP/1.1 reverse proxy that passes everything on, except where a fault is armed.

async with HttpFaultProxy("http://127.0.0.1:7405") as proxy:
    armed = proxy.arm(DropAfter(), name="sendTransaction", times=1)
    await armed.hit()
    proxy.log.sent()
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from infra.devnet.ports import BACKLOG, LOOPBACK
from infra.devnet.proxy import answer as answers
from infra.devnet.proxy.answer import Answer
from infra.devnet.proxy.arming import Armed, ArmedMode
from infra.devnet.proxy.client import ClientConnection
from infra.devnet.proxy.log import BODY_KEPT_BYTES, Exchange, Log
from infra.devnet.proxy.memory import Memory
from infra.devnet.proxy.modes import (
    Delay,
    DropAfter,
    DropBefore,
    Duplicate,
    Garble,
    LateDeliver,
    LieNull,
    Mode,
    Pass,
    Replace,
    StaleRead,
    Status,
    Truncate,
)
from infra.devnet.proxy.request import Request
from infra.devnet.proxy.upstream import NoAnswer, NotThere, Upstream

_AT_ONCE = (Delay, DropBefore, LateDeliver, Status, StaleRead)  # these happen before the upstream is asked


class HttpFaultProxy:
    """Stands before `upstream_url` (an origin). It may start before the upstream runs.

    Chance comes from `rng` alone: the same seed and the same order of requests give the same faults.
    A client whose upstream does not answer is cut off, as if it had no proxy.
    """

    port: int  # known once it is entered

    def __init__(self, upstream_url: str, rng: random.Random | None = None) -> None:
        self.log = Log()
        self._upstream = Upstream(upstream_url)
        self._rng = rng or random.Random(0)  # noqa: S311 - faults shall replay
        self._armed: list[ArmedMode] = []
        self._memory = Memory()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, backlog=BACKLOG)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every client is cut off, and what was to be delivered late is not."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def arm(
        self,
        mode: Mode,
        *,
        name: str | None = None,
        times: int | None = None,
        when: Callable[[Request], bool] | None = None,
        chance: float = 1.0,
    ) -> Armed:
        """The mode meets every request that matches, or the next `times`; of several, the one armed first.

        `name` is a pattern (fnmatch) for the request's name. A hit is counted before the client hears anything:
        when the upstream has answered, or, where it is not asked or kept waiting, when the request arrives.
        An upstream that does not answer spends the fault without a hit.
        """
        armed = ArmedMode(mode, name, times, when, chance)
        self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Disarm everything. What was taken by a fault goes its way, late deliveries too."""
        for armed in self._armed:
            armed.disarm()
        self._armed.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin(self._serve(ClientConnection(reader, writer)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: ClientConnection) -> None:
        try:
            with suppress(OSError):  # it has gone: there is nobody to tell
                while (request := await client.next_request()) is not None:
                    await self._meet(client, request)
        finally:
            client.close()

    async def _meet(self, client: ClientConnection, request: Request) -> None:
        armed = self._choose(request)
        mode = armed.mode if armed else Pass()
        exchange = self.log.open(request, mode)
        begun_s = time.monotonic()
        at_once = isinstance(mode, _AT_ONCE)
        if armed and at_once:
            armed.happened()
        answer = await self._heard(exchange, request, mode)
        if armed and not at_once and answer is not None:
            armed.happened()
        if answer is None or isinstance(mode, DropAfter):
            client.cut()
        elif isinstance(mode, Truncate):
            await client.send_half(answer)
        else:
            await client.send(answer)
        if not isinstance(mode, LateDeliver):
            exchange.duration_s = time.monotonic() - begun_s

    def _choose(self, request: Request) -> ArmedMode | None:
        self._armed = [armed for armed in self._armed if not armed.spent]
        for armed in self._armed:
            nothing_stale = isinstance(armed.mode, StaleRead) and self._memory.recall(request) is None
            if armed.means(request) and not nothing_stale and armed.take(self._rng):
                return armed
        return None

    async def _heard(self, exchange: Exchange, request: Request, mode: Mode) -> Answer | None:
        """What the client shall hear; None: nothing."""
        match mode:
            case DropBefore():
                return None
            case LateDeliver(after_s=after_s):
                self._begin(self._deliver_late(exchange, request, after_s))
                return None
            case Status(code=code, retry_after_s=retry_after_s, body=body):
                return answers.of_status(code, retry_after_s, body)
            case StaleRead():
                return self._memory.recall(request)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
        answer = await self._forward(exchange, request)
        if isinstance(mode, Duplicate):
            await self._forward(exchange, request)
        if answer is None:
            return None
        match mode:
            case Garble():
                return answers.garbled(answer, self._rng)
            case LieNull():
                return answers.replaced(answer, answers.nothing_found)
            case Replace(transform=transform):
                return answers.replaced(answer, transform)
        return answer

    async def _deliver_late(self, exchange: Exchange, request: Request, after_s: float) -> None:
        begun_s = time.monotonic()
        await asyncio.sleep(after_s)
        await self._forward(exchange, request)
        exchange.duration_s = time.monotonic() - begun_s

    async def _forward(self, exchange: Exchange, request: Request) -> Answer | None:
        """The upstream's answer, whatever its status; None when there is none."""
        forwarded = datetime.now(UTC)
        exchange.forwarded.append(forwarded)  # before it leaves: a log that is read meanwhile must not miss it
        try:
            answer = await self._upstream.ask(request)
        except NotThere:
            exchange.forwarded.remove(forwarded)
            return None
        except NoAnswer:
            return None
        if exchange.status is None:
            exchange.status, exchange.answer = answer.status, answer.body[:BODY_KEPT_BYTES]
        self._memory.note(request, answer)
        return answer
