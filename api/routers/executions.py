"""Executions: what became of a trigger."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.answers import events, executions
from api.answers.events import EventAnswer
from api.answers.executions import ExecutionAnswer, ExecutionDetail
from api.assembly import At
from api.auth import Reader, Trader
from api.cancelling import cancel_workflow
from api.inputs import ExecutionId
from api.paging import Cursor, Limit, Page, decode, number, page
from api.problems import EngineUnavailable, TooLateToCancel, problems
from domain.errors import InvalidInput, NotFound
from domain.lifecycle import UNSIGNED, ExecutionState
from infra.db.reading import Place

router = APIRouter(prefix="/executions", tags=["executions"])

OfRule = Annotated[str | None, Query(pattern=r"^rul_[a-z0-9]{1,40}$", description="Only this rule's")]
WithStatus = Annotated[ExecutionState | None, Query(description="Only with this status")]


class CancelAnswer(BaseModel):
    """The workflow's own words. The execution is CANCELLED once it has released what it holds."""

    execution_id: str
    answer: str


@router.get("", responses=problems())
async def list_executions(
    caller: Reader,
    at: At,
    rule_id: OfRule = None,
    status: WithStatus = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExecutionAnswer]:
    """The owner's executions, newest first."""
    found = await at.reading.executions(caller.owner, rule_id, status, _place(cursor), limit + 1)
    return page(
        found,
        limit,
        lambda line: executions.told(line, at.settings),
        lambda line: (line.created_at.isoformat(), line.id),
    )


@router.get("/{execution_id}", responses=problems(NotFound))
async def show_execution(execution_id: ExecutionId, caller: Reader, at: At) -> ExecutionDetail:
    """One execution in full: evidence, verdicts, attempts, settlement, events."""
    return executions.in_full(await at.reading.execution(caller.owner, execution_id), at.settings)


@router.get("/{execution_id}/events", responses=problems(NotFound))
async def list_events(
    execution_id: ExecutionId, caller: Reader, at: At, limit: Limit = 50, cursor: Cursor = None
) -> Page[EventAnswer]:
    """An execution's events, oldest first."""
    after = number(decode(cursor, 1))
    found = await at.reading.events(caller.owner, execution_id, after, limit + 1)
    return page(found, limit, events.told, lambda event: (str(event.seq),))


@router.post("/{execution_id}/cancel", responses=problems(NotFound, TooLateToCancel, EngineUnavailable))
async def cancel_execution(execution_id: ExecutionId, caller: Trader, at: At) -> CancelAnswer:
    """Stop an execution before it signs. Refused from then on: what may be out cannot be called back."""
    line = await at.reading.line(caller.owner, execution_id)
    if line.status not in UNSIGNED:
        raise TooLateToCancel(f"this execution is {line.status}: what may be out is followed to its end")
    return CancelAnswer(execution_id=line.id, answer=await cancel_workflow(at.temporal, line.workflow_id))


def _place(cursor: str | None) -> Place | None:
    parts = decode(cursor, 2)
    if parts is None:
        return None
    try:
        created_at = datetime.fromisoformat(parts[0])
    except ValueError:
        raise InvalidInput("this cursor is not one of ours: begin without", "cursor") from None
    if created_at.tzinfo is None:
        raise InvalidInput("this cursor is not one of ours: begin without", "cursor")
    return Place(created_at, parts[1])
