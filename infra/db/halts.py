"""What halts everything, and the head of the audit chain, by which a restored book is noticed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.audit import GENESIS
from domain.errors import IllegalTransition
from domain.recovery import ACTIVATIONS_SKIPPED, REST_BEFORE_RECOVERY
from infra.db.book import Book, Transaction

RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Halt:
    """A switch that is on. `name` is `kill` or `restored`."""

    name: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of the audit chain; `seq` is 0 before the first."""

    seq: int = 0
    hash: str = GENESIS


class Halts:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def now(self) -> tuple[Halt, ...]:
        """Every switch that is on. One is enough: then nothing is signed or sent."""
        async with self._book.begin() as tx:
            rows = await tx.rows('SELECT name, reason, changed_at FROM switch WHERE "on" ORDER BY name')
        return tuple(Halt(row["name"], row["reason"], row["changed_at"]) for row in rows)

    async def restored(self) -> bool:
        async with self._book.begin() as tx:
            return await tx.one("SELECT 1 FROM switch WHERE name = 'restored' AND \"on\"") is not None

    async def halt_restored(self, reason: str) -> bool:
        """The book is older than a witness says: nothing moves from here on. False where that was known."""
        async with self._book.begin() as tx:
            changed = await tx.change(
                "INSERT INTO switch (name, \"on\", reason) VALUES ('restored', true, :reason) ON CONFLICT (name) "
                'DO UPDATE SET "on" = true, reason = EXCLUDED.reason, changed_at = clock_timestamp() '
                'WHERE NOT switch."on"',
                reason=reason,
            )
            if changed:
                tx.record("system", "book.restored", None, reason=reason)
        return bool(changed)

    async def head(self) -> Head:
        async with self._book.begin() as tx:
            return await _head(tx)

    async def holds(self, witness: Head) -> bool:
        """Whether the event that a witness remembers is still there, unchanged."""
        if witness.seq == 0:
            return True
        async with self._book.begin() as tx:
            row = await tx.one("SELECT hash FROM event WHERE seq = :seq", seq=witness.seq)
        return row is not None and row["hash"] == witness.hash

    async def recovered_at(self) -> datetime | None:
        """When the book was last compared with the chain after a restore, or None."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT changed_at FROM switch WHERE name = 'restored' AND NOT \"on\" AND reason <> ''")
        return row["changed_at"] if row else None

    async def may_recover(self) -> None:
        """Errors: ILLEGAL_TRANSITION (final): no restore was noticed, or what was sent before it may still land."""
        async with self._book.begin() as tx:
            await _may_recover(tx)

    async def recover(self, reason: str, by: str, frozen: int) -> None:
        """Take the switch off, and every rule past the activations that the lost part may have used, unarmed.

        So no name of a trigger that the lost part held is ever given again, and only a fresh crossing fires.
        Errors: as `may_recover`.
        """
        async with self._book.begin() as tx:
            await _may_recover(tx)
            await tx.change(
                "UPDATE rule SET activation = activation + :skipped, armed_at = NULL, updated_at = clock_timestamp() "
                "WHERE state <> 'DELETED'",
                skipped=ACTIVATIONS_SKIPPED,
            )
            await tx.change(
                'UPDATE switch SET "on" = false, reason = :reason, changed_at = clock_timestamp() '
                "WHERE name = 'restored'",
                reason=reason,
            )
            tx.record("system", "book.recovered", None, reason=reason, by=by, frozen_wallets=frozen)


async def _head(tx: Transaction) -> Head:
    row = await tx.one("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
    return Head(row["seq"], row["hash"]) if row else Head()


async def _may_recover(tx: Transaction) -> None:
    row = await tx.one(
        "SELECT changed_at, clock_timestamp() AS now FROM switch WHERE name = 'restored' AND \"on\" FOR UPDATE"
    )
    if row is None:
        raise IllegalTransition("the book was not restored: there is nothing to recover from")
    rest: timedelta = REST_BEFORE_RECOVERY - (row["now"] - row["changed_at"])
    if rest > timedelta(0):
        raise IllegalTransition(
            "what was sent just before the restore may still land: recover again in "
            f"{int(rest.total_seconds()) + 1} seconds"
        )
