"""Whether a part that speaks HTTP answers."""

import asyncio
import time

import httpx

CALL_TIMEOUT_S = 5
START_TIMEOUT_S = 60  # importing everything takes seconds when all parts start at once on two cores


class NoAnswer(Exception):
    """A part did not answer in time."""


async def healthy(url: str) -> bool:
    """Whether `url` answers 200 now. Proxies of the surroundings are left out: it is our own machine."""
    async with httpx.AsyncClient(trust_env=False, timeout=CALL_TIMEOUT_S) as client:
        try:
            return (await client.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


async def wait_healthy(url: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Errors: NoAnswer when it does not answer 200 in time."""
    deadline = time.monotonic() + timeout_s
    while not await healthy(url):
        if time.monotonic() > deadline:
            raise NoAnswer(f"{url} did not answer within {timeout_s:.0f} s")
        await asyncio.sleep(0.1)
