"""What is done with rules: switching, explaining and firing them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel
from temporalio.service import RPCError

from api.answers import verdicts
from api.answers.rules import RuleAnswer, arming, told, why_not_live
from api.answers.verdicts import VerdictAnswer
from api.assembly import At, Tools
from api.auth import Reader, Trader
from api.idempotency import once
from api.inputs import IdempotencyKey, RuleId
from api.problems import problems
from domain import policy
from domain.chains import CHAINS
from domain.errors import IdempotencyMismatch, IllegalTransition, NotFound, RaceLost
from domain.lifecycle import RuleState
from domain.policy import Check, Verdict
from infra import telemetry
from infra.db.rules import Rule

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/rules", tags=["rules"])

PAGE = 200


class SwitchedRules(BaseModel):
    """`changed` were switched; `refused` could not be, such as a rule that began to execute meanwhile."""

    changed: list[str]
    refused: list[str]


class Explanation(BaseModel):
    """`would_pass` only if every verdict passes; `codes` name those that do not.

    Even so only a crossing fires: `arming` says whether the rule could see one yet. `note` tells what no
    activating mends, such as that the rule is used up.
    """

    rule_id: str
    state: RuleState
    armed: bool
    arming: str
    note: str
    would_pass: bool
    codes: list[str]
    verdicts: list[VerdictAnswer]


class FiredAnswer(BaseModel):
    """The execution that this key fired. Follow it at `GET /executions/{execution_id}`."""

    execution_id: str
    trigger_id: str
    rule_id: str
    wallet_id: str
    workflow_id: str


# Before `/{rule_id}/...`, which these addresses would match otherwise.
@router.post("/pause-all", responses=problems())
async def pause_all_rules(caller: Trader, at: At) -> SwitchedRules:
    """Pause every ACTIVE rule of the owner."""
    return await _switch_all(at, caller.owner, RuleState.ACTIVE, at.rules.pause)


@router.post("/resume-all", responses=problems())
async def resume_all_rules(caller: Trader, at: At) -> SwitchedRules:
    """Activate every PAUSED rule of the owner."""
    return await _switch_all(at, caller.owner, RuleState.PAUSED, at.rules.resume)


@router.post("/{rule_id}/activate", responses=problems(NotFound, IllegalTransition, RaceLost))
async def activate_rule(rule_id: RuleId, caller: Trader, at: At) -> RuleAnswer:
    """CREATED or PAUSED → ACTIVE. It fires on the next crossing, not on a condition that is true already."""
    return told(await at.rules.activate(caller.owner, rule_id))


@router.post("/{rule_id}/pause", responses=problems(NotFound, IllegalTransition, RaceLost))
async def pause_rule(rule_id: RuleId, caller: Trader, at: At) -> RuleAnswer:
    """ACTIVE → PAUSED."""
    return told(await at.rules.pause(caller.owner, rule_id))


@router.post("/{rule_id}/resume", responses=problems(NotFound, IllegalTransition, RaceLost))
async def resume_rule(rule_id: RuleId, caller: Trader, at: At) -> RuleAnswer:
    """PAUSED → ACTIVE."""
    return told(await at.rules.resume(caller.owner, rule_id))


@router.post("/{rule_id}/explain", responses=problems(NotFound))
async def explain_rule(rule_id: RuleId, caller: Reader, at: At) -> Explanation:
    """Every check's verdict now, as a crossing at this moment would meet it. Nothing is executed."""
    rule = await at.rules.find(caller.owner, rule_id)
    wallet = await at.wallets.find(caller.owner, rule.spec.wallet_id)
    found = await at.evaluation.judge(
        rule.spec.intent(wallet.chain, wallet.address),
        at.settings.policy,
        wallet,
        venue=CHAINS[wallet.chain].venue,
        feed=rule.spec.trigger.venue,
        market=rule.spec.trigger.market,
        price_time=None,
        rule_live=rule.state is RuleState.ACTIVE,
        cooldown_until=rule.cooldown_until,
        held=await at.leases.held(wallet.id),
        patient=False,
    )
    codes, note = policy.blocking(found), why_not_live(rule)
    return Explanation(
        rule_id=rule.id,
        state=rule.state,
        armed=rule.armed,
        arming=arming(rule),
        note=note,
        would_pass=not codes,
        codes=list(codes),
        verdicts=[verdicts.told(_advised(verdict, note), "now") for verdict in found],
    )


@router.post(
    "/{rule_id}/trigger",
    status_code=202,
    response_model=FiredAnswer,
    responses=problems(NotFound, IllegalTransition, IdempotencyMismatch, RaceLost),
)
async def trigger_rule(
    rule_id: RuleId, request: Request, caller: Trader, at: At, idempotency_key: IdempotencyKey
) -> Response:
    """Fire an ACTIVE rule by hand. The same key gives the same execution, however often it is sent."""

    async def record() -> FiredAnswer:
        trace = telemetry.carry_trace()
        fired = await at.triggers.record_by_hand(caller.owner, rule_id, idempotency_key, at.settings.policy, trace)
        order = fired.order
        try:
            await at.starter.start(order, trace)
        except RPCError as error:  # it is written down: the sweep starts it
            log.warning("left to the sweep", execution_id=order.execution_id, reason=error.status.name)
        line = await at.reading.line(caller.owner, order.execution_id)
        return FiredAnswer(
            execution_id=order.execution_id,
            trigger_id=order.trigger_id,
            rule_id=order.rule_id,
            wallet_id=order.wallet_id,
            workflow_id=line.workflow_id,
        )

    return await once(at, caller.party, request, idempotency_key, None, 202, record)


def _advised(verdict: Verdict, note: str) -> Verdict:
    """The check knows only that the rule is not live, and would advise what cannot help."""
    if note and verdict.check is Check.RULE_ACTIVE:
        return replace(verdict, would_pass=note)
    return verdict


async def _switch_all(
    at: Tools, owner_id: str, before: RuleState, switch: Callable[[str, str], Awaitable[Rule]]
) -> SwitchedRules:
    changed: list[str] = []
    refused: list[str] = []
    after = ""
    while rules := await at.rules.page(owner_id, after, PAGE):
        after = rules[-1].id
        for rule in (rule for rule in rules if rule.state is before):
            try:
                await switch(owner_id, rule.id)
                changed.append(rule.id)
            except (IllegalTransition, RaceLost):
                refused.append(rule.id)
    return SwitchedRules(changed=changed, refused=refused)
