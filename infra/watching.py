"""Watches one feed for all rules: keeps the index of thresholds, arms rules, and records their crossings."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from opentelemetry import trace
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from domain import triggers
from domain.errors import TripwireError
from domain.lifecycle import RuleState
from domain.matching import MarketIndex
from domain.policy import Policy
from domain.triggers import Answer, MarketObservation
from infra import telemetry
from infra.db.rules import Rule, Rules
from infra.db.triggers import Triggers
from infra.feeds.protocol import Feed
from infra.temporal.starter import Starter

log = structlog.get_logger(__name__)
tracer = trace.get_tracer(__name__)

# How soon a new or paused rule is noticed.
SYNC_EVERY_S = 0.5

# A change is stamped before its transaction commits, and no statement may take longer than this.
COMMIT_LAG = timedelta(seconds=12)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Market:
    """Rules of one market: the armed wait to become true, the others must first be seen false."""

    armed: MarketIndex = field(default_factory=MarketIndex)
    unarmed: MarketIndex = field(default_factory=MarketIndex)


class Watching:
    def __init__(
        self, source: str, feed: Feed, rules: Rules, recorder: Triggers, starter: Starter, policy: Policy
    ) -> None:
        self._source = source
        self._feed = feed
        self._rules = rules
        self._triggers = recorder
        self._starter = starter
        self._policy = policy
        self._live: dict[str, Rule] = {}
        self._markets: defaultdict[str, _Market] = defaultdict(_Market)
        self._followed: frozenset[str] = frozenset()
        self._synced_to = LONG_AGO
        # Rules come and go while others are judged, and judging waits on the book.
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_in_sync())
            tasks.create_task(self._listen())

    async def _listen(self) -> None:
        async for seen in self._feed.observations():
            async with self._one_at_a_time:
                if seen.market in self._markets:
                    await self._judge(seen)

    async def _keep_in_sync(self) -> None:
        while True:
            try:
                await self.sync()
            except (SQLAlchemyError, OSError) as error:  # the rules known so far are watched on
                log.warning("rules not read", reason=type(error).__name__)
            await asyncio.sleep(SYNC_EVERY_S)

    async def sync(self) -> None:
        """Take up what changed in the book since the last time; follow just the markets that live rules need."""
        async with self._one_at_a_time:
            await self._sync()

    async def _sync(self) -> None:
        changed = await self._rules.changed(self._source, self._synced_to - COMMIT_LAG)
        fresh: list[Rule] = []
        for rule in changed:
            self._synced_to = max(self._synced_to, rule.updated_at)
            known = self._live.get(rule.id)
            if known is not None and (known.activation, known.version) == (rule.activation, rule.version):
                if rule.state is not RuleState.ACTIVE:
                    self._forget(rule.id)
                continue
            self._forget(rule.id)
            if rule.state is RuleState.ACTIVE:
                self._learn(rule)
                fresh.append(rule)
        wanted = frozenset(rule.spec.trigger.market for rule in self._live.values())
        if wanted != self._followed:
            self._followed = wanted
            for market in self._markets.keys() - wanted:
                del self._markets[market]
            await self._feed.follow(wanted)
        # A market that is followed already is not told again by its feed, and what was told before a rule
        # became active says nothing about it: new rules are judged by a price that is asked for now.
        for market in {rule.spec.trigger.market for rule in fresh}:
            try:
                seen = await self._feed.snapshot(market)
            except TripwireError as error:  # the feed tells the next change; until then the rule stays unarmed
                log.warning("market not read", market=market, code=error.code)
            else:
                await self._judge(seen)

    def _learn(self, rule: Rule) -> None:
        self._live[rule.id] = rule
        market = self._markets[rule.spec.trigger.market]
        (market.armed if rule.armed else market.unarmed).add(rule.id, rule.spec.trigger)

    def _forget(self, rule_id: str) -> None:
        rule = self._live.pop(rule_id, None)
        if rule is None:
            return
        market = self._markets[rule.spec.trigger.market]
        market.armed.remove(rule_id)
        market.unarmed.remove(rule_id)

    async def _judge(self, seen: MarketObservation) -> None:
        market = self._markets[seen.market]
        now = datetime.now(UTC)
        for rule_id in list(market.unarmed.false_for(seen)):
            # Any age by the source's clock will do to see a condition false: arming moves no money, and a quiet
            # market's last price is as old as its last trade. But it was told since the rule became active.
            if seen.received_time < self._live[rule_id].updated_at:
                continue
            if triggers.read(self._live[rule_id].spec.trigger, seen, now, timedelta.max).answer is Answer.FALSE:
                await self._arm(market, self._live[rule_id])
        for rule_id in list(market.armed.true_for(seen)):
            rule = self._live[rule_id]
            reading = triggers.read(rule.spec.trigger, seen, now, self._policy.max_price_age)
            telemetry.OBSERVATIONS.labels(self._source, reading.code or reading.answer).inc()
            if reading.answer is Answer.TRUE:
                await self._fire(rule, seen, str(reading.probability))

    async def _arm(self, market: _Market, rule: Rule) -> None:
        try:
            if await self._rules.arm(rule.id, rule.activation):
                market.unarmed.remove(rule.id)
                market.armed.add(rule.id, rule.spec.trigger)
        except (SQLAlchemyError, OSError) as error:  # it stays unarmed, and the next observation tries again
            log.warning("rule not armed", rule_id=rule.id, reason=type(error).__name__)

    async def _fire(self, rule: Rule, seen: MarketObservation, probability: str) -> None:
        """Record first, start second; what is recorded and not started, the sweep starts."""
        with tracer.start_as_current_span("observation", attributes={"market": seen.market, "rule": rule.id}):
            try:
                fired = await self._triggers.record_crossing(
                    rule.id, rule.activation, evidence(seen, probability), self._policy, telemetry.carry_trace()
                )
            except (SQLAlchemyError, OSError) as error:  # the rule stays armed, and the next observation tries again
                log.warning("crossing not recorded", rule_id=rule.id, reason=type(error).__name__)
                return
            self._forget(rule.id)
            if fired is None:
                return
            telemetry.TRIGGERS.labels(self._source).inc()
            log.info("trigger recorded", rule_id=rule.id, trigger_id=fired.order.trigger_id, new=fired.new)
            try:
                await self._starter.start(fired.order, telemetry.carry_trace())
            except (RPCError, SQLAlchemyError, OSError) as error:
                log.warning("start left to the sweep", trigger_id=fired.order.trigger_id, reason=type(error).__name__)


def evidence(seen: MarketObservation, probability: str) -> dict[str, object]:
    """What a trigger keeps of the observation that made it."""
    return {
        "by": "observation",
        "source": seen.source,
        "market": seen.market,
        "probability": probability,
        "bid": None if seen.bid is None else str(seen.bid),
        "ask": None if seen.ask is None else str(seen.ask),
        "last": None if seen.last is None else str(seen.last),
        "source_time": seen.source_time.isoformat(),
        "received_time": seen.received_time.isoformat(),
        "raw_sha256": seen.raw_sha256,
    }
