"""Executions that are open and do not move, each looked at in its turn; and the end of one that was lost."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.executions import Order
from domain.lifecycle import FINAL, ExecutionState
from domain.recovery import Stuck
from infra.db.book import Book
from infra.db.triggers import ORDER_COLUMNS, to_order

_OPEN = "status NOT IN ('SETTLED', 'BLOCKED', 'FAILED', 'CANCELLED')"


@dataclass(frozen=True, slots=True)
class Unmoved:
    """An execution to look at, with the trace that its workflow takes up."""

    order: Order
    stuck: Stuck
    trace: Mapping[str, str]


class StuckExecutions:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def next(self, unmoved_s: int, rest_s: int, limit: int) -> list[Unmoved]:
        """Up to `limit` that were started and have not moved for so long, those not looked at the longest first.

        They count as looked at from now on, and do not come again for `rest_s` seconds: a thousand that wait for
        a wallet cost a page a sweep, not a thousand questions.
        """
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "WITH page AS (SELECT e.id FROM execution e JOIN trigger t ON t.id = e.trigger_id "  # noqa: S608
                f"WHERE e.{_OPEN} AND t.started_at < clock_timestamp() - make_interval(secs => :unmoved) "
                "AND e.updated_at < clock_timestamp() - make_interval(secs => :unmoved) "
                "AND (e.looked_at IS NULL OR e.looked_at < clock_timestamp() - make_interval(secs => :rest)) "
                "ORDER BY e.looked_at NULLS FIRST LIMIT :limit FOR NO KEY UPDATE OF e SKIP LOCKED) "
                "UPDATE execution e SET looked_at = clock_timestamp() FROM page, trigger t "
                "WHERE e.id = page.id AND t.id = e.trigger_id "
                f"RETURNING {ORDER_COLUMNS}, e.created_at, t.trace, "
                "EXISTS (SELECT 1 FROM attempt a WHERE a.execution_id = e.id AND a.state = 'SIGNED') AS signed, "
                "EXISTS (SELECT 1 FROM operator_task o WHERE o.execution_id = e.id AND o.resolved_at IS NULL) AS asked",
                unmoved=unmoved_s,
                rest=rest_s,
                limit=limit,
            )
        return [
            Unmoved(to_order(row), Stuck(row["created_at"], row["signed"], row["asked"]), row["trace"]) for row in rows
        ]

    async def is_open(self, order: Order) -> bool:
        """Asked again after Temporal was: an execution ends in the book before its workflow does."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT status FROM execution WHERE id = :id", id=order.execution_id)
        return row is not None and ExecutionState(row["status"]) not in FINAL
