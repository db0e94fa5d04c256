"""The wallet's lock and the money it reserves: first come, first served, fenced by a token that only grows."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.errors import LeaseLost
from domain.executions import Execution
from domain.lifecycle import FINAL, ExecutionState, RuleState
from domain.money import Amount
from domain.policy import Verdict
from infra.db.book import Book, Transaction
from infra.db.executions import keep_verdicts, move, reactivate_rule, status_of


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a wallet, and the token of the newest grant: 0 before the first."""

    holder: str | None
    epoch: int


class Leases:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def acquire(self, execution: Execution) -> int | None:
        """The fencing token, or None while others are before us in the queue. Asking again keeps the place."""
        wallet_id, mine = execution.wallet.id, execution.id
        async with self._book.begin() as tx:
            if await status_of(tx, mine) in FINAL:  # a body that outlived its execution takes nothing
                return None
            await tx.change("INSERT INTO lease (wallet_id) VALUES (:w) ON CONFLICT DO NOTHING", w=wallet_id)
            lease = await tx.one("SELECT holder, epoch FROM lease WHERE wallet_id = :w FOR UPDATE", w=wallet_id)
            if lease is not None and lease["holder"] == mine:
                return int(lease["epoch"])
            await tx.change(
                "INSERT INTO lease_waiter (wallet_id, execution_id) VALUES (:w, :e) ON CONFLICT DO NOTHING",
                w=wallet_id,
                e=mine,
            )
            first = await tx.one(
                "SELECT execution_id FROM lease_waiter WHERE wallet_id = :w ORDER BY id LIMIT 1", w=wallet_id
            )
            if lease is None or lease["holder"] is not None or first is None or first["execution_id"] != mine:
                return None
            await tx.change("DELETE FROM lease_waiter WHERE execution_id = :e", e=mine)
            granted = await tx.one(
                "UPDATE lease SET holder = :e, epoch = epoch + 1 WHERE wallet_id = :w RETURNING epoch",
                e=mine,
                w=wallet_id,
            )
            assert granted is not None, "the row is locked by this transaction"  # noqa: S101
            tx.record(mine, "lease.granted", execution.order.owner_id, wallet_id=wallet_id, epoch=granted["epoch"])
            return int(granted["epoch"])

    async def read(self, wallet_id: str) -> Lease:
        async with self._book.begin() as tx:
            row = await tx.one("SELECT holder, epoch FROM lease WHERE wallet_id = :w", w=wallet_id)
        return Lease(row["holder"], row["epoch"]) if row else Lease(None, 0)

    async def held(self, wallet_id: str, except_for: str = "") -> dict[str, int]:
        """Base units that executions of this wallet hold, by CAIP-19 id, one execution's own left out."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT asset, sum(amount) AS amount FROM hold WHERE wallet_id = :w AND execution_id <> :e "
                "AND released_at IS NULL GROUP BY asset",
                w=wallet_id,
                e=except_for,
            )
        return {row["asset"]: int(row["amount"]) for row in rows}

    async def hold(
        self, execution: Execution, epoch: int, amounts: Iterable[Amount], verdicts: Iterable[Verdict]
    ) -> None:
        """Reserve under the lease and move PREFLIGHT → LOCKED. Errors: LEASE_LOST (final), RACE_LOST (retried)."""
        async with self._book.begin() as tx:
            await status_of(tx, execution.id)
            await check_lease(tx, execution, epoch)
            await keep_verdicts(tx, execution.id, "lock", verdicts)
            for amount in amounts:
                await tx.change(
                    "INSERT INTO hold (execution_id, wallet_id, asset, amount) VALUES (:e, :w, :asset, :amount)",
                    e=execution.id,
                    w=execution.wallet.id,
                    asset=amount.asset.id,
                    amount=amount.base,
                )
            await move(tx, execution, ExecutionState.PREFLIGHT, ExecutionState.LOCKED, epoch=epoch)

    async def refuse(
        self,
        execution: Execution,
        before: ExecutionState,
        after: ExecutionState,
        codes: tuple[str, ...],
        verdicts: Iterable[Verdict] = (),
    ) -> str | None:
        """End an execution that signed nothing (BLOCKED or CANCELLED): release everything it holds.

        Returns the workflow id of the next waiter. Errors: RACE_LOST (retried).
        """
        async with self._book.begin() as tx:
            await keep_verdicts(tx, execution.id, "lock", verdicts)
            await move(tx, execution, before, after, codes)
            rule_before = RuleState.TRIGGERED if before is ExecutionState.PENDING else RuleState.EXECUTING
            await reactivate_rule(tx, execution.order.rule_id, rule_before)
            return await release(tx, execution)


async def check_lease(tx: Transaction, execution: Execution, epoch: int) -> None:
    """Errors: LEASE_LOST (final)."""
    row = await tx.one(
        "SELECT 1 FROM lease WHERE wallet_id = :w AND holder = :e AND epoch = :epoch FOR SHARE",
        w=execution.wallet.id,
        e=execution.id,
        epoch=epoch,
    )
    if row is None:
        raise LeaseLost(f"{execution.id} no longer holds {execution.wallet.id} under token {epoch}")


async def release(tx: Transaction, execution: Execution) -> str | None:
    """Free lease, queue place, holds and open leg, within the move to a final state.

    Returns the workflow id of the next waiter, for the signal that spares it its timer.
    """
    # First of all: whoever allocates or stores under the lease has committed by then, or finds it gone.
    await tx.one("SELECT 1 FROM lease WHERE wallet_id = :w FOR UPDATE", w=execution.wallet.id)
    await tx.change(
        "UPDATE hold SET released_at = clock_timestamp() WHERE execution_id = :e AND released_at IS NULL",
        e=execution.id,
    )
    await tx.change(
        "UPDATE leg SET closed_at = clock_timestamp() WHERE execution_id = :e AND closed_at IS NULL", e=execution.id
    )
    await tx.change(  # allocated and never signed: no bytes exist, and none can be stored without the lease
        "UPDATE attempt SET fate = 'DEAD', proof = '{\"never_signed\": true}', final_at = clock_timestamp() "
        "WHERE execution_id = :e AND state = 'ALLOCATED' AND fate = 'PENDING'",
        e=execution.id,
    )
    await tx.change("DELETE FROM lease_waiter WHERE execution_id = :e", e=execution.id)
    await tx.change(
        "UPDATE lease SET holder = NULL WHERE wallet_id = :w AND holder = :e", w=execution.wallet.id, e=execution.id
    )
    row = await tx.one(
        "SELECT e.workflow_id FROM lease_waiter q JOIN execution e ON e.id = q.execution_id "
        "WHERE q.wallet_id = :w ORDER BY q.id LIMIT 1",
        w=execution.wallet.id,
    )
    return row["workflow_id"] if row else None
