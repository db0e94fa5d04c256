"""Many followers of one venue ask it together: what a look-up costs does not grow with how many wait."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from domain.attempts import Fate, Sighting
from domain.errors import TripwireError
from infra.venues.protocol import Sent

# A slot of the fastest chain lasts 400 ms and its finality 13 s: more often would only cost requests.
POLL_EVERY_S: Final = 0.5

# When many wait, each look serves them all, and finality is worth fewer requests: a look is two to Solana and
# four to an EVM node, so that two processes stay below five a second on both chains together.
MANY: Final = 10  # payloads
MANY_POLL_EVERY_S: Final = 2.5

# One batch is one question to the venue: Solana takes 256 signatures in a call.
MAX_BATCH: Final = 250  # payloads

log = structlog.get_logger(__name__)


class LookUps(Protocol):
    """What is needed of a `Venue`."""

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]: ...


@dataclass(frozen=True, slots=True)
class _Caller:
    sent: tuple[Sent, ...]
    answer: "asyncio.Future[tuple[Sighting, ...]]"


class GatheredLookUps:
    """The look-ups of one process at one venue. One batch is under way at a time, and sets the pace of all.

    Whoever asks waits for the next batch, which begins `every_s` after the last one began, `many_every_s` when many
    wait; so a follower that asks again and again needs no pause of its own. The payloads of one caller stay in one
    batch: together they say more.
    """

    def __init__(self, venue: LookUps, every_s: float = POLL_EVERY_S, many_every_s: float = MANY_POLL_EVERY_S) -> None:
        self._venue, self._every_s, self._many_every_s = venue, every_s, many_every_s
        self._callers: list[_Caller] = []
        self._batches: asyncio.Task[None] | None = None
        self._last_began = float("-inf")
        self._last_size = 0  # payloads of the last batch

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        """The fate of each, in order; UNKNOWN for all of a batch that failed. Of nothing: a wait for the next batch."""
        caller = _Caller(sent, asyncio.get_running_loop().create_future())
        self._callers.append(caller)
        if self._batches is None or self._batches.done():
            # A task of its own: whoever was first may be cancelled, and the others still get their answers.
            self._batches = asyncio.create_task(self._serve())
        return await caller.answer

    async def _serve(self) -> None:
        """Batch after batch, as long as somebody waits."""
        loop = asyncio.get_running_loop()
        while self._callers:
            # By the last batch: who is first to ask again does not know yet how many will.
            every_s = self._every_s if self._last_size < MANY else self._many_every_s
            await asyncio.sleep(max(0.0, self._last_began + every_s - loop.time()))
            self._last_began = loop.time()
            batch = self._next_batch()
            self._last_size = sum(len(caller.sent) for caller in batch)
            sightings = iter(await self._asked(tuple(one for caller in batch for one in caller.sent)))
            for caller in batch:
                own = tuple(next(sightings) for _ in caller.sent)
                if not caller.answer.done():  # cancelled meanwhile
                    caller.answer.set_result(own)

    def _next_batch(self) -> list[_Caller]:
        """Who waits longest, as many as fit; one caller always does. Who has left is forgotten."""
        waiting = [caller for caller in self._callers if not caller.answer.done()]
        batch: list[_Caller] = []
        size = 0
        while waiting and (not batch or size + len(waiting[0].sent) <= MAX_BATCH):
            batch.append(waiting.pop(0))
            size += len(batch[-1].sent)
        self._callers = waiting
        return batch

    async def _asked(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        if not sent:
            return ()
        try:
            sightings = await self._venue.look_up(sent)
            if len(sightings) == len(sent):
                return sightings
            detail = f"the venue told of {len(sightings)} payloads, asked was about {len(sent)}"
        except TripwireError as error:
            detail = str(error)
        except Exception as error:  # nobody awaits this task: its callers would wait for ever
            detail = f"the look-up failed: {type(error).__name__}"
            log.exception("look-up failed")
        return tuple(Sighting(Fate.UNKNOWN, detail=detail) for _ in sent)
