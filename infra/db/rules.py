"""Rules in the book: what owners do with them, and what the watcher needs of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.errors import IllegalTransition, MoveNotSafe, NotFound
from domain.lifecycle import FINAL, RuleState
from domain.rules import RuleSpec
from infra.db.book import Book, Transaction
from infra.db.executions import move_rule, reactivate_rule


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its state. `activation` and `armed` tell the watcher which crossing would count."""

    id: str
    owner_id: str
    spec: RuleSpec
    state: RuleState
    version: int
    activation: int
    armed: bool
    executions: int
    cooldown_until: datetime | None
    created_at: datetime
    updated_at: datetime


class Rules:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def add(self, rule_id: str, owner_id: str, spec: RuleSpec) -> Rule:
        """A rule in CREATED. The caller has checked wallet, assets and market.

        The id comes from the request's idempotency key, so the same request finds the same rule.
        """
        async with self._book.begin() as tx:
            added = await tx.change(
                "INSERT INTO rule (id, owner_id, wallet_id, spec, state, version, activation, executions, "
                "feed, market) "
                "VALUES (:id, :owner, :wallet, CAST(:spec AS jsonb), :state, 1, 0, 0, :feed, :market) "
                "ON CONFLICT (id) DO NOTHING",
                id=rule_id,
                owner=owner_id,
                wallet=spec.wallet_id,
                spec=spec.model_dump_json(),
                state=RuleState.CREATED.value,
                feed=spec.trigger.venue,
                market=spec.trigger.market,
            )
            if added:
                tx.record(rule_id, "rule.created", owner_id, spec=json.loads(spec.model_dump_json()))
        return await self.find(owner_id, rule_id)

    async def find(self, owner_id: str, rule_id: str) -> Rule:
        """Errors: NOT_FOUND (final), for another owner's rule too."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT * FROM rule WHERE id = :id AND owner_id = :owner", id=rule_id, owner=owner_id)
        if row is None:
            raise NotFound(f"you have no rule {rule_id}")
        return _rule(row)

    async def page(self, owner_id: str, after: str, limit: int) -> list[Rule]:
        """Up to `limit` rules with ids beyond `after`, deleted ones left out."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT * FROM rule WHERE owner_id = :owner AND id > :after AND state <> 'DELETED' "
                "ORDER BY id LIMIT :limit",
                owner=owner_id,
                after=after,
                limit=limit,
            )
        return [_rule(row) for row in rows]

    async def activate(self, owner_id: str, rule_id: str) -> Rule:
        """CREATED or PAUSED → ACTIVE, as a new activation. Already ACTIVE is the same answer.

        Errors: NOT_FOUND, ILLEGAL_TRANSITION (final).
        """
        async with self._book.begin() as tx:
            rule = await _locked(tx, owner_id, rule_id)
            await _activate(tx, rule)
        return await self.find(owner_id, rule_id)

    async def resume(self, owner_id: str, rule_id: str) -> Rule:
        """PAUSED → ACTIVE, as a new activation. Already ACTIVE is the same answer.

        Errors: NOT_FOUND, ILLEGAL_TRANSITION (final).
        """
        async with self._book.begin() as tx:
            rule = await _locked(tx, owner_id, rule_id)
            if rule.state is RuleState.CREATED:
                raise IllegalTransition("this rule was never active: activate it")
            await _activate(tx, rule)
        return await self.find(owner_id, rule_id)

    async def pause(self, owner_id: str, rule_id: str) -> Rule:
        """ACTIVE → PAUSED. Already PAUSED is the same answer. Errors: NOT_FOUND, ILLEGAL_TRANSITION (final)."""
        async with self._book.begin() as tx:
            rule = await _locked(tx, owner_id, rule_id)
            if rule.state is not RuleState.PAUSED:
                await move_rule(tx, rule_id, rule.state, RuleState.PAUSED)
        return await self.find(owner_id, rule_id)

    async def remove(self, owner_id: str, rule_id: str) -> Rule:
        """→ DELETED; its executions stay. Errors: NOT_FOUND, ILLEGAL_TRANSITION (final)."""
        async with self._book.begin() as tx:
            rule = await _locked(tx, owner_id, rule_id)
            if rule.state is not RuleState.DELETED:
                await move_rule(tx, rule_id, rule.state, RuleState.DELETED)
        return await self.find(owner_id, rule_id)

    async def replace(self, owner_id: str, rule_id: str, spec: RuleSpec) -> Rule:
        """Another spec for a rule that is CREATED or PAUSED. Errors: NOT_FOUND, ILLEGAL_TRANSITION (final)."""
        async with self._book.begin() as tx:
            rule = await _locked(tx, owner_id, rule_id)
            if rule.state not in (RuleState.CREATED, RuleState.PAUSED):
                raise IllegalTransition(f"pause the rule before changing it; it is {rule.state}")
            await tx.change(
                "UPDATE rule SET spec = CAST(:spec AS jsonb), version = version + 1, wallet_id = :wallet, "
                "feed = :feed, market = :market, updated_at = clock_timestamp() WHERE id = :id",
                spec=spec.model_dump_json(),
                wallet=spec.wallet_id,
                feed=spec.trigger.venue,
                market=spec.trigger.market,
                id=rule_id,
            )
            tx.record(rule_id, "rule.changed", owner_id, spec=json.loads(spec.model_dump_json()))
        return await self.find(owner_id, rule_id)

    async def reset(self, rule_id: str, to: RuleState, reason: str, by: str) -> Rule:
        """FAILED → ACTIVE as a new activation, unarmed, or → CREATED. There already is the same answer.

        Errors: NOT_FOUND, ILLEGAL_TRANSITION, MOVE_NOT_SAFE (final), while an execution of it is open.
        """
        async with self._book.begin() as tx:
            row = await tx.one("SELECT * FROM rule WHERE id = :id FOR UPDATE", id=rule_id)
            if row is None:
                raise NotFound(f"there is no rule {rule_id}")
            rule = _rule(row)
            if rule.state is to:
                return rule
            if rule.state is not RuleState.FAILED:
                raise IllegalTransition(f"only a FAILED rule is reset; this one is {rule.state}")
            running = await tx.one(
                "SELECT id, status FROM execution WHERE rule_id = :id AND NOT (status = ANY(:final)) LIMIT 1",
                id=rule_id,
                final=[state.value for state in FINAL],
            )
            if running:
                raise MoveNotSafe(
                    f"its execution {running['id']} is {running['status']}, not over",
                    "reset it once that execution is over: `tripwire task list` shows what it waits for",
                )
            if to is RuleState.ACTIVE:
                await reactivate_rule(tx, rule_id, RuleState.FAILED)
            else:
                await move_rule(tx, rule_id, RuleState.FAILED, to)
            tx.record(rule_id, "rule.reset", rule.owner_id, to=to, reason=reason, by=by)
        return await self.find(rule.owner_id, rule_id)

    async def changed(self, feed: str, since: datetime) -> list[Rule]:
        """Every rule of a feed that changed after `since`, in whatever state it is now; oldest change first."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT * FROM rule WHERE feed = :feed AND updated_at > :since ORDER BY updated_at",
                feed=feed,
                since=since,
            )
        return [_rule(row) for row in rows]

    async def arm(self, rule_id: str, activation: int) -> bool:
        """Note that the condition was seen false during this activation. True if it still is the current one."""
        async with self._book.begin() as tx:
            changed = await tx.change(
                "UPDATE rule SET armed_at = coalesce(armed_at, clock_timestamp()) "
                "WHERE id = :id AND activation = :activation AND state = 'ACTIVE'",
                id=rule_id,
                activation=activation,
            )
        return bool(changed)

    async def end_cooldowns(self, limit: int) -> int:
        """EXECUTED → ACTIVE for recurring rules whose cooldown is over by the database's clock; how many."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT id FROM rule WHERE state = 'EXECUTED' AND cooldown_until <= clock_timestamp() "
                "AND executions < CAST(spec->'limits'->>'max_executions' AS int) "
                "ORDER BY cooldown_until LIMIT :limit FOR UPDATE SKIP LOCKED",
                limit=limit,
            )
            for row in rows:
                await reactivate_rule(tx, row["id"], RuleState.EXECUTED)
        return len(rows)


async def _activate(tx: Transaction, rule: Rule) -> None:
    if rule.state is RuleState.ACTIVE:
        return
    if rule.state not in (RuleState.CREATED, RuleState.PAUSED):
        raise IllegalTransition(f"a rule that is {rule.state} cannot be activated")
    await reactivate_rule(tx, rule.id, rule.state)
    if rule.spec.trigger.fire_if_already_true:
        await tx.change("UPDATE rule SET armed_at = clock_timestamp() WHERE id = :id", id=rule.id)


async def _locked(tx: Transaction, owner_id: str, rule_id: str) -> Rule:
    row = await tx.one("SELECT * FROM rule WHERE id = :id AND owner_id = :owner FOR UPDATE", id=rule_id, owner=owner_id)
    if row is None:
        raise NotFound(f"you have no rule {rule_id}")
    return _rule(row)


def _rule(row: Mapping[Any, Any]) -> Rule:
    return Rule(
        id=row["id"],
        owner_id=row["owner_id"],
        spec=RuleSpec.model_validate_json(json.dumps(row["spec"])),
        state=RuleState(row["state"]),
        version=row["version"],
        activation=row["activation"],
        armed=row["armed_at"] is not None,
        executions=row["executions"],
        cooldown_until=row["cooldown_until"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
