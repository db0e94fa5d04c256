"""One batch at a time for all who wait, each told of its own, and nobody's trouble is another's."""

import asyncio
from dataclasses import dataclass, field

import pytest

from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable
from domain.intents import Slot
from infra.venues import gathering
from infra.venues.gathering import MANY, GatheredLookUps
from infra.venues.protocol import Sent

AN_HOUR_S = 3_600.0


def sent(ref: str) -> Sent:
    return Sent(b"", ref, Slot("nonce", 1), "address")


@dataclass
class Asked:
    """A venue that answers each payload with its own name, when it is let; `batches` holds what it was asked."""

    batches: list[list[str]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: list[Exception | int] = field(default_factory=list)

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        self.batches.append([one.venue_ref for one in sent])
        await self.open.wait()
        trouble = self.trouble.pop(0) if self.trouble else None
        if isinstance(trouble, Exception):
            raise trouble
        answered = sent[trouble:] if trouble else sent
        return tuple(Sighting(Fate.PENDING, detail=one.venue_ref) for one in answered)


@pytest.fixture
def venue() -> Asked:
    return Asked()


async def turns() -> None:
    """Let every task go as far as it can without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_all_who_ask_during_a_batch_share_the_next(venue: Asked) -> None:
    gathered = GatheredLookUps(venue, every_s=0)
    first = asyncio.create_task(gathered.look_up((sent("first"),)))
    await turns()
    others = [asyncio.create_task(gathered.look_up((sent(f"{no} a"), sent(f"{no} b")))) for no in range(100)]
    await turns()
    assert venue.batches == [["first"]]
    venue.open.set()
    answers = await asyncio.gather(first, *others)
    assert len(venue.batches) == 2
    assert [[one.detail for one in answer] for answer in answers[1:]] == [[f"{no} a", f"{no} b"] for no in range(100)]


async def test_the_next_batch_waits_for_its_time(venue: Asked) -> None:
    gathered = GatheredLookUps(venue, every_s=AN_HOUR_S)
    venue.open.set()
    await gathered.look_up((sent("at once"),))
    early = asyncio.create_task(gathered.look_up((sent("early"),)))
    await turns()
    assert venue.batches == [["at once"]]
    early.cancel()


async def test_after_a_batch_of_many_even_the_first_few_who_ask_again_wait_for_the_others(venue: Asked) -> None:
    gathered = GatheredLookUps(venue, every_s=0, many_every_s=AN_HOUR_S)
    venue.open.set()
    await gathered.look_up(tuple(sent(f"{no}") for no in range(MANY)))
    early = asyncio.create_task(gathered.look_up((sent("early"),)))
    await turns()
    assert len(venue.batches) == 1
    early.cancel()


async def test_asking_about_nothing_costs_no_question_and_keeps_the_pace(venue: Asked) -> None:
    gathered = GatheredLookUps(venue, every_s=AN_HOUR_S)
    assert await gathered.look_up(()) == ()
    again = asyncio.create_task(gathered.look_up(()))
    await turns()
    assert not again.done()
    assert venue.batches == []
    again.cancel()


async def test_many_payloads_go_in_batches_that_split_no_caller(venue: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MAX_BATCH", 4)
    gathered = GatheredLookUps(venue, every_s=0)
    venue.open.set()
    sizes = (2, 3, 1, 6, 1)
    asked = [tuple(sent(f"{no}-{at}") for at in range(size)) for no, size in enumerate(sizes)]
    answers = await asyncio.gather(*(gathered.look_up(one) for one in asked))
    assert [len(batch) for batch in venue.batches] == [2, 4, 6, 1]
    assert [[one.detail for one in answer] for answer in answers] == [[s.venue_ref for s in one] for one in asked]


@pytest.mark.parametrize("trouble", [ChainUnavailable("no node"), ValueError("a defect"), 1])
async def test_a_batch_that_fails_is_unknown_to_its_callers_alone(venue: Asked, trouble: Exception | int) -> None:
    gathered = GatheredLookUps(venue, every_s=0)
    venue.open.set()
    venue.trouble.append(trouble)
    failed = await asyncio.gather(*(gathered.look_up((sent("a"), sent("b"))) for _ in range(3)))
    assert {one.fate for answer in failed for one in answer} == {Fate.UNKNOWN}
    assert [len(answer) for answer in failed] == [2, 2, 2]
    (after,) = await gathered.look_up((sent("c"),))
    assert after.fate is Fate.PENDING


async def test_who_leaves_hurts_nobody_not_even_having_come_first(venue: Asked) -> None:
    gathered = GatheredLookUps(venue, every_s=0)
    leaver, stayer = (asyncio.create_task(gathered.look_up((sent(name),))) for name in ("leaver", "stayer"))
    await turns()
    assert venue.batches == [["leaver", "stayer"]]
    leaver.cancel()
    await turns()
    venue.open.set()
    (seen,) = await stayer
    assert seen.detail == "stayer"


async def test_who_left_before_the_batch_is_not_asked_about(venue: Asked) -> None:
    gathered = GatheredLookUps(venue, every_s=0)
    first, leaver, stayer = (asyncio.create_task(gathered.look_up((sent(name),))) for name in ("1", "2", "3"))
    await turns()
    late = [asyncio.create_task(gathered.look_up((sent(name),))) for name in ("4", "5")]
    await turns()
    late[0].cancel()
    await turns()
    venue.open.set()
    await asyncio.gather(first, leaver, stayer, late[1])
    assert venue.batches == [["1", "2", "3"], ["5"]]
