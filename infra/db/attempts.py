"""Attempts in the book: allocated (T1), stored signed (T2), sent (T3). No byte leaves before T2 has committed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import identity
from domain.attempts import AttemptState, Fate, Sighting, Try
from domain.errors import IntegrityBroken, RaceLost
from domain.executions import SWAP_LEG, Execution
from domain.intents import Slot
from domain.lifecycle import ExecutionState
from infra.db.book import Book
from infra.db.executions import move, status_of
from infra.db.leases import check_lease
from infra.venues.protocol import Sent, Signed


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row. `payload` and `venue_ref` are None until it is signed."""

    id: str
    execution_id: str
    attempt_no: int
    state: AttemptState
    slot: Slot
    payload: bytes | None
    venue_ref: str | None
    fate: Fate
    succeeded: bool | None
    detail: str
    broadcast_count: int
    signed_at: datetime | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None

    @property
    def sent(self) -> Sent:
        """Errors: INTEGRITY_BROKEN (final), for an attempt that was never signed."""
        if self.payload is None or self.venue_ref is None:
            raise IntegrityBroken(f"{self.id} holds no signed payload")
        return Sent(self.payload, self.venue_ref, self.slot)

    def tried(self, sighting: Sighting) -> Try:
        """Errors: INTEGRITY_BROKEN (final), for an attempt that was never signed."""
        if self.signed_at is None:
            raise IntegrityBroken(f"{self.id} was never signed")
        return Try(self.attempt_no, sighting, self.signed_at, self.last_sent_at)


class Attempts:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def of_execution(self, execution_id: str) -> list[Attempt]:
        """Oldest first."""
        async with self._book.begin() as tx:
            rows = await tx.rows("SELECT * FROM attempt WHERE execution_id = :e ORDER BY attempt_no", e=execution_id)
        return [_attempt(row) for row in rows]

    async def allocate(self, execution: Execution, epoch: int, attempt_no: int, slot: Slot, venue: str) -> Attempt:
        """T1: the row of an attempt, before anything is built. An unsigned row takes the fresh slot.

        One open leg a wallet and one live attempt a leg are constraints of the tables.
        Errors: LEASE_LOST (final).
        """
        leg_id = identity.leg_id(execution.id, SWAP_LEG)
        async with self._book.begin() as tx:
            await check_lease(tx, execution, epoch)
            await tx.change(
                "INSERT INTO leg (id, execution_id, wallet_id, leg_no) VALUES (:id, :e, :w, :no) "
                "ON CONFLICT (id) DO NOTHING",
                id=leg_id,
                e=execution.id,
                w=execution.wallet.id,
                no=SWAP_LEG,
            )
            await tx.change(
                "INSERT INTO attempt (id, leg_id, execution_id, venue, attempt_no, lease_epoch, state, nonce, "
                "valid_until, fate, detail, broadcast_count) VALUES (:id, :leg, :e, :venue, :no, :epoch, 'ALLOCATED', "
                ":nonce, :valid_until, 'PENDING', '', 0) ON CONFLICT (leg_id, attempt_no) DO UPDATE SET "
                "nonce = EXCLUDED.nonce, valid_until = EXCLUDED.valid_until, lease_epoch = EXCLUDED.lease_epoch "
                "WHERE attempt.state = 'ALLOCATED'",
                id=identity.attempt_id(leg_id, attempt_no),
                leg=leg_id,
                e=execution.id,
                venue=venue,
                no=attempt_no,
                epoch=epoch,
                nonce=slot.nonce,
                valid_until=slot.valid_until,
            )
            row = await tx.one(
                "SELECT * FROM attempt WHERE leg_id = :leg AND attempt_no = :no", leg=leg_id, no=attempt_no
            )
        assert row is not None, "inserted above"  # noqa: S101
        return _attempt(row)

    async def store(self, execution: Execution, epoch: int, attempt: Attempt, signed: Signed) -> Attempt:
        """T2: the signed bytes, if the row still is the one they were built for; else the row that won.

        Errors: LEASE_LOST (final), RACE_LOST (retried).
        """
        async with self._book.begin() as tx:
            before = await status_of(tx, execution.id)
            await check_lease(tx, execution, epoch)
            # A flip of the switch or a freeze waits for us, or we see it.
            await tx.one("SELECT 1 FROM switch WHERE name = 'kill' FOR SHARE")
            await tx.one("SELECT 1 FROM wallet WHERE id = :w FOR SHARE", w=execution.wallet.id)
            stored = await tx.change(
                "UPDATE attempt SET state = 'SIGNED', payload = :payload, payload_sha256 = :sha, venue_ref = :ref, "
                "signed_at = clock_timestamp() WHERE id = :id AND state = 'ALLOCATED' AND nonce = :nonce "
                "AND lease_epoch = :epoch AND NOT EXISTS (SELECT 1 FROM switch WHERE name = 'kill' AND \"on\") "
                "AND NOT EXISTS (SELECT 1 FROM wallet WHERE id = :wallet AND frozen)",
                wallet=execution.wallet.id,
                payload=signed.payload,
                sha=hashlib.sha256(signed.payload).hexdigest(),
                ref=signed.venue_ref,
                id=attempt.id,
                nonce=attempt.slot.nonce,
                epoch=epoch,
            )
            row = await tx.one("SELECT * FROM attempt WHERE id = :id", id=attempt.id)
            assert row is not None, "attempts are never deleted"  # noqa: S101
            if stored:
                if before is not ExecutionState.SIGNED:
                    await move(tx, execution, before, ExecutionState.SIGNED)
                tx.record(
                    execution.id,
                    "attempt.signed",
                    execution.order.owner_id,
                    attempt=attempt.attempt_no,
                    venue_ref=signed.venue_ref,
                    valid_until=attempt.slot.valid_until,
                )
            elif row["payload"] is None:
                raise RaceLost(f"{attempt.id} was allocated anew while its payload was built")
        return _attempt(row)

    async def note_sending(self, attempt: Attempt) -> int | None:
        """Written before each send, the first and every later one. Returns the number for its answer.

        None: the kill switch is on, and nothing may be sent.
        """
        async with self._book.begin() as tx:
            noted = await tx.change(
                "UPDATE attempt SET broadcast_count = broadcast_count + 1, last_sent_at = clock_timestamp(), "
                "first_sent_at = coalesce(first_sent_at, clock_timestamp()) WHERE id = :id AND state = 'SIGNED' "
                "AND NOT EXISTS (SELECT 1 FROM switch WHERE name = 'kill' AND \"on\" FOR SHARE)",
                id=attempt.id,
            )
            if not noted:
                return None
            row = await tx.one("INSERT INTO broadcast (attempt_id) VALUES (:id) RETURNING id", id=attempt.id)
        assert row is not None, "inserted above"  # noqa: S101
        return int(row["id"])

    async def note_answer(self, broadcast_id: int, answer: str) -> None:
        async with self._book.begin() as tx:
            await tx.change(
                "UPDATE broadcast SET answer = :answer WHERE id = :id", answer=answer[:500], id=broadcast_id
            )

    async def mark_submitted(self, execution: Execution, attempt: Attempt) -> None:
        """SIGNED → SUBMITTED, once; a state further on stays. The mark is for people: SIGNED may be out already."""
        async with self._book.begin() as tx:
            if await status_of(tx, execution.id) is ExecutionState.SIGNED:
                await move(tx, execution, ExecutionState.SIGNED, ExecutionState.SUBMITTED, attempt=attempt.attempt_no)

    async def note_fate(self, execution: Execution, attempt: Attempt, sighting: Sighting) -> None:
        """Keep what was seen. A final fate is written once and never changed (I6)."""
        final = sighting.fate in (Fate.LANDED, Fate.DEAD)
        async with self._book.begin() as tx:
            changed = await tx.change(
                "UPDATE attempt SET fate = :fate, succeeded = :succeeded, detail = :detail, "
                "proof = CAST(:proof AS jsonb), final_at = CASE WHEN :final THEN clock_timestamp() END "
                "WHERE id = :id AND fate IN ('PENDING', 'UNKNOWN')",
                fate=sighting.fate.value,
                succeeded=sighting.succeeded,
                detail=sighting.detail[:500],
                proof=json.dumps(dict(sighting.proof)) if sighting.fate is Fate.DEAD else None,
                final=final,
                id=attempt.id,
            )
            if changed and final:
                tx.record(
                    execution.id,
                    "attempt.final",
                    execution.order.owner_id,
                    attempt=attempt.attempt_no,
                    fate=sighting.fate,
                    succeeded=str(sighting.succeeded),
                    detail=sighting.detail,
                    proof=dict(sighting.proof),
                )


def _attempt(row: Mapping[Any, Any]) -> Attempt:
    return Attempt(
        id=row["id"],
        execution_id=row["execution_id"],
        attempt_no=row["attempt_no"],
        state=AttemptState(row["state"]),
        slot=Slot(row["nonce"], row["valid_until"]),
        payload=row["payload"],
        venue_ref=row["venue_ref"],
        fate=Fate(row["fate"]),
        succeeded=row["succeeded"],
        detail=row["detail"],
        broadcast_count=row["broadcast_count"],
        signed_at=row["signed_at"],
        first_sent_at=row["first_sent_at"],
        last_sent_at=row["last_sent_at"],
    )
