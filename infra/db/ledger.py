"""The double-entry ledger in the book, and the end of an execution: post, release, move the rule, in one go."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from domain import ledger
from domain.errors import RaceLost
from domain.executions import Execution
from domain.ledger import Entry, Settlement
from domain.lifecycle import FINAL, ExecutionState, RuleState
from domain.money import Amount
from domain.reconciliation import Line, Moved
from domain.wallets import Wallet
from infra.db import documents
from infra.db.attempts import Attempt
from infra.db.book import Book, Transaction
from infra.db.executions import move, move_rule, status_of
from infra.db.leases import release


@dataclass(frozen=True, slots=True)
class Settled:
    """One landed attempt with what it moved."""

    attempt: Attempt
    settlement: Settlement


class Ledger:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def balances(self, wallet_id: str) -> dict[str, int]:
        """What the book says the wallet has: base units by CAIP-19 id."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT asset, sum(amount) AS amount FROM ledger_entry WHERE account = :a GROUP BY asset",
                a=ledger.wallet_account(wallet_id),
            )
        return {row["asset"]: int(row["amount"]) for row in rows}

    async def adopt(self, wallet: Wallet, holder: str | None, epoch: int, arrived: Iterable[Line]) -> None:
        """Book what came from outside, as read while `holder` had the lease, or nobody (None), under this token.

        Errors: RACE_LOST (retried), if lease or book have moved since.
        """
        async with self._book.begin() as tx:
            await _check_idle(tx, wallet, holder, epoch)
            account = ledger.wallet_account(wallet.id)
            for line in arrived:
                row = await tx.one(
                    "SELECT coalesce(sum(amount), 0) AS amount, count(*) FILTER (WHERE kind = 'outside') AS earlier "
                    "FROM ledger_entry WHERE account = :a AND asset = :asset",
                    a=account,
                    asset=line.asset.id,
                )
                assert row is not None, "a sum always answers"  # noqa: S101
                if int(row["amount"]) != line.booked:
                    raise RaceLost(f"the book of {wallet.id} has moved since it was compared")
                entries = ledger.outside(wallet.id, Amount(line.difference, line.asset))
                await _post(tx, None, f"observed/{wallet.id}/{row['earlier'] + 1}", entries)
                tx.record(
                    wallet.id,
                    "wallet.outside_transfer",
                    wallet.owner_id,
                    asset=line.asset.id,
                    base=str(line.difference),
                )

    async def reverse(self, wallet: Wallet, epoch: int, gone: Iterable[Moved]) -> None:
        """Take back what was booked for settlements that the chain took back, by entries of the opposite sign.

        Read while nobody had the lease, under this token. Errors: RACE_LOST (retried).
        """
        async with self._book.begin() as tx:
            await _check_idle(tx, wallet, None, epoch)
            for payload in gone:
                reversed_entries = await tx.rows(
                    "INSERT INTO ledger_entry (execution_id, account, asset, amount, kind, venue_event_id) "
                    "SELECT l.execution_id, l.account, l.asset, -sum(l.amount), 'reversal', l.venue_event_id "
                    "FROM ledger_entry l JOIN attempt a ON a.execution_id = l.execution_id "
                    "JOIN settlement s ON s.attempt_id = a.id AND s.reference = l.venue_event_id "
                    "WHERE a.id = :a AND l.kind <> 'reversal' "
                    "GROUP BY l.execution_id, l.account, l.asset, l.venue_event_id "
                    "ON CONFLICT DO NOTHING RETURNING execution_id",
                    a=payload.attempt_id,
                )
                if reversed_entries:
                    tx.record(
                        reversed_entries[0]["execution_id"],
                        "settlement.reversed",
                        wallet.owner_id,
                        reference=payload.reference,
                    )

    async def confirm(self, execution: Execution) -> None:
        """A landed success: → CONFIRMED, from wherever the execution was."""
        async with self._book.begin() as tx:
            before = await status_of(tx, execution.id)
            if before not in FINAL and before is not ExecutionState.CONFIRMED:
                await move(tx, execution, before, ExecutionState.CONFIRMED)

    async def close(
        self,
        execution: Execution,
        after: ExecutionState,
        settled: Iterable[Settled],
        differences: dict[str, str],
        codes: tuple[str, ...] = (),
    ) -> str | None:
        """Post every settlement, end the execution and free what it holds, in one transaction.

        A second call finds the final state and changes nothing. `differences` are base units that chain
        and book disagree by, per CAIP-19 id. Returns the workflow id of the wallet's next waiter.
        Errors: INTEGRITY_BROKEN (final), RACE_LOST (retried).
        """
        async with self._book.begin() as tx:
            before = await status_of(tx, execution.id)
            if before in FINAL:
                return None
            if await tx.one(
                "SELECT 1 FROM attempt WHERE execution_id = :e AND state = 'SIGNED' "
                "AND fate NOT IN ('LANDED', 'DEAD') LIMIT 1",
                e=execution.id,
            ):
                raise RaceLost(f"{execution.id} was signed anew while it was being closed")
            for item in settled:
                entries = ledger.entries(item.settlement, execution.wallet.id, execution.order.venue)
                await _post(tx, execution.id, item.settlement.reference, entries)
                await _keep(tx, execution, item)
            await move(tx, execution, before, after, codes, differences=differences)
            if after is ExecutionState.SETTLED:
                await _use_up_rule(tx, execution)
            else:
                await move_rule(tx, execution.order.rule_id, RuleState.EXECUTING, RuleState.FAILED)
            return await release(tx, execution)


async def _check_idle(tx: Transaction, wallet: Wallet, holder: str | None, epoch: int) -> None:
    """Nobody took the lease since it was read, and nobody can until this transaction ends.

    Errors: RACE_LOST (retried).
    """
    await tx.change("INSERT INTO lease (wallet_id) VALUES (:w) ON CONFLICT DO NOTHING", w=wallet.id)
    row = await tx.one("SELECT holder, epoch FROM lease WHERE wallet_id = :w FOR UPDATE", w=wallet.id)
    if row is None or row["holder"] != holder or row["epoch"] != epoch:
        raise RaceLost(f"the lease of {wallet.id} has moved since its balances were read")


async def _post(tx: Transaction, execution_id: str | None, venue_event_id: str, entries: Iterable[Entry]) -> None:
    for entry in entries:
        await tx.change(
            "INSERT INTO ledger_entry (execution_id, account, asset, amount, kind, venue_event_id) "
            "VALUES (:e, :account, :asset, :amount, :kind, :event) "
            "ON CONFLICT (coalesce(execution_id, ''), kind, venue_event_id, account, asset) DO NOTHING",
            e=execution_id,
            account=entry.account,
            asset=entry.amount.asset.id,
            amount=entry.amount.base,
            kind=entry.kind.value,
            event=venue_event_id,
        )


async def _keep(tx: Transaction, execution: Execution, item: Settled) -> None:
    await tx.change(
        "INSERT INTO settlement (attempt_id, execution_id, reference, slot, succeeded, body) "
        "VALUES (:a, :e, :reference, :slot, :succeeded, CAST(:body AS jsonb)) ON CONFLICT (attempt_id) DO NOTHING",
        a=item.attempt.id,
        e=execution.id,
        reference=item.settlement.reference,
        slot=item.settlement.slot,
        succeeded=item.settlement.succeeded,
        body=json.dumps(documents.from_settlement(item.settlement)),
    )


async def _use_up_rule(tx: Transaction, execution: Execution) -> None:
    await move_rule(tx, execution.order.rule_id, RuleState.EXECUTING, RuleState.EXECUTED)
    await tx.change(
        "UPDATE rule SET executions = executions + 1, "
        "cooldown_until = clock_timestamp() + make_interval(hours => :hours) WHERE id = :id",
        hours=execution.rule.limits.cooldown_hours,
        id=execution.order.rule_id,
    )
