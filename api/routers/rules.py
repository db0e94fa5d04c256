"""Rules: writing, reading and changing them."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from api import rule_checks
from api.answers.rules import RuleAnswer, told
from api.assembly import At
from api.auth import Reader, Trader
from api.idempotency import once
from api.inputs import OptionalIdempotencyKey, RuleId
from api.paging import Cursor, Limit, Page, decode, page
from api.problems import problems
from domain import identity
from domain.errors import (
    FeedNonsense,
    FeedUnavailable,
    IdempotencyMismatch,
    IllegalTransition,
    NotFound,
    RaceLost,
)
from domain.rules import RuleSpec

router = APIRouter(prefix="/rules", tags=["rules"])

EXAMPLE = {
    "name": "Fed cut → SOL",
    "wallet_id": "wal_ab12",
    "trigger": {
        "kind": "market_probability",
        "venue": "kalshi",
        "market": "FED-25DEC-CUT",
        "outcome": "yes",
        "price": "mid",
        "when": "at_or_above",
        "threshold": "0.70",
    },
    "action": {"kind": "swap", "sell": "USDC", "buy": "SOL", "amount": "50", "max_slippage_bps": 50},
    "limits": {"cooldown_hours": 24, "max_executions": 1},
}
Spec = Annotated[RuleSpec, Body(examples=[EXAMPLE])]
Changes = Annotated[
    dict[str, Any],
    Body(min_length=1, examples=[{"trigger": {"threshold": "0.80"}}], description="A JSON merge patch (RFC 7396)"),
]


@router.post(
    "",
    status_code=201,
    response_model=RuleAnswer,
    responses=problems(IdempotencyMismatch, FeedUnavailable, FeedNonsense),
)
async def create_rule(
    body: Spec, request: Request, caller: Trader, at: At, idempotency_key: OptionalIdempotencyKey = None
) -> Response:
    """Write a rule down. It does nothing until it is activated."""
    key = idempotency_key or str(uuid.uuid4())

    async def add() -> RuleAnswer:
        await rule_checks.check(at, caller.owner, body)
        rule = await at.rules.add(identity.rule_id(caller.owner, key), caller.owner, body)
        if rule.version == 1 and rule.spec != body:
            raise IdempotencyMismatch("this Idempotency-Key made another rule")
        return told(rule)

    return await once(at, caller.party, request, key, body, 201, add)


@router.get("", responses=problems())
async def list_rules(caller: Reader, at: At, limit: Limit = 50, cursor: Cursor = None) -> Page[RuleAnswer]:
    """The owner's rules; deleted ones are left out."""
    (after,) = decode(cursor, 1) or ("",)
    found = await at.rules.page(caller.owner, after, limit + 1)
    return page(found, limit, told, lambda rule: (rule.id,))


@router.get("/{rule_id}", responses=problems(NotFound))
async def show_rule(rule_id: RuleId, caller: Reader, at: At) -> RuleAnswer:
    """One rule and where it stands."""
    return told(await at.rules.find(caller.owner, rule_id))


@router.patch("/{rule_id}", responses=problems(NotFound, IllegalTransition, RaceLost, FeedUnavailable, FeedNonsense))
async def change_rule(rule_id: RuleId, body: Changes, caller: Trader, at: At) -> RuleAnswer:
    """Change a rule that is CREATED or PAUSED. What is not named stays as it is."""
    rule = await at.rules.find(caller.owner, rule_id)
    spec = rule_checks.changed(rule.spec, body)
    await rule_checks.check(at, caller.owner, spec)
    return told(await at.rules.replace(caller.owner, rule_id, spec))


@router.delete("/{rule_id}", status_code=204, responses=problems(NotFound, IllegalTransition, RaceLost))
async def delete_rule(rule_id: RuleId, caller: Trader, at: At) -> None:
    """Delete a rule; its executions stay. While it executes it cannot be deleted."""
    await at.rules.remove(caller.owner, rule_id)
