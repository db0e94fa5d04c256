"""Executions in the book: reading them whole, and moving them along their table of states."""

import json
from collections.abc import Iterable
from datetime import datetime

from domain import identity
from domain.errors import BookRestored, NotFound, RaceLost
from domain.executions import Execution, Order
from domain.lifecycle import ExecutionState, RuleState, check_execution_move, check_rule_move
from domain.policy import Verdict
from domain.rules import RuleSpec
from infra.db import documents
from infra.db.book import Book, Transaction
from infra.db.wallets import WALLET_COLUMNS, to_wallet

_WHOLE = f"""
SELECT e.*, r.spec AS rule_spec, r.state AS rule_state, r.cooldown_until, t.occurrence, t.evidence, {WALLET_COLUMNS}
FROM execution e JOIN rule r ON r.id = e.rule_id JOIN trigger t ON t.id = e.trigger_id
JOIN wallet w ON w.id = e.wallet_id WHERE e.id = :id
"""  # noqa: S608  only a constant list of columns is joined in


class Executions:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def load(self, execution_id: str) -> Execution:
        """Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            return await load(tx, execution_id)

    async def load_to_act(self, execution_id: str) -> Execution:
        """The same, for a step that decides something about it.

        Errors: NOT_FOUND (final), BOOK_RESTORED (retried): what a restored book says is not acted on.
        """
        async with self._book.begin() as tx:
            if await tx.one("SELECT 1 FROM switch WHERE name = 'restored' AND \"on\""):
                raise BookRestored("the book was restored: compare it with the chain, with `tripwire recover`")
            return await load(tx, execution_id)

    async def pass_preflight(self, execution: Execution, verdicts: Iterable[Verdict]) -> None:
        """All checks passed: PENDING → PREFLIGHT, and the rule is EXECUTING. Errors: RACE_LOST (retried)."""
        async with self._book.begin() as tx:
            await keep_verdicts(tx, execution.id, "preflight", verdicts)
            await move(tx, execution, ExecutionState.PENDING, ExecutionState.PREFLIGHT)
            await move_rule(tx, execution.order.rule_id, RuleState.TRIGGERED, RuleState.EXECUTING)

    async def block_at_preflight(
        self, execution: Execution, verdicts: Iterable[Verdict], codes: tuple[str, ...]
    ) -> None:
        """A refusal before anything was held: PENDING → BLOCKED. Errors: RACE_LOST (retried)."""
        async with self._book.begin() as tx:
            await keep_verdicts(tx, execution.id, "preflight", verdicts)
            await move(tx, execution, ExecutionState.PENDING, ExecutionState.BLOCKED, codes)
            await reactivate_rule(tx, execution.order.rule_id, RuleState.TRIGGERED)

    async def note(self, execution: Execution, kind: str, **body: object) -> None:
        """An event that moves nothing."""
        async with self._book.begin() as tx:
            tx.record(execution.id, kind, execution.order.owner_id, **body)


async def load(tx: Transaction, execution_id: str) -> Execution:
    row = await tx.one(_WHOLE, id=execution_id)
    if row is None:
        raise NotFound(f"no execution {execution_id}")
    return Execution(
        order=Order(
            trigger_id=row["trigger_id"],
            execution_id=row["id"],
            owner_id=row["owner_id"],
            rule_id=row["rule_id"],
            wallet_id=row["wallet_id"],
            venue=row["venue"],
        ),
        workflow_id=row["workflow_id"],
        status=ExecutionState(row["status"]),
        codes=tuple(row["codes"]),
        dry_run=row["dry_run"],
        by_hand=identity.is_by_hand(row["occurrence"]),
        price_time=datetime.fromisoformat(row["evidence"]["source_time"]) if "source_time" in row["evidence"] else None,
        intent=documents.to_intent(row["intent"]),
        policy=documents.to_policy(row["policy"]),
        wallet=to_wallet(row),
        rule=RuleSpec.model_validate_json(json.dumps(row["rule_spec"])),
        rule_state=RuleState(row["rule_state"]),
        cooldown_until=row["cooldown_until"],
        created_at=row["created_at"],
    )


async def status_of(tx: Transaction, execution_id: str) -> ExecutionState:
    """The status now, locked until the transaction ends.

    Every transaction locks the execution before the lease, so that no two wait for each other.
    """
    row = await tx.one("SELECT status FROM execution WHERE id = :id FOR NO KEY UPDATE", id=execution_id)
    if row is None:
        raise NotFound(f"no execution {execution_id}")
    return ExecutionState(row["status"])


async def move(
    tx: Transaction,
    execution: Execution,
    before: ExecutionState,
    after: ExecutionState,
    codes: tuple[str, ...] = (),
    **detail: object,
) -> None:
    """Compare-and-set along the table. Errors: ILLEGAL_TRANSITION (final), RACE_LOST (retried)."""
    check_execution_move(before, after)
    changed = await tx.change(
        "UPDATE execution SET status = :after, codes = CAST(:codes AS jsonb), updated_at = clock_timestamp() "
        "WHERE id = :id AND status = :before",
        id=execution.id,
        before=before.value,
        after=after.value,
        codes=json.dumps(codes),
    )
    if not changed:
        raise RaceLost(f"{execution.id} is no longer {before}")
    tx.record(
        execution.id,
        "execution.moved",
        execution.order.owner_id,
        before=before,
        after=after,
        codes=list(codes),
        **detail,
    )


async def move_rule(tx: Transaction, rule_id: str, before: RuleState, after: RuleState, **detail: object) -> None:
    """Compare-and-set along the table. Errors: ILLEGAL_TRANSITION (final), RACE_LOST (retried)."""
    check_rule_move(before, after)
    row = await tx.one(
        "UPDATE rule SET state = :after, updated_at = clock_timestamp() WHERE id = :id AND state = :before "
        "RETURNING owner_id",
        id=rule_id,
        before=before.value,
        after=after.value,
    )
    if row is None:
        raise RaceLost(f"{rule_id} is no longer {before}")
    tx.record(rule_id, "rule.moved", row["owner_id"], before=before, after=after, **detail)


async def reactivate_rule(tx: Transaction, rule_id: str, before: RuleState) -> None:
    """Back to ACTIVE as a new activation, unarmed: it fires again only on a fresh crossing."""
    await move_rule(tx, rule_id, before, RuleState.ACTIVE)
    await tx.change("UPDATE rule SET activation = activation + 1, armed_at = NULL WHERE id = :id", id=rule_id)


async def keep_verdicts(tx: Transaction, execution_id: str, stage: str, verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        await tx.change(
            'INSERT INTO verdict (execution_id, stage, "check", passed, detail) '
            "VALUES (:id, :stage, :check, :passed, CAST(:detail AS jsonb)) "
            'ON CONFLICT (execution_id, stage, "check") DO UPDATE SET passed = EXCLUDED.passed, '
            "detail = EXCLUDED.detail, created_at = clock_timestamp()",
            id=execution_id,
            stage=stage,
            check=verdict.check.value,
            passed=verdict.passed,
            detail=json.dumps(documents.from_verdict(verdict)),
        )
