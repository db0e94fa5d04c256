"""A rule as the API tells it."""

from datetime import datetime

from pydantic import BaseModel

from domain.lifecycle import RuleState
from domain.rules import Limits, Swap
from domain.triggers import MarketProbability
from infra.db.rules import Rule


class RuleAnswer(BaseModel):
    """The rule as it was written, with where it stands.

    `armed` tells that its condition was seen false since activation, so that coming true is a crossing.
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
        executions=rule.executions,
        cooldown_until=rule.cooldown_until,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
    )
