"""The watcher: follows the feeds that live rules need, and records their crossings. Any number may run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable

from temporalio.client import Client

from infra.config import Settings
from infra.db.book import Book
from infra.db.rules import Rules
from infra.db.triggers import Triggers
from infra.parts import open_feeds
from infra.temporal.starter import Starter
from infra.watching import Watching
from workers import process


@contextlib.asynccontextmanager
async def serve(settings: Settings, client: Client, book: Book) -> AsyncIterator[Awaitable[None]]:
    triggers = Triggers(book)
    async with open_feeds(settings) as feeds:
        watchings = [
            Watching(name, feed, Rules(book), triggers, Starter(client, triggers), settings.policy)
            for name, feed in feeds.items()
        ]
        watching = asyncio.create_task(_run(watchings))
        try:
            yield asyncio.shield(watching)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


async def _run(watchings: list[Watching]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for watching in watchings:
            tasks.create_task(watching.run())


def main() -> None:
    process.run("watcher", serve)


if __name__ == "__main__":
    main()
