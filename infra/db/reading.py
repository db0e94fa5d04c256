"""The book's read side, for people: executions with all that happened to them, and the audit chain."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from domain import assets
from domain.audit import GENESIS, Record, first_break
from domain.errors import NotFound
from domain.lifecycle import ExecutionState
from domain.money import Amount, Asset
from infra.db import documents
from infra.db.book import Book, Transaction, sealed_body
from infra.db.tables import EventRow

# An execution has some ten events; one that waits for a person for days may have more, and they can be paged.
EVENTS_IN_DETAIL = 200

# Records read at once while the chain is verified: some hundred kilobytes.
CHAIN_PAGE = 500


@dataclass(frozen=True, slots=True)
class ExecutionLine:
    """An execution as a list shows it."""

    id: str
    rule_id: str
    trigger_id: str
    wallet_id: str
    venue: str
    workflow_id: str
    status: ExecutionState
    codes: tuple[str, ...]
    dry_run: bool
    sell: Amount
    buy: Asset
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TriggerRead:
    id: str
    occurrence: str
    evidence: Mapping[str, Any]
    created_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class VerdictRead:
    stage: str
    check: str
    passed: bool
    detail: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRead:
    """`seq` counts within a leg, `rank` those that took another's place at one nonce, from 0.

    `valid_until` is the venue's own clock: on Solana a block height, on EVM chains a unix time.
    """

    leg: int
    kind: str
    seq: int
    rank: int
    id_on_venue: str | None
    state: str
    fate: str
    succeeded: bool | None
    detail: str
    nonce: str
    valid_until: int
    payload_sha256: str | None
    broadcast_count: int
    allocated_at: datetime
    signed_at: datetime | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    final_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettlementRead:
    """What one landed attempt moved; one that failed on chain has paid its fee and moved nothing else."""

    reference: str
    slot: int
    succeeded: bool
    sold: Amount
    bought: Amount
    fee: Amount
    rent: Amount
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One record of the audit chain."""

    seq: int
    owner_id: str | None
    subject: str
    kind: str
    body: Mapping[str, Any]
    at: datetime
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class ExecutionRead:
    """Attempts and settlements run leg by leg, oldest first."""

    line: ExecutionLine
    trigger: TriggerRead
    verdicts: tuple[VerdictRead, ...]
    attempts: tuple[AttemptRead, ...]
    settlements: tuple[SettlementRead, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of executions ended: the list runs from the newest to the oldest."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """`broken_at` is the number of the first record that does not follow from those before it."""

    records: int
    last_hash: str
    broken_at: int | None


class Reading:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def executions(
        self, owner_id: str, rule_id: str | None, status: ExecutionState | None, before: Place | None, limit: int
    ) -> list[ExecutionLine]:
        """Up to `limit` of an owner's executions, newest first, older than `before`."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT * FROM execution WHERE owner_id = :owner "
                "AND (CAST(:rule AS text) IS NULL OR rule_id = :rule) "
                "AND (CAST(:status AS text) IS NULL OR status = :status) "
                "AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (CAST(:at AS timestamptz), :id)) "
                "ORDER BY created_at DESC, id DESC LIMIT :limit",
                owner=owner_id,
                rule=rule_id,
                status=status.value if status else None,
                at=before.created_at if before else None,
                id=before.id if before else "",
                limit=limit,
            )
        return [_line(row) for row in rows]

    async def line(self, owner_id: str, execution_id: str) -> ExecutionLine:
        """Errors: NOT_FOUND (final), for another owner's execution too."""
        async with self._book.begin() as tx:
            return _line(await _owned(tx, owner_id, execution_id))

    async def execution(self, owner_id: str, execution_id: str) -> ExecutionRead:
        """All that is known of an execution, as of one moment. Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            await tx.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            row = await _owned(tx, owner_id, execution_id)
            trigger = await tx.one("SELECT * FROM trigger WHERE id = :id", id=row["trigger_id"])
            verdicts = await tx.rows("SELECT * FROM verdict WHERE execution_id = :e ORDER BY id", e=execution_id)
            attempts = await tx.rows(
                "SELECT a.*, l.leg_no, l.kind FROM attempt a JOIN leg l ON l.id = a.leg_id "
                "WHERE a.execution_id = :e ORDER BY l.leg_no, a.attempt_no",
                e=execution_id,
            )
            settlements = await tx.rows(
                "SELECT s.* FROM settlement s JOIN attempt a ON a.id = s.attempt_id JOIN leg l ON l.id = a.leg_id "
                "WHERE s.execution_id = :e ORDER BY l.leg_no, a.attempt_no",
                e=execution_id,
            )
            events = await _events(tx, execution_id, 0, EVENTS_IN_DETAIL)
        if trigger is None:
            raise NotFound(f"{execution_id} has no trigger")
        return ExecutionRead(
            line=_line(row),
            trigger=_trigger(trigger),
            verdicts=tuple(_verdict(verdict) for verdict in verdicts),
            attempts=tuple(_attempt(attempt) for attempt in attempts),
            settlements=tuple(_settlement(settlement) for settlement in settlements),
            events=tuple(events),
        )

    async def events(self, owner_id: str, execution_id: str, after: int, limit: int) -> list[Event]:
        """An execution's events beyond number `after`, oldest first. Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            await _owned(tx, owner_id, execution_id)
            return await _events(tx, execution_id, after, limit)

    async def audit(self, after: int, limit: int) -> list[Event]:
        """Everybody's events beyond number `after`, oldest first."""
        async with self._book.begin() as tx:
            return [_event(row) for row in await _chain(tx, after, limit)]

    async def verify(self) -> ChainCheck:
        """Compute every hash of the audit chain anew, a page at a time, beside the event loop."""
        loop, seen = asyncio.get_running_loop(), [Record(0, {}, "", GENESIS)]

        def records() -> Iterator[Record]:
            while page := asyncio.run_coroutine_threadsafe(self._sealed(seen[0].seq), loop).result():
                for record in page:
                    seen[0] = record
                    yield record

        broken_at = await asyncio.to_thread(lambda: first_break(records()))
        return ChainCheck(seen[0].seq, seen[0].hash, broken_at)

    async def open_tasks(self) -> int:
        """How many decisions wait for a person."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT count(*) AS open FROM operator_task WHERE resolved_at IS NULL")
        return int(row["open"]) if row else 0

    async def _sealed(self, after: int) -> list[Record]:
        async with self._book.begin() as tx:
            rows = await _chain(tx, after, CHAIN_PAGE)
        return [Record(row.seq, sealed_body(row), row.previous, row.hash) for row in rows]


async def _owned(tx: Transaction, owner_id: str, execution_id: str) -> Mapping[Any, Any]:
    row = await tx.one("SELECT * FROM execution WHERE id = :id AND owner_id = :owner", id=execution_id, owner=owner_id)
    if row is None:
        raise NotFound(f"you have no execution {execution_id}")
    return row


async def _events(tx: Transaction, subject: str, after: int, limit: int) -> list[Event]:
    rows = await tx.rows(
        "SELECT * FROM event WHERE subject = :subject AND seq > :after ORDER BY seq LIMIT :limit",
        subject=subject,
        after=after,
        limit=limit,
    )
    return [
        Event(r["seq"], r["owner_id"], r["subject"], r["kind"], r["body"], r["at"], r["previous"], r["hash"])
        for r in rows
    ]


async def _chain(tx: Transaction, after: int, limit: int) -> list[EventRow]:
    number: Any = EventRow.seq
    rows = await tx.session.execute(select(EventRow).where(number > after).order_by(number).limit(limit))
    return list(rows.scalars())


def _event(row: EventRow) -> Event:
    if row.at is None:
        raise NotFound(f"event {row.seq} has no time")
    return Event(row.seq, row.owner_id, row.subject, row.kind, row.body, row.at, row.previous, row.hash)


def _line(row: Mapping[Any, Any]) -> ExecutionLine:
    return ExecutionLine(
        id=row["id"],
        rule_id=row["rule_id"],
        trigger_id=row["trigger_id"],
        wallet_id=row["wallet_id"],
        venue=row["venue"],
        workflow_id=row["workflow_id"],
        status=ExecutionState(row["status"]),
        codes=tuple(row["codes"]),
        dry_run=row["dry_run"],
        sell=documents.to_amount(row["intent"]["sell"]),
        buy=assets.by_id(row["intent"]["buy"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _trigger(row: Mapping[Any, Any]) -> TriggerRead:
    return TriggerRead(row["id"], row["occurrence"], row["evidence"], row["created_at"], row["started_at"])


def _verdict(row: Mapping[Any, Any]) -> VerdictRead:
    return VerdictRead(row["stage"], row["check"], row["passed"], row["detail"], row["created_at"])


def _attempt(row: Mapping[Any, Any]) -> AttemptRead:
    return AttemptRead(
        leg=row["leg_no"],
        kind=row["kind"],
        seq=row["attempt_no"],
        rank=row["rank"],
        id_on_venue=row["venue_ref"],
        state=row["state"],
        fate=row["fate"],
        succeeded=row["succeeded"],
        detail=row["detail"],
        nonce=row["nonce"],
        valid_until=row["valid_until"],
        payload_sha256=row["payload_sha256"],
        broadcast_count=row["broadcast_count"],
        allocated_at=row["allocated_at"],
        signed_at=row["signed_at"],
        first_sent_at=row["first_sent_at"],
        last_sent_at=row["last_sent_at"],
        final_at=row["final_at"],
    )


def _settlement(row: Mapping[Any, Any]) -> SettlementRead:
    body = row["body"]
    return SettlementRead(
        reference=row["reference"],
        slot=row["slot"],
        succeeded=row["succeeded"],
        sold=documents.to_amount(body["sold"]),
        bought=documents.to_amount(body["bought"]),
        fee=documents.to_amount(body["fee"]),
        rent=documents.to_amount(body["rent"]),
        settled_at=row["settled_at"],
    )
