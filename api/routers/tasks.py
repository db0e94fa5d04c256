"""For operators: what only a person can decide, with the moves that are safe now."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, ConfigDict, Field

from api.answers import tasks
from api.answers.tasks import TaskAnswer, TaskDetail
from api.assembly import At
from api.auth import Admin
from api.idempotency import once
from api.inputs import ExecutionId, IdempotencyKey, Input, OperatorReason, TaskId
from api.paging import Cursor, Limit, Page, decode, number, page
from api.problems import EngineUnavailable, problems
from domain.errors import IdempotencyMismatch, MoveNotSafe, NotFound, RaceLost
from domain.operator_moves import OperatorMove
from domain.rules import printable
from infra.db.tasks import Resolution, TaskPlace

router = APIRouter(prefix="/admin", tags=["operators"])

REFUSALS = (NotFound, MoveNotSafe, RaceLost, IdempotencyMismatch, EngineUnavailable)


class Choice(Input):
    """`evidence` is what was looked at, where and when: moves with `needs_evidence` rest on it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"move": "look_again", "reason": "the node is back since 04:10"}]}
    )

    move: Annotated[OperatorMove, Field(strict=False)]
    reason: OperatorReason
    evidence: Annotated[str, Field(max_length=4_000), AfterValidator(printable)] | None = None

    def by(self, key_id: str) -> Resolution:
        return Resolution(self.move, self.reason, self.evidence, key_id)


@router.get("/tasks", responses=problems())
async def list_tasks(_caller: Admin, at: At, limit: Limit = 50, cursor: Cursor = None) -> Page[TaskAnswer]:
    """Everybody's tasks: open ones first, then the newest."""
    found = await at.tasks.page(_place(cursor), limit + 1)
    return page(found, limit, tasks.told, lambda task: ("1" if task.resolution else "0", str(task.id)))


@router.get("/tasks/{task_id}", responses=problems(NotFound))
async def show_task(task_id: TaskId, _caller: Admin, at: At) -> TaskDetail:
    """One task with its execution, its wallet, the venue's answer now, and every move: offered, or why not."""
    return tasks.in_full(await at.operations.look(await at.tasks.find(int(task_id))))


@router.post("/tasks/{task_id}/resolve", response_model=TaskAnswer, responses=problems(*REFUSALS))
async def resolve_task(
    task_id: TaskId, body: Choice, request: Request, caller: Admin, at: At, idempotency_key: IdempotencyKey
) -> Response:
    """Make a move. It is judged anew by book and venue, and refused with what would make it safe."""

    async def resolve() -> TaskAnswer:
        task = await at.tasks.find(int(task_id))
        return tasks.told(await at.operations.resolve(task, body.by(caller.key_id)))

    return await once(at, caller.party, request, idempotency_key, body, 200, resolve)


@router.post("/executions/{execution_id}/resolve", response_model=TaskAnswer, responses=problems(*REFUSALS))
async def resolve_execution(
    execution_id: ExecutionId, body: Choice, request: Request, caller: Admin, at: At, idempotency_key: IdempotencyKey
) -> Response:
    """The same by execution: the move is made for the oldest of its open tasks that allows it."""

    async def resolve() -> TaskAnswer:
        return tasks.told(await at.operations.resolve_of_execution(execution_id, body.by(caller.key_id)))

    return await once(at, caller.party, request, idempotency_key, body, 200, resolve)


def _place(cursor: str | None) -> TaskPlace | None:
    parts = decode(cursor, 2)
    if parts is None:
        return None
    return TaskPlace(closed=number(parts[:1]) > 0, id=number(parts[1:]))
