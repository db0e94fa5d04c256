"""Waiting for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Return once `condition` holds, asked every 50 ms. Errors: TimeoutError after so many seconds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  the condition lives in another process, which sets no event
            await asyncio.sleep(0.05)
