"""A coroutine driven by hand: every await of ours that reaches the event loop can be its last."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import AsyncGeneratorType, FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT / room}/" for room in ("activities", "domain", "infra"))
ANSWER_WITHIN_S = 20  # Postgres's own limit for a statement is 10 s


@dataclass(frozen=True, slots=True)
class Point:
    """An await of the product: `frames` from the step inwards, as `file:line`, with `effects` before it.

    `during` names the effect whose answer is awaited: there it has happened, and nobody has heard of it.
    """

    effects: int
    step: str
    frames: tuple[str, ...]
    during: str = ""

    def __str__(self) -> str:
        heard = f", {self.during} done and its answer unread" if self.during else ""
        return f"{self.step}, {self.effects} effects before{heard}, at {' → '.join(self.frames)}"


class Died(Exception):
    """The process ended at this point."""


@dataclass
class Tape:
    """The effects of one run, in order, whichever process had them. `in_flight` is one that is being asked for."""

    effects: list[str] = field(default_factory=list)
    in_flight: str = ""


class Stepped(Generic[T]):
    """Awaits `coroutine`, calling `dies` wherever it waits; where that is true the coroutine stays as it is, for ever.

    For ever, or until `resume`: then it goes on as a process does that was only slow.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], step: str, tape: Tape, dies: Callable[[Point], bool]) -> None:
        self._coroutine = coroutine
        self._step = step
        self._tape = tape
        self._dies = dies
        self._awaited: asyncio.Future[Any] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        go_on: Callable[[], Any] = partial(self._coroutine.send, None)
        while True:
            try:
                self._awaited = go_on()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            during, self._tape.in_flight = self._tape.in_flight, ""
            point = Point(len(self._tape.effects), self._step, tuple(_frames(self._coroutine)), during)
            if self._dies(point):
                if during:
                    yield from self._answered().__await__()
                    self._tape.effects.append(f"{during} in {self._step}")
                raise Died(str(point))
            try:
                yield self._awaited
                go_on = partial(self._coroutine.send, None)
            except BaseException as error:  # noqa: BLE001 - a cancellation is the coroutine's to handle
                go_on = partial(self._coroutine.throw, error)
            if during:
                self._tape.effects.append(f"{during} in {self._step}")

    async def resume(self) -> T:
        """Let what was left for dead go on to its end. Its errors are its own."""
        await self._answered()
        self._dies = lambda point: False
        return await self

    async def _answered(self) -> None:
        if self._awaited is not None:
            self._awaited._asyncio_future_blocking = False  # it is awaited here, no longer in the coroutine
            done, _ = await asyncio.wait([self._awaited], timeout=ANSWER_WITHIN_S)
            assert done, "an answer that was waited for never came"


def _frames(coroutine: Any) -> Generator[str, None, None]:
    """The lines of ours that wait for each other, outermost first."""
    waiting = coroutine
    while waiting is not None:
        frame, inner = _inside(waiting)
        if frame is not None and frame.f_code.co_filename.startswith(OURS):
            yield f"{Path(frame.f_code.co_filename).relative_to(ROOT)}:{frame.f_lineno}"
        waiting = inner


def _inside(waiting: Any) -> tuple[FrameType | None, Any]:
    """A waiting object's frame, and what it waits for in turn."""
    if isinstance(waiting, AsyncGeneratorType):
        return waiting.ag_frame, waiting.ag_await
    frame: FrameType | None = getattr(waiting, "cr_frame", None)
    inner = getattr(waiting, "cr_await", None)
    if frame is not None and frame.f_code.co_name in ("__aenter__", "__aexit__"):
        # What an `asynccontextmanager` waits for is not told by the wrapper, but by the generator it wraps.
        inner = getattr(frame.f_locals.get("self"), "gen", None) or inner
    return frame, inner
