"""Wait for a part from a plain function, whether or not the test session runs an event loop."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def finished(waiting: Coroutine[Any, Any, None]) -> None:
    """Run `waiting` to its end on an event loop of its own, in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, waiting).result()
