"""The outbox's other half: start what was recorded and not started, and end cooldowns that are over."""

from temporalio import activity

from infra.db.rules import Rules
from infra.db.triggers import Triggers
from infra.temporal.starter import Starter

# Whoever recorded a trigger starts it at once; a row this old was left behind.
LEFT_BEHIND_AFTER_S = 3

# One page a sweep keeps the step short; the schedule comes again in seconds.
PAGE = 200


class Sweep:
    def __init__(self, triggers: Triggers, rules: Rules, starter: Starter) -> None:
        self._triggers = triggers
        self._rules = rules
        self._starter = starter

    @activity.defn(name="sweep")
    async def run(self) -> int:
        """How many workflows were started."""
        left_behind = await self._triggers.unstarted(LEFT_BEHIND_AFTER_S, PAGE)
        for unstarted in left_behind:
            await self._starter.start(unstarted.order, unstarted.trace)
            activity.heartbeat()
        await self._rules.end_cooldowns(PAGE)
        return len(left_behind)
