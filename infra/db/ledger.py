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
from infra.db import documents
from infra.db.attempts import Attempt
from infra.db.book import Book, Transaction
from infra.db.executions import move, move_rule, status_of
from infra.db.leases import check_lease, release


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

    async def adopt_outside(self, execution: Execution, epoch: int, on_chain: Iterable[Amount]) -> None:
        """Book what strangers moved: with the lease held and nothing of ours in flight, no difference is ours.

        Errors: LEASE_LOST (final).
        """
        async with self._book.begin() as tx:
            await check_lease(tx, execution, epoch)
            account = ledger.wallet_account(execution.wallet.id)
            for amount in on_chain:
                row = await tx.one(
                    "SELECT coalesce(sum(amount), 0) AS amount FROM ledger_entry WHERE account = :a AND asset = :asset",
                    a=account,
                    asset=amount.asset.id,
                )
                booked = int(row["amount"]) if row else 0
                if difference := amount.base - booked:
                    entries = ledger.outside(execution.wallet.id, Amount(difference, amount.asset))
                    await _post(tx, execution, f"observed/{execution.id}/{epoch}", entries)
                    tx.record(
                        execution.wallet.id,
                        "wallet.outside_transfer",
                        execution.order.owner_id,
                        asset=amount.asset.id,
                        base=str(difference),
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
                await _post(tx, execution, item.settlement.reference, entries)
                await _keep(tx, execution, item)
            await move(tx, execution, before, after, codes, differences=differences)
            if after is ExecutionState.SETTLED:
                await _use_up_rule(tx, execution)
            else:
                await move_rule(tx, execution.order.rule_id, RuleState.EXECUTING, RuleState.FAILED)
            return await release(tx, execution)


async def _post(tx: Transaction, execution: Execution, venue_event_id: str, entries: Iterable[Entry]) -> None:
    for entry in entries:
        await tx.change(
            "INSERT INTO ledger_entry (execution_id, account, asset, amount, kind, venue_event_id) "
            "VALUES (:e, :account, :asset, :amount, :kind, :event) "
            "ON CONFLICT ((coalesce(execution_id, '')), kind, venue_event_id, account, asset) DO NOTHING",
            e=execution.id,
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
