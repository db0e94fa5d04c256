"""Operators' tasks in the book: listed, shown, and resolved once, with what the move does in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import NotFound, RaceLost
from domain.operator_moves import OperatorMove
from infra.db.book import Book, Transaction


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person chose, and why. `by` is the id of their key."""

    move: OperatorMove
    reason: str
    evidence: str | None
    by: str


@dataclass(frozen=True, slots=True)
class Task:
    """`resolution` is None while it is open."""

    id: int
    execution_id: str | None
    wallet_id: str
    owner_id: str
    code: str
    detail: str
    raised_at: datetime
    resolved_at: datetime | None
    resolution: Resolution | None


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """Where a page of tasks ended: open ones come first, the newest of each kind before the older."""

    closed: bool
    id: int


# What a move does to the book, within the transaction that resolves its task.
Remedy = Callable[[Transaction], Awaitable[None]]


class Tasks:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def page(self, after: TaskPlace | None, limit: int) -> list[Task]:
        """Up to `limit` tasks of everybody beyond `after`."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                f"{_SELECT} WHERE CAST(:closed AS boolean) IS NULL "
                "OR (t.resolved_at IS NOT NULL, -t.id) > (CAST(:closed AS boolean), CAST(:beyond AS bigint)) "
                "ORDER BY t.resolved_at IS NOT NULL, t.id DESC LIMIT :limit",
                closed=after.closed if after else None,
                beyond=-after.id if after else 0,
                limit=limit,
            )
        return [_task(row) for row in rows]

    async def find(self, task_id: int) -> Task:
        """Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            row = await tx.one(f"{_SELECT} WHERE t.id = :id", id=task_id)
        if row is None:
            raise NotFound(f"there is no task {task_id}")
        return _task(row)

    async def of_execution(self, execution_id: str) -> list[Task]:
        """Every task about an execution, oldest first. Errors: NOT_FOUND (final), where there never was one."""
        async with self._book.begin() as tx:
            rows = await tx.rows(f"{_SELECT} WHERE t.execution_id = :e ORDER BY t.id", e=execution_id)
        if not rows:
            raise NotFound(f"there is no task about an execution {execution_id}")
        return [_task(row) for row in rows]

    async def open_of_wallet(self, wallet_id: str) -> tuple[int, ...]:
        async with self._book.begin() as tx:
            return await open_tasks(tx, wallet_id)

    async def resolve(self, task: Task, resolution: Resolution, remedy: Remedy) -> Task:
        """Carry the remedy out and close the task, both or neither. Errors: RACE_LOST (retried), the remedy's own."""
        async with self._book.begin() as tx:
            await remedy(tx)
            changed = await tx.change(
                "UPDATE operator_task SET resolved_at = clock_timestamp(), resolution = :move, reason = :reason, "
                "evidence = :evidence, resolved_by = :by WHERE id = :id AND resolved_at IS NULL",
                id=task.id,
                move=resolution.move.value,
                reason=resolution.reason,
                evidence=resolution.evidence,
                by=resolution.by,
            )
            if not changed:
                raise RaceLost(f"task {task.id} was resolved by somebody else meanwhile: look at it again")
            tx.record(
                task.execution_id or task.wallet_id,
                "task.resolved",
                task.owner_id,
                task=task.id,
                code=task.code,
                move=resolution.move,
                reason=resolution.reason,
                evidence=resolution.evidence or "",
                by=resolution.by,
            )
        return await self.find(task.id)


async def open_tasks(tx: Transaction, wallet_id: str) -> tuple[int, ...]:
    """The numbers of the open tasks about a wallet or its executions."""
    rows = await tx.rows(
        "SELECT id FROM operator_task WHERE wallet_id = :w AND resolved_at IS NULL ORDER BY id", w=wallet_id
    )
    return tuple(row["id"] for row in rows)


_SELECT = "SELECT t.*, w.owner_id FROM operator_task t JOIN wallet w ON w.id = t.wallet_id"


def _task(row: Mapping[Any, Any]) -> Task:
    chosen = None
    if row["resolved_at"] is not None:
        chosen = Resolution(OperatorMove(row["resolution"]), row["reason"], row["evidence"], row["resolved_by"])
    return Task(
        id=row["id"],
        execution_id=row["execution_id"],
        wallet_id=row["wallet_id"],
        owner_id=row["owner_id"],
        code=row["code"],
        detail=row["detail"],
        raised_at=row["raised_at"],
        resolved_at=row["resolved_at"],
        resolution=chosen,
    )
