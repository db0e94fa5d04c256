"""The watcher on the real book and Temporal; the feed says what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from infra.db.book import Book
from infra.db.rules import Rule
from infra.watching import Watching
from tests.fakes.told_feed import observation
from tests.integration.desk import LIVE, MARKET, Desk
from tests.world.conditions import until


@pytest.fixture
def desk(book: Book, client: Client) -> Desk:
    return Desk(book, client)


@asynccontextmanager
async def watching(desk: Desk, watchers: int = 1) -> AsyncIterator[None]:
    """So many watchers on the desk's feed."""
    tasks = [
        asyncio.create_task(Watching("kalshi", desk.feed, desk.rules, desk.triggers, desk.starter, LIVE).run())
        for _ in range(watchers)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def armed(desk: Desk, rule: Rule) -> bool:
    return (await desk.rules.find(rule.owner_id, rule.id)).armed


async def triggers_of(desk: Desk, rule: Rule) -> int:
    rows = await desk.rows("SELECT count(*) AS n FROM trigger WHERE rule_id = :r", r=rule.id)
    return int(rows[0]["n"])


async def test_a_condition_that_becomes_true_after_being_seen_false_fires_once(desk: Desk) -> None:
    rule = await desk.rule(*await desk.wallet())
    async with watching(desk):
        await until(lambda: _followed(desk))
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, rule))
        await desk.feed.tell(observation(MARKET, "0.71", "0.73"))
        await desk.feed.tell(observation(MARKET, "0.72", "0.74"))
        await until(lambda: _state(desk, rule, "TRIGGERED"))
        [trigger] = await desk.rows("SELECT * FROM trigger WHERE rule_id = :r", r=rule.id)
    assert trigger["occurrence"] == "crossing/1"
    assert trigger["evidence"]["probability"] == "0.72"


async def test_a_condition_that_is_true_from_the_start_does_not_fire(desk: Desk) -> None:
    rule = await desk.rule(*await desk.wallet())
    other = await desk.rule(*await desk.wallet())
    async with watching(desk):
        await until(lambda: _followed(desk))
        await desk.feed.tell(observation(MARKET, "0.71", "0.73"))
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, rule))
        await until(lambda: armed(desk, other))
    assert await triggers_of(desk, rule) == 0


async def test_a_price_that_is_old_by_its_own_clock_never_fires(desk: Desk) -> None:
    rule = await desk.rule(*await desk.wallet())
    async with watching(desk):
        await until(lambda: _followed(desk))
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, rule))
        stale = datetime.now(UTC) - LIVE.max_price_age - timedelta(seconds=1)
        await desk.feed.tell(observation(MARKET, "0.90", "0.91", at=stale))
        await desk.feed.tell(observation(MARKET, "0.10", "0.90"))  # too wide to mean anything
        fence = await desk.rule(*await desk.wallet())
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, fence))
    assert await triggers_of(desk, rule) == 0


async def test_two_watchers_that_see_the_same_crossing_make_one_trigger(desk: Desk) -> None:
    rule = await desk.rule(*await desk.wallet())
    await desk.rules.arm(rule.id, 1)
    evidence: dict[str, object] = {"by": "observation"}
    fired = await asyncio.gather(
        *(desk.triggers.record_crossing(rule.id, 1, evidence, LIVE, {}) for _ in range(20)), return_exceptions=True
    )
    orders = {one.order for one in fired if one is not None and not isinstance(one, BaseException)}
    assert len(orders) == 1
    assert await triggers_of(desk, rule) == 1


async def test_a_crossing_of_an_activation_that_is_over_is_not_recorded(desk: Desk) -> None:
    rule = await desk.rule(*await desk.wallet())
    await desk.rules.arm(rule.id, 1)
    await desk.rules.pause(rule.owner_id, rule.id)
    await desk.rules.activate(rule.owner_id, rule.id)
    assert await desk.triggers.record_crossing(rule.id, 1, {}, LIVE, {}) is None
    assert await desk.triggers.record_crossing(rule.id, 2, {}, LIVE, {}) is None, "it was not seen false since"


async def test_new_and_paused_rules_are_noticed_without_a_restart(desk: Desk) -> None:
    async with watching(desk):
        rule = await desk.rule(*await desk.wallet())
        await until(lambda: _followed(desk))
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, rule))
        await desk.rules.pause(rule.owner_id, rule.id)
        await desk.feed.tell(observation(MARKET, "0.71", "0.73"))
        fence = await desk.rule(*await desk.wallet())
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, fence))
    assert await triggers_of(desk, rule) == 0


async def _followed(desk: Desk) -> bool:
    return MARKET in desk.feed.followed


async def _state(desk: Desk, rule: Rule, state: str) -> bool:
    return (await desk.rules.find(rule.owner_id, rule.id)).state == state


async def test_a_price_told_before_a_rule_became_active_does_not_arm_it(desk: Desk) -> None:
    async with watching(desk):
        fence = await desk.rule(*await desk.wallet())
        await until(lambda: _followed(desk))
        await desk.feed.tell(observation(MARKET, "0.55", "0.57"))
        await until(lambda: armed(desk, fence))
        desk.feed.known[MARKET] = observation(MARKET, "0.71", "0.73")  # it has moved, and the feed has not told yet
        rule = await desk.rule(*await desk.wallet())
        await until(lambda: _state(desk, fence, "TRIGGERED"))
    assert not await armed(desk, rule)
    assert await triggers_of(desk, rule) == 0
