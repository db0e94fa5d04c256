"""T0: a trigger, its execution and the rule's move in one transaction; and the outbox that those rows are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain import identity
from domain.chains import CHAINS
from domain.errors import IllegalTransition, NotFound
from domain.executions import Order
from domain.lifecycle import FINAL, ExecutionState, RuleState
from domain.policy import Policy
from domain.rules import RuleSpec
from infra.db import documents
from infra.db.book import Book, Transaction
from infra.db.executions import move_rule


@dataclass(frozen=True, slots=True)
class Fired:
    """`new` is false for an occurrence that was recorded before: the same order again."""

    order: Order
    new: bool


@dataclass(frozen=True, slots=True)
class Unstarted:
    order: Order
    trace: Mapping[str, str]


ORDER_COLUMNS = "e.id AS execution_id, e.trigger_id, e.owner_id, e.rule_id, e.wallet_id, e.venue"


class Triggers:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def record_crossing(
        self, rule_id: str, activation: int, evidence: Mapping[str, object], policy: Policy, trace: Mapping[str, str]
    ) -> Fired | None:
        """Record a crossing seen during an activation, or None where that activation is over or never was armed.

        The row's uniqueness makes any number of watchers one trigger.
        """
        async with self._book.begin() as tx:
            rule = await tx.one("SELECT * FROM rule WHERE id = :id FOR UPDATE", id=rule_id)
            if rule is None:
                return None
            if recorded := await _recorded(tx, rule_id, identity.crossing(activation)):
                return Fired(recorded, new=False)
            if rule["state"] != RuleState.ACTIVE or rule["activation"] != activation or rule["armed_at"] is None:
                return None
            order = await _record(tx, rule_id, identity.crossing(activation), evidence, policy, trace)
        return Fired(order, new=True)

    async def record_by_hand(
        self, owner_id: str, rule_id: str, key: str, policy: Policy, trace: Mapping[str, str]
    ) -> Fired:
        """Record a firing by hand. The same key gives the same execution, whatever the rule's state is by then.

        Errors: NOT_FOUND (final), ILLEGAL_TRANSITION (final) where the rule is not ACTIVE.
        """
        occurrence = identity.by_hand(key)
        async with self._book.begin() as tx:
            rule = await tx.one(
                "SELECT state FROM rule WHERE id = :id AND owner_id = :owner FOR UPDATE", id=rule_id, owner=owner_id
            )
            if rule is None:
                raise NotFound(f"you have no rule {rule_id}")
            if recorded := await _recorded(tx, rule_id, occurrence):
                return Fired(recorded, new=False)
            if rule["state"] != RuleState.ACTIVE:
                raise IllegalTransition(f"the rule is {rule['state']}; only an ACTIVE rule can be fired")
            order = await _record(tx, rule_id, occurrence, {"by": "hand", "key": key}, policy, trace)
        return Fired(order, new=True)

    async def unstarted(self, older_than_s: int, limit: int) -> list[Unstarted]:
        """The outbox: what was recorded at least so long ago, by the database's clock, and not started."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                f"SELECT {ORDER_COLUMNS}, t.trace FROM trigger t JOIN execution e ON e.trigger_id = t.id "  # noqa: S608
                "WHERE t.started_at IS NULL AND t.created_at <= clock_timestamp() - make_interval(secs => :age) "
                "ORDER BY t.created_at LIMIT :limit",
                age=older_than_s,
                limit=limit,
            )
        return [Unstarted(to_order(row), row["trace"]) for row in rows]

    async def is_over(self, order: Order) -> bool:
        """Whether the order's execution has reached a final state. Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT status FROM execution WHERE id = :id", id=order.execution_id)
        if row is None:
            raise NotFound(f"no execution {order.execution_id}")
        return ExecutionState(row["status"]) in FINAL

    async def mark_started(self, order: Order) -> None:
        async with self._book.begin() as tx:
            changed = await tx.change(
                "UPDATE trigger SET started_at = clock_timestamp() WHERE id = :id AND started_at IS NULL",
                id=order.trigger_id,
            )
            if changed:
                tx.record(order.execution_id, "workflow.started", order.owner_id)


async def _recorded(tx: Transaction, rule_id: str, occurrence: str) -> Order | None:
    row = await tx.one(
        f"SELECT {ORDER_COLUMNS} FROM execution e WHERE e.trigger_id = :id",  # noqa: S608
        id=identity.trigger_id(rule_id, occurrence),
    )
    return to_order(row) if row else None


async def _record(
    tx: Transaction,
    rule_id: str,
    occurrence: str,
    evidence: Mapping[str, object],
    policy: Policy,
    trace: Mapping[str, str],
) -> Order:
    row = await tx.one(
        "SELECT r.spec, r.owner_id, r.wallet_id, w.chain, w.address FROM rule r "
        "JOIN wallet w ON w.id = r.wallet_id WHERE r.id = :id",
        id=rule_id,
    )
    if row is None:
        raise NotFound(f"no rule {rule_id}")
    spec = RuleSpec.model_validate_json(json.dumps(row["spec"]))
    trigger_id = identity.trigger_id(rule_id, occurrence)
    order = Order(
        trigger_id=trigger_id,
        execution_id=identity.execution_id(trigger_id),
        owner_id=row["owner_id"],
        rule_id=rule_id,
        wallet_id=row["wallet_id"],
        venue=CHAINS[row["chain"]].venue,
    )
    await tx.change(
        "INSERT INTO trigger (id, rule_id, occurrence, evidence, trace) "
        "VALUES (:id, :rule_id, :occurrence, CAST(:evidence AS jsonb), CAST(:trace AS jsonb))",
        id=trigger_id,
        rule_id=rule_id,
        occurrence=occurrence,
        evidence=json.dumps(dict(evidence)),
        trace=json.dumps(dict(trace)),
    )
    await tx.change(
        "INSERT INTO execution (id, trigger_id, rule_id, owner_id, wallet_id, venue, workflow_id, status, intent, "
        "policy, dry_run) VALUES (:id, :trigger_id, :rule_id, :owner_id, :wallet_id, :venue, :workflow_id, :status, "
        "CAST(:intent AS jsonb), CAST(:policy AS jsonb), :dry_run)",
        id=order.execution_id,
        trigger_id=trigger_id,
        rule_id=rule_id,
        owner_id=order.owner_id,
        wallet_id=order.wallet_id,
        venue=order.venue,
        workflow_id=identity.workflow_id(trigger_id),
        status=ExecutionState.PENDING.value,
        intent=json.dumps(documents.from_intent(spec.intent(row["chain"], row["address"]))),
        policy=json.dumps(documents.from_policy(policy)),
        dry_run=policy.dry_run,
    )
    await move_rule(tx, rule_id, RuleState.ACTIVE, RuleState.TRIGGERED, trigger_id=trigger_id)
    tx.record(order.execution_id, "trigger.recorded", order.owner_id, evidence=dict(evidence), occurrence=occurrence)
    return order


def to_order(row: Mapping[Any, Any]) -> Order:
    return Order(
        trigger_id=row["trigger_id"],
        execution_id=row["execution_id"],
        owner_id=row["owner_id"],
        rule_id=row["rule_id"],
        wallet_id=row["wallet_id"],
        venue=row["venue"],
    )
