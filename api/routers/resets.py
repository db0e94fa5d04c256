"""For operators: running an execution's workflow again from its first step, and giving a failed rule another life."""

from enum import StrEnum
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from api.answers.rules import RuleAnswer, told
from api.assembly import At, Tools
from api.auth import Admin
from api.idempotency import once
from api.inputs import ExecutionId, IdempotencyKey, Input, OperatorReason, RuleId
from api.problems import EngineUnavailable, problems
from domain import identity, reset_plan
from domain.errors import IdempotencyMismatch, IllegalTransition, MoveNotSafe, NotFound, RaceLost
from domain.executions import Execution
from domain.lifecycle import ExecutionState, RuleState
from domain.reset_plan import Recorded
from infra import telemetry
from infra.temporal.reset import reset

router = APIRouter(prefix="/admin", tags=["operators"])


class WantedReset(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "its worker was rolled back"}]})

    reason: OperatorReason
    dry_run: bool = True


class Done(StrEnum):
    NOTHING = "nothing"  # a dry run
    RESET = "reset"
    STARTED = "started"  # its history was gone, so it was started anew under the same id
    RUNNING = "running"  # its first step has not begun yet


class StepAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    step: str
    answers: str
    cannot_pay_twice: str


class ResetAnswer(BaseModel):
    """`steps` is what a run from the first step does, by the book as it was when this was asked."""

    execution_id: str
    workflow_id: str
    status: ExecutionState
    dry_run: bool
    done: Done
    run_id: str | None
    steps: list[StepAnswer]


class WantedRuleReset(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "ACTIVE", "reason": "the pool trades again"}]})

    to: Literal["ACTIVE", "CREATED"]
    reason: OperatorReason


@router.post(
    "/executions/{execution_id}/reset",
    response_model=ResetAnswer,
    responses=problems(NotFound, IllegalTransition, IdempotencyMismatch, EngineUnavailable),
)
async def reset_execution(
    execution_id: ExecutionId,
    body: WantedReset,
    request: Request,
    caller: Admin,
    at: At,
    idempotency_key: IdempotencyKey,
) -> Response:
    """Run the workflow again from its first step; by default only tell which steps that runs and what they answer."""

    async def work() -> ResetAnswer:
        execution = await at.executions.load(execution_id)
        steps = await _steps(at, execution)
        done, run_id = Done.NOTHING, None
        if not body.dry_run:
            await at.executions.note(execution, "execution.reset", reason=body.reason, by=caller.key_id)
            request_id = identity.fingerprint({"reset": execution.id, "party": caller.party, "key": idempotency_key})
            done, run_id = await _run_again(at, execution, body.reason, request_id)
        return ResetAnswer(
            execution_id=execution.id,
            workflow_id=execution.workflow_id,
            status=execution.status,
            dry_run=body.dry_run,
            done=done,
            run_id=run_id,
            steps=steps,
        )

    return await once(at, caller.party, request, idempotency_key, body, 200, work)


@router.post(
    "/rules/{rule_id}/reset",
    response_model=RuleAnswer,
    responses=problems(NotFound, IllegalTransition, MoveNotSafe, RaceLost, IdempotencyMismatch),
)
async def reset_rule(
    rule_id: RuleId, body: WantedRuleReset, request: Request, caller: Admin, at: At, idempotency_key: IdempotencyKey
) -> Response:
    """FAILED → ACTIVE, where it fires on the next crossing, or → CREATED. Refused while it still executes."""

    async def work() -> RuleAnswer:
        return told(await at.rules.reset(rule_id, RuleState(body.to), body.reason, caller.key_id))

    return await once(at, caller.party, request, idempotency_key, body, 200, work)


async def _steps(at: Tools, execution: Execution) -> list[StepAnswer]:
    attempts = await at.attempts.of_execution(execution.id)
    recorded = tuple(Recorded(a.leg_no, a.attempt_no, a.state, a.venue_ref, a.fate, a.succeeded) for a in attempts)
    planned = reset_plan.steps(execution.status, execution.codes, recorded)
    return [StepAnswer.model_validate(step) for step in planned]


async def _run_again(at: Tools, execution: Execution, reason: str, request_id: str) -> tuple[Done, str | None]:
    run_id = await reset(at.temporal, execution.workflow_id, reason, request_id)
    if run_id is not None:
        return Done.RESET, run_id
    started = await at.starter.restart(execution.order, telemetry.carry_trace())
    return (Done.STARTED if started else Done.RUNNING), None
