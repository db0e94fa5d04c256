"""What every worker process does: settings, telemetry, heartbeat, run, and an orderly stop on a signal."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from infra import telemetry
from infra.config import Settings, load_settings
from infra.db.book import Book
from infra.db.heartbeat import beat_forever
from infra.db.system import System
from infra.temporal.client import connect

log = structlog.get_logger(__name__)

# A step that is told to stop gets this long; what it leaves unfinished is taken up by another worker.
GRACE = timedelta(seconds=8)

# Temporal may still be starting; past this somebody has to look.
CONNECT_TRIES = 60

Job = Callable[[Settings, Client, Book], contextlib.AbstractAsyncContextManager[Awaitable[None]]]


def run(kind: str, job: Job) -> None:
    """Run one worker process until SIGINT or SIGTERM."""
    settings = load_settings()
    telemetry.set_up(kind, settings)
    telemetry.serve_metrics(settings)
    asyncio.run(_main(kind, job, settings))
    sys.stderr.flush()


async def _main(kind: str, job: Job, settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await _reach(settings, stop)
    if client is None:
        return
    book = Book.open(settings.database_url)
    beating = asyncio.create_task(beat_forever(System(book), kind))
    try:
        async with job(settings, client, book) as broken:
            log.info("ready", kind=kind)
            failure = asyncio.ensure_future(broken)
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({failure, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if failure.done():
                failure.result()
            failure.cancel()
    finally:
        beating.cancel()
        await book.close()
        log.info("stopped", kind=kind)


async def _reach(settings: Settings, stop: asyncio.Event) -> Client | None:
    for _ in range(CONNECT_TRIES):
        with contextlib.suppress(RuntimeError):
            return await connect(settings)
        log.warning("Temporal does not answer yet", address=settings.temporal_address)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1)
            return None
    log.error("Temporal does not answer: check TRIPWIRE_TEMPORAL_ADDRESS", address=settings.temporal_address)
    sys.exit(69)  # Source: sysexits.h, EX_UNAVAILABLE


@contextlib.asynccontextmanager
async def serving(worker: Worker) -> AsyncIterator[Awaitable[None]]:
    """A Temporal worker that polls while the context is open; what it yields ends only if the worker breaks."""
    running = asyncio.create_task(worker.run())
    try:
        yield asyncio.shield(running)
    finally:
        await worker.shutdown()
        await running
