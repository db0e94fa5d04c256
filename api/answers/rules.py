"""A rule as the API tells it."""

from datetime import datetime

from pydantic import BaseModel

from domain.lifecycle import RuleState
from domain.rules import Limits, Swap
from domain.triggers import MarketProbability
from infra.db.rules import Rule


class RuleAnswer(BaseModel):
    """The rule as it was written, with where it stands.

    `armed` tells that its condition was seen false since activation, so that coming true is a crossing;
    `arming` says the same in words.
    """

    id: str
    name: str
    wallet_id: str
    trigger: MarketProbability
    action: Swap
    limits: Limits
    state: RuleState
    version: int
    armed: bool
    arming: str
    executions: int
    cooldown_until: datetime | None
    created_at: datetime
    updated_at: datetime


def told(rule: Rule) -> RuleAnswer:
    return RuleAnswer(
        id=rule.id,
        name=rule.spec.name,
        wallet_id=rule.spec.wallet_id,
        trigger=rule.spec.trigger,
        action=rule.spec.action,
        limits=rule.spec.limits,
        state=rule.state,
        version=rule.version,
        armed=rule.armed,
        arming=arming(rule),
        executions=rule.executions,
        cooldown_until=rule.cooldown_until,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
    )


def arming(rule: Rule) -> str:
    """Would its condition coming true fire it? In words."""
    if rule.state is not RuleState.ACTIVE:
        return "does not watch the market"
    if rule.armed:
        return "armed"
    trigger = rule.spec.trigger
    side = "below" if trigger.when == "at_or_above" else "above"
    return f"waits to see the market {side} {trigger.threshold} first"


def why_not_live(rule: Rule) -> str:
    """What keeps a rule from firing that activating or resuming would not mend; empty where they would."""
    limits = rule.spec.limits
    match rule.state:
        case RuleState.EXECUTED if rule.executions >= limits.max_executions:
            return f"this rule has used its {limits.max_executions} execution(s); create another"
        case RuleState.EXECUTED:
            return "this rule becomes active again by itself when its cooldown is over"
        case RuleState.TRIGGERED | RuleState.EXECUTING:
            return "this rule has fired; its execution is under way"
        case RuleState.FAILED:
            return "this rule's execution failed and the rule with it; look at the execution, then create another"
        case RuleState.DELETED:
            return "this rule is deleted; create another"
        case _:
            return ""
