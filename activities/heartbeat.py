"""Heartbeats apart from the work: calls that hang make a step long, and its worker is alive all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

EVERY_S = 2  # a fifth of the timeouts by which a silent worker is replaced


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeat for as long as the context is open."""
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beating.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(EVERY_S)
