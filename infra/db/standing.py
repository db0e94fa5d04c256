"""What the book holds of a wallet, for comparing it with the chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import RowMapping

from domain.errors import NotFound
from domain.wallets import Wallet
from infra.db.book import Book
from infra.db.wallets import WALLET_COLUMNS, to_wallet
from infra.venues.protocol import Known

# More payloads of one wallet than this within a comparison's reach are the newest ones: a wallet sends one at a time.
MOST_PAYLOADS = 50


@dataclass(frozen=True, slots=True)
class Payload:
    """Names of a payload in the book; `landed_in`: the block (slot) in which it settled, None where it did not."""

    execution_id: str
    attempt_id: str
    landed_in: int | None


class Standing:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def page(self, after: str, limit: int) -> tuple[str, ...]:
        """Ids of everybody's wallets beyond `after`, in their order."""
        async with self._book.begin() as tx:
            rows = await tx.rows("SELECT id FROM wallet WHERE id > :after ORDER BY id LIMIT :n", after=after, n=limit)
        return tuple(row["id"] for row in rows)

    async def wallet(self, wallet_id: str) -> Wallet:
        """Whoever owns it. Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            row = await tx.one(f"SELECT {WALLET_COLUMNS} FROM wallet w WHERE w.id = :id", id=wallet_id)  # noqa: S608
        if row is None:
            raise NotFound(f"no wallet {wallet_id}")
        return to_wallet(row)

    async def idle(self, wallet_id: str) -> int | None:
        """The lease's token while nobody holds it, so that nothing is in flight; None while somebody does."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT holder, epoch FROM lease WHERE wallet_id = :w", w=wallet_id)
        if row is None:
            return 0
        return None if row["holder"] else int(row["epoch"])

    async def known(self, wallet_id: str) -> Known:
        """Every payload that the wallet ever signed, and the nonce that it signs next."""
        async with self._book.begin() as tx:
            rows = await tx.rows("SELECT venue_ref FROM attempt WHERE wallet_id = :w AND state = 'SIGNED'", w=wallet_id)
            nonce = await tx.one("SELECT next FROM account_nonce WHERE wallet_id = :w", w=wallet_id)
        return Known(frozenset(row["venue_ref"] for row in rows), int(nonce["next"]) if nonce else 0)

    async def settled(self, wallet_id: str, within: timedelta) -> list[Payload]:
        """Booked not longer ago, and not taken back."""
        return await self._payloads(
            "JOIN settlement s ON s.attempt_id = a.id WHERE a.wallet_id = :w AND NOT EXISTS "
            "(SELECT 1 FROM ledger_entry l WHERE l.kind = 'reversal' AND l.venue_event_id = s.reference "
            "AND l.execution_id = a.execution_id) AND s.settled_at",
            wallet_id,
            within,
        )

    async def written_off(self, wallet_id: str, within: timedelta) -> list[Payload]:
        """Held for dead, or booked and taken back: what may still turn out to have landed."""
        return await self._payloads(
            "LEFT JOIN settlement s ON s.attempt_id = a.id WHERE a.wallet_id = :w AND a.state = 'SIGNED' "
            "AND (a.fate = 'DEAD' OR EXISTS (SELECT 1 FROM ledger_entry l WHERE l.kind = 'reversal' "
            "AND l.venue_event_id = s.reference AND l.execution_id = a.execution_id)) AND a.final_at",
            wallet_id,
            within,
        )

    async def open(self, wallet_id: str) -> list[Payload]:
        """Signed and not booked, whatever their age: in flight, for all that the book knows."""
        return await self._payloads(
            "LEFT JOIN settlement s ON s.attempt_id = a.id WHERE a.wallet_id = :w AND a.state = 'SIGNED' "
            "AND a.fate <> 'DEAD' AND s.attempt_id IS NULL AND a.signed_at",
            wallet_id,
            timedelta(days=36_500),
        )

    async def _payloads(self, condition: str, wallet_id: str, within: timedelta) -> list[Payload]:
        async with self._book.begin() as tx:
            rows: Sequence[RowMapping] = await tx.rows(
                f"SELECT a.id, a.execution_id, s.slot FROM attempt a {condition} > clock_timestamp() "  # noqa: S608
                "- make_interval(secs => :age) ORDER BY a.signed_at DESC LIMIT :limit",
                w=wallet_id,
                age=within.total_seconds(),
                limit=MOST_PAYLOADS,
            )
        return [Payload(row["execution_id"], row["id"], row["slot"]) for row in rows]
