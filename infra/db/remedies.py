"""What operators' moves do to the book. Each looks again, under the locks, at what it was found safe by."""

from collections.abc import Iterable, Mapping

from domain import ledger
from domain.attempts import Sighting
from domain.errors import RaceLost
from domain.executions import Execution
from domain.lifecycle import FINAL
from domain.money import Amount
from domain.operator_moves import FOREIGN_NONCE
from domain.wallets import Wallet
from infra.db.attempts import note_fate
from infra.db.book import Transaction
from infra.db.executions import status_of
from infra.db.system import raise_task
from infra.db.tasks import Task, open_tasks


async def declare_dead(tx: Transaction, task: Task, execution: Execution, dead: Mapping[str, Sighting]) -> None:
    """Write these sightings of DEAD, by attempt id, if they still are all that is open of the execution.

    After a foreign nonce the wallet itself stays an open matter. Errors: RACE_LOST (retried).
    """
    if await status_of(tx, execution.id) in FINAL:
        raise RaceLost(f"{execution.id} has ended meanwhile: look at the task again")
    rows = await tx.rows(
        "SELECT id FROM attempt WHERE execution_id = :e AND state = 'SIGNED' AND fate IN ('PENDING', 'UNKNOWN')",
        e=execution.id,
    )
    if {row["id"] for row in rows} != set(dead):
        raise RaceLost(f"the open payloads of {execution.id} are others by now: look at the task again")
    for attempt_id, sighting in dead.items():
        await note_fate(tx, execution, attempt_id, sighting)
    if task.code == FOREIGN_NONCE:
        await raise_task(tx, execution.wallet, task.code, task.detail, None)


async def adopt_nonce(tx: Transaction, wallet: Wallet, epoch: int, before: int, on_chain: int) -> None:
    """Move the wallet's next nonce from `before` to the chain's count. Errors: RACE_LOST (retried)."""
    await _nothing_in_flight(tx, wallet, epoch)
    # A wallet that never signed has no row yet.
    await tx.change("INSERT INTO account_nonce (wallet_id, next) VALUES (:w, 0) ON CONFLICT DO NOTHING", w=wallet.id)
    moved = await tx.change(
        "UPDATE account_nonce SET next = :after WHERE wallet_id = :w AND next = :before AND next < :after",
        w=wallet.id,
        before=before,
        after=on_chain,
    )
    if not moved:
        raise RaceLost(f"the next nonce of {wallet.id} is no longer {before}: look at the task again")
    tx.record(wallet.id, "wallet.nonce_adopted", wallet.owner_id, before=before, after=on_chain)


async def book_outside(tx: Transaction, task: Task, wallet: Wallet, epoch: int, on_chain: Iterable[Amount]) -> None:
    """Post what chain and book differ by as a stranger's transfer. Errors: RACE_LOST (retried)."""
    await _nothing_in_flight(tx, wallet, epoch)
    account = ledger.wallet_account(wallet.id)
    for amount in on_chain:
        row = await tx.one(
            "SELECT coalesce(sum(amount), 0) AS amount FROM ledger_entry WHERE account = :a AND asset = :asset",
            a=account,
            asset=amount.asset.id,
        )
        difference = amount.base - (int(row["amount"]) if row else 0)
        if not difference:
            continue
        for entry in ledger.outside(wallet.id, Amount(difference, amount.asset)):
            await tx.change(
                "INSERT INTO ledger_entry (account, asset, amount, kind, venue_event_id) "
                "VALUES (:account, :asset, :amount, :kind, :event)",
                account=entry.account,
                asset=entry.amount.asset.id,
                amount=entry.amount.base,
                kind=entry.kind.value,
                event=f"task/{task.id}",
            )
        tx.record(wallet.id, "wallet.outside_transfer", wallet.owner_id, asset=amount.asset.id, base=str(difference))


async def unfreeze(tx: Transaction, task: Task, wallet: Wallet) -> None:
    """Errors: RACE_LOST (retried), where another task about the wallet was raised meanwhile."""
    await _lock_wallet(tx, wallet)
    if set(await open_tasks(tx, wallet.id)) - {task.id}:
        raise RaceLost(f"another task about {wallet.id} was raised meanwhile: look at the task again")
    await tx.change("UPDATE wallet SET frozen = false WHERE id = :w", w=wallet.id)
    tx.record(wallet.id, "wallet.unfrozen", wallet.owner_id, task=task.id)


async def acknowledge(tx: Transaction, wallet: Wallet) -> None:
    """Nothing, if the wallet still signs. Errors: RACE_LOST (retried), where it was frozen meanwhile."""
    if await _lock_wallet(tx, wallet):
        raise RaceLost(f"{wallet.id} was frozen meanwhile: look at the task again")


async def nothing(_tx: Transaction) -> None:
    """A move whose work is the workflow's."""


async def _lock_wallet(tx: Transaction, wallet: Wallet) -> bool:
    """Whether it is frozen. Whoever freezes it has committed, task and all, or waits for us."""
    row = await tx.one("SELECT frozen FROM wallet WHERE id = :w FOR NO KEY UPDATE", w=wallet.id)
    return row is not None and bool(row["frozen"])


async def _nothing_in_flight(tx: Transaction, wallet: Wallet, epoch: int) -> None:
    """Nobody holds the wallet, and nobody has since the chain was asked. Errors: RACE_LOST (retried)."""
    await tx.change("INSERT INTO lease (wallet_id) VALUES (:w) ON CONFLICT DO NOTHING", w=wallet.id)
    lease = await tx.one("SELECT holder, epoch FROM lease WHERE wallet_id = :w FOR UPDATE", w=wallet.id)
    attempt = await tx.one(
        "SELECT 1 FROM attempt WHERE wallet_id = :w AND state = 'SIGNED' AND fate IN ('PENDING', 'UNKNOWN') LIMIT 1",
        w=wallet.id,
    )
    if lease is None or lease["holder"] is not None or lease["epoch"] != epoch or attempt is not None:
        raise RaceLost(f"an execution has taken {wallet.id} meanwhile: look at the task again")
