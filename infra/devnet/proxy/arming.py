"""A fault on order: how often it may still happen, and word of it when it did."""

import asyncio
import random
from collections.abc import Callable
from fnmatch import fnmatchcase

from infra.devnet.proxy.modes import Mode
from infra.devnet.proxy.request import Request


class Armed:
    """`hits` counts how often the fault has happened."""

    def __init__(self, times: int | None, chance: float) -> None:
        self.hits = 0
        self._left = times  # None: no limit
        self._chance = chance
        self._next = asyncio.Event()

    @property
    def spent(self) -> bool:
        return self._left == 0

    def disarm(self) -> None:
        """It takes no further exchange; what it has taken goes its way."""
        self._left = 0

    async def hit(self, times: int = 1) -> None:
        """Return once it has happened `times` times in all. Waits for ever if it does not: give it a deadline."""
        while self.hits < times:
            await self._next.wait()

    def take(self, rng: random.Random) -> bool:
        """Whether it takes this exchange, which is then counted against its limit. Draws only if there is a chance."""
        if self.spent or (self._chance < 1 and rng.random() >= self._chance):
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def happened(self) -> None:
        self.hits += 1
        self._next.set()
        self._next = asyncio.Event()


class ArmedMode(Armed):
    """A mode, and which requests are meant: all of them unless a pattern or a condition says otherwise."""

    def __init__(
        self,
        mode: Mode,
        pattern: str | None,
        times: int | None,
        when: Callable[[Request], bool] | None,
        chance: float,
    ) -> None:
        super().__init__(times, chance)
        self.mode = mode
        self._pattern = pattern
        self._when = when

    def means(self, request: Request) -> bool:
        """A batch is meant when any of its calls is."""
        named = self._pattern is None or any(fnmatchcase(name, self._pattern) for name in request.names)
        return named and (self._when is None or self._when(request))
