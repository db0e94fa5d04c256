"""Attempts in the book: allocated (T1), stored signed (T2), sent (T3). No byte leaves before T2 has committed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import identity
from domain.attempts import AttemptState, Fate, Sighting, Try
from domain.errors import ChainUnavailable, ForeignNonce, IntegrityBroken, RaceLost
from domain.executions import Execution
from domain.intents import Leg, Slot
from domain.lifecycle import ExecutionState
from infra.db.book import Book, Transaction
from infra.db.executions import move, status_of
from infra.db.leases import check_lease
from infra.venues.protocol import Sent, Signed, Venue


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row. `payload` and `venue_ref` are None until it is signed; `address` is the wallet's."""

    id: str
    execution_id: str
    leg_no: int
    attempt_no: int
    rank: int
    address: str
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
        return Sent(self.payload, self.venue_ref, self.slot, self.address)

    @property
    def open(self) -> bool:
        """Signed, and it may still land."""
        return self.state is AttemptState.SIGNED and self.fate not in (Fate.LANDED, Fate.DEAD)

    def tried(self, sighting: Sighting) -> Try:
        """Errors: INTEGRITY_BROKEN (final), for an attempt that was never signed."""
        if self.signed_at is None:
            raise IntegrityBroken(f"{self.id} was never signed")
        return Try(self.attempt_no, self.slot.nonce, sighting, self.signed_at, self.last_sent_at)


def families_of_open(attempts: Iterable[Attempt]) -> list[Attempt]:
    """What to ask a venue about: all that is open, and what is over of the same nonce.

    Beside the one that took its nonce a payload is seen to be dead; alone it looks like a stranger's doing.
    """
    signed = [attempt for attempt in attempts if attempt.state is AttemptState.SIGNED]
    nonces = {attempt.slot.nonce for attempt in signed if attempt.open}
    return [attempt for attempt in signed if attempt.slot.nonce in nonces]


class Attempts:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def of_execution(self, execution_id: str) -> list[Attempt]:
        """Leg by leg, oldest first."""
        async with self._book.begin() as tx:
            rows = await tx.rows(f"{_SELECT} WHERE a.execution_id = :e ORDER BY l.leg_no, a.attempt_no", e=execution_id)
        return [_attempt(row) for row in rows]

    async def open_of_wallet(self, wallet_id: str) -> list[str]:
        """The venue's ids of all payloads of a wallet that may still land."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT venue_ref FROM attempt WHERE wallet_id = :w AND state = 'SIGNED' "
                "AND fate IN ('PENDING', 'UNKNOWN') ORDER BY signed_at",
                w=wallet_id,
            )
        return [row["venue_ref"] for row in rows]

    async def allocate(
        self,
        execution: Execution,
        epoch: int,
        leg: Leg,
        attempt_no: int,
        slot: Slot,
        venue: Venue,
        replaces: Attempt | None = None,
    ) -> Attempt:
        """T1: the row of an attempt, before anything is built. An unsigned row takes the fresh slot.

        Where nonces count up, the wallet's own row gives the nonce, and the slot's only has to agree. An
        attempt that `replaces` another shares its nonce, one rank higher.
        One open leg a wallet and one live family a leg are constraints of the tables.
        Errors: LEASE_LOST, FOREIGN_NONCE (final), RACE_LOST, CHAIN_UNAVAILABLE (retried).
        """
        leg_id = identity.leg_id(execution.id, leg.no)
        async with self._book.begin() as tx:
            await check_lease(tx, execution, epoch)
            await _open_leg(tx, execution, leg)
            if replaces is None:
                await _no_stray(tx, leg_id, attempt_no)
                nonce = await _next_nonce(tx, execution, slot) if venue.sequential else slot.nonce
            else:
                nonce = replaces.slot.nonce
            await tx.change(
                "INSERT INTO attempt (id, leg_id, execution_id, wallet_id, venue, attempt_no, rank, lease_epoch, "
                "state, nonce, valid_until, fate, detail, broadcast_count) VALUES (:id, :leg, :e, :w, :venue, :no, "
                ":rank, :epoch, 'ALLOCATED', :nonce, :valid_until, 'PENDING', '', 0) "
                "ON CONFLICT (leg_id, attempt_no) DO UPDATE SET nonce = EXCLUDED.nonce, rank = EXCLUDED.rank, "
                "valid_until = EXCLUDED.valid_until, lease_epoch = EXCLUDED.lease_epoch "
                "WHERE attempt.state = 'ALLOCATED'",
                id=identity.attempt_id(leg_id, attempt_no),
                leg=leg_id,
                e=execution.id,
                w=execution.wallet.id,
                venue=venue.name,
                no=attempt_no,
                rank=replaces.rank + 1 if replaces else 0,
                epoch=epoch,
                nonce=nonce,
                valid_until=replaces.slot.valid_until if replaces else slot.valid_until,
            )
            row = await tx.one(f"{_SELECT} WHERE a.id = :id", id=identity.attempt_id(leg_id, attempt_no))
        assert row is not None, "inserted above"  # noqa: S101
        return _attempt(row)

    async def store(
        self, execution: Execution, epoch: int, attempt: Attempt, signed: Signed, *, sequential: bool = False
    ) -> Attempt:
        """T2: the signed bytes, if the row still is the one they were built for; else the row that won.

        `sequential`: the wallet's next nonce moves on with them.

        Errors: LEASE_LOST (final), RACE_LOST (retried).
        """
        async with self._book.begin() as tx:
            before = await status_of(tx, execution.id)
            await check_lease(tx, execution, epoch)
            # A flip of a switch or a freeze waits for us, or we see it.
            await tx.rows("SELECT 1 FROM switch FOR SHARE")
            await tx.one("SELECT 1 FROM wallet WHERE id = :w FOR SHARE", w=execution.wallet.id)
            stored = await tx.change(
                "UPDATE attempt SET state = 'SIGNED', payload = :payload, payload_sha256 = :sha, venue_ref = :ref, "
                "signed_at = clock_timestamp() WHERE id = :id AND state = 'ALLOCATED' AND nonce = :nonce "
                'AND rank = :rank AND lease_epoch = :epoch AND NOT EXISTS (SELECT 1 FROM switch WHERE "on") '
                "AND NOT EXISTS (SELECT 1 FROM wallet WHERE id = :wallet AND frozen)",
                wallet=execution.wallet.id,
                payload=signed.payload,
                sha=hashlib.sha256(signed.payload).hexdigest(),
                ref=signed.venue_ref,
                id=attempt.id,
                nonce=attempt.slot.nonce,
                rank=attempt.rank,
                epoch=epoch,
            )
            row = await tx.one(f"{_SELECT} WHERE a.id = :id", id=attempt.id)
            assert row is not None, "attempts are never deleted"  # noqa: S101
            if stored:
                if sequential and attempt.rank == 0:
                    await _use_up_nonce(tx, execution, int(attempt.slot.nonce))
                if before is not ExecutionState.SIGNED:
                    await move(tx, execution, before, ExecutionState.SIGNED)
                tx.record(
                    execution.id,
                    "attempt.signed",
                    execution.order.owner_id,
                    leg=attempt.leg_no,
                    attempt=attempt.attempt_no,
                    rank=attempt.rank,
                    venue_ref=signed.venue_ref,
                    valid_until=attempt.slot.valid_until,
                )
            elif row["payload"] is None:
                raise RaceLost(f"{attempt.id} was allocated anew while its payload was built")
        return _attempt(row)

    async def note_sending(self, attempt: Attempt) -> int | None:
        """Written before each send, the first and every later one. Returns the number for its answer.

        None: everything is halted, or the wallet was frozen before a first send. What was never sent is not out,
        and a freeze means that nothing more goes out; what was sent once is sent on, since it may land anyway.
        """
        async with self._book.begin() as tx:
            noted = await tx.change(
                "UPDATE attempt SET broadcast_count = broadcast_count + 1, last_sent_at = clock_timestamp(), "
                "first_sent_at = coalesce(first_sent_at, clock_timestamp()) WHERE id = :id AND state = 'SIGNED' "
                'AND NOT EXISTS (SELECT 1 FROM switch WHERE "on" FOR SHARE) AND (first_sent_at IS NOT NULL '
                "OR NOT EXISTS (SELECT 1 FROM wallet w WHERE w.id = attempt.wallet_id AND w.frozen FOR SHARE))",
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

    async def note_fates(self, execution: Execution, seen: Mapping[str, Sighting]) -> None:
        """Keep what was seen, by attempt id. A final fate is written once and never changed (I6).

        A family's deaths and its landing become true at one block, so they are written in one transaction,
        the deaths first: at no moment does the book show two that may land.
        """
        async with self._book.begin() as tx:
            for attempt_id, sighting in sorted(seen.items(), key=lambda item: item[1].fate is not Fate.DEAD):
                await note_fate(tx, execution, attempt_id, sighting)


_SELECT = (
    "SELECT a.*, l.leg_no, w.address FROM attempt a JOIN leg l ON l.id = a.leg_id JOIN wallet w ON w.id = a.wallet_id"
)


async def _open_leg(tx: Transaction, execution: Execution, leg: Leg) -> None:
    """The row of a leg; the one before it is closed by having landed. Errors: INTEGRITY_BROKEN (final)."""
    leg_id = identity.leg_id(execution.id, leg.no)
    if await tx.one("SELECT 1 FROM leg WHERE id = :id", id=leg_id):
        return
    if leg.no > 1:
        closed = await tx.change(
            "UPDATE leg SET closed_at = clock_timestamp() WHERE id = :id AND EXISTS "
            "(SELECT 1 FROM attempt WHERE leg_id = :id AND fate = 'LANDED' AND succeeded)",
            id=identity.leg_id(execution.id, leg.no - 1),
        )
        if not closed:
            raise IntegrityBroken(f"leg {leg.no} of {execution.id} is to begin before the one it rests on has landed")
    await tx.change(
        "INSERT INTO leg (id, execution_id, wallet_id, leg_no, kind) VALUES (:id, :e, :w, :no, :kind) "
        "ON CONFLICT (id) DO NOTHING",
        id=leg_id,
        e=execution.id,
        w=execution.wallet.id,
        no=leg.no,
        kind=leg.kind.value,
    )


async def _no_stray(tx: Transaction, leg_id: str, attempt_no: int) -> None:
    """A new nonce wants every earlier payload of the leg over, replacements too. Errors: INTEGRITY_BROKEN (final)."""
    await tx.one("SELECT 1 FROM leg WHERE id = :leg FOR NO KEY UPDATE", leg=leg_id)
    stray = await tx.one(
        "SELECT venue_ref FROM attempt WHERE leg_id = :leg AND attempt_no < :no AND rank > 0 "
        "AND fate IN ('PENDING', 'UNKNOWN') LIMIT 1",
        leg=leg_id,
        no=attempt_no,
    )
    if stray is not None:
        raise IntegrityBroken(f"{stray['venue_ref']} may still land: nothing is signed on another nonce")


async def _next_nonce(tx: Transaction, execution: Execution, slot: Slot) -> str:
    """The wallet's next nonce, locked. Errors: FOREIGN_NONCE (final), CHAIN_UNAVAILABLE (retried)."""
    wallet, on_chain = execution.wallet, int(slot.nonce)
    await tx.change(
        # Its key was born in the signer, so whatever the chain has seen of it, we have signed.
        "INSERT INTO account_nonce (wallet_id, next) VALUES (:w, 0) ON CONFLICT DO NOTHING",
        w=wallet.id,
    )
    row = await tx.one("SELECT next FROM account_nonce WHERE wallet_id = :w FOR UPDATE", w=wallet.id)
    assert row is not None, "inserted above"  # noqa: S101
    if on_chain > row["next"]:
        raise ForeignNonce(
            f"{wallet.address} has used nonce {on_chain - 1} on chain, the book has signed only those below "
            f"{row['next']}: somebody else signs with this key. Move the funds, or adopt the chain's count."
        )
    if on_chain < row["next"]:
        raise ChainUnavailable(
            f"the node expects nonce {on_chain} of {wallet.address}, it should know of {row['next']}"
        )
    return str(row["next"])


async def _use_up_nonce(tx: Transaction, execution: Execution, nonce: int) -> None:
    """Errors: RACE_LOST (retried)."""
    moved = await tx.change(
        "UPDATE account_nonce SET next = next + 1 WHERE wallet_id = :w AND next = :nonce",
        w=execution.wallet.id,
        nonce=nonce,
    )
    if not moved:
        raise RaceLost(f"nonce {nonce} of {execution.wallet.address} is no longer the next")


async def note_fate(tx: Transaction, execution: Execution, attempt_id: str, sighting: Sighting) -> None:
    """Keep what was seen of one attempt; nothing, where its fate is final already."""
    final = sighting.fate in (Fate.LANDED, Fate.DEAD)
    row = await tx.one(
        "UPDATE attempt SET fate = :fate, succeeded = :succeeded, detail = :detail, "
        "proof = CAST(:proof AS jsonb), final_at = CASE WHEN :final THEN clock_timestamp() END "
        "WHERE id = :id AND fate IN ('PENDING', 'UNKNOWN') RETURNING attempt_no",
        fate=sighting.fate.value,
        succeeded=sighting.succeeded,
        detail=sighting.detail[:500],
        proof=json.dumps(dict(sighting.proof)) if sighting.fate is Fate.DEAD else None,
        final=final,
        id=attempt_id,
    )
    if row and final:
        tx.record(
            execution.id,
            "attempt.final",
            execution.order.owner_id,
            attempt=row["attempt_no"],
            fate=sighting.fate,
            succeeded=str(sighting.succeeded),
            detail=sighting.detail,
            proof=dict(sighting.proof),
        )


def _attempt(row: Mapping[Any, Any]) -> Attempt:
    return Attempt(
        id=row["id"],
        execution_id=row["execution_id"],
        leg_no=row["leg_no"],
        attempt_no=row["attempt_no"],
        rank=row["rank"],
        address=row["address"],
        state=AttemptState(row["state"]),
        slot=Slot(row["nonce"], row["valid_until"], earlier=row["attempt_no"] - 1),
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
