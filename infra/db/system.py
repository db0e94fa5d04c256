"""What concerns the whole installation: the kill switch, the processes' heartbeats, and operators' tasks."""

from dataclasses import dataclass
from datetime import datetime

from domain.executions import Execution
from domain.lifecycle import EXECUTION_MOVES, FINAL, ExecutionState
from domain.wallets import Wallet
from infra.db.book import Book, Transaction
from infra.db.executions import move, status_of


@dataclass(frozen=True, slots=True)
class Heartbeat:
    process: str
    kind: str
    age_s: int
    beat_at: datetime


class System:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def halted(self) -> bool:
        """Whether nothing may be signed: the kill switch is on, or the book was restored and not compared yet."""
        async with self._book.begin() as tx:
            return await tx.one('SELECT 1 FROM switch WHERE "on" LIMIT 1') is not None

    async def set_kill_switch(self, on: bool, reason: str, by: str) -> None:
        async with self._book.begin() as tx:
            await tx.change(
                "INSERT INTO switch (name, \"on\", reason) VALUES ('kill', :on, :reason) ON CONFLICT (name) "
                'DO UPDATE SET "on" = EXCLUDED."on", reason = EXCLUDED.reason, changed_at = clock_timestamp()',
                on=on,
                reason=reason,
            )
            tx.record("system", "kill_switch.changed", None, on=on, reason=reason, by=by)

    async def beat(self, process: str, kind: str) -> None:
        async with self._book.begin() as tx:
            await tx.change(
                "INSERT INTO heartbeat (process, kind) VALUES (:process, :kind) "
                "ON CONFLICT (process) DO UPDATE SET beat_at = clock_timestamp()",
                process=process,
                kind=kind,
            )

    async def heartbeats(self, newer_than_s: int) -> list[Heartbeat]:
        """By the database's clock, so that no process's own clock makes it look alive."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT *, CAST(extract(epoch FROM clock_timestamp() - beat_at) AS int) AS age_s FROM heartbeat "
                "WHERE beat_at > clock_timestamp() - make_interval(secs => :age) ORDER BY kind, process",
                age=newer_than_s,
            )
        return [Heartbeat(r["process"], r["kind"], r["age_s"], r["beat_at"]) for r in rows]

    async def escalate(self, execution: Execution, code: str, detail: str) -> None:
        """An operator's task, and → UNKNOWN where a payload may be out; hold and lease stay. Again is the same."""
        async with self._book.begin() as tx:
            before = await status_of(tx, execution.id)
            if before in FINAL:
                return
            if ExecutionState.UNKNOWN in EXECUTION_MOVES[before]:
                await move(tx, execution, before, ExecutionState.UNKNOWN, (code,))
            await raise_task(tx, execution.wallet, code, detail, execution.id)

    async def freeze(self, wallet: Wallet, code: str, detail: str, execution_id: str | None = None) -> None:
        """Let a wallet sign nothing more until a person has looked. Again is the same."""
        async with self._book.begin() as tx:
            # Locked, though it may be frozen already: whoever unfreezes it waits for our task, or has done so.
            await tx.one("SELECT 1 FROM wallet WHERE id = :w FOR NO KEY UPDATE", w=wallet.id)
            frozen = await tx.change("UPDATE wallet SET frozen = true WHERE id = :w AND NOT frozen", w=wallet.id)
            if frozen:
                tx.record(wallet.id, "wallet.frozen", wallet.owner_id, reason=code)
            await raise_task(tx, wallet, code, detail, execution_id)


async def raise_task(tx: Transaction, wallet: Wallet, code: str, detail: str, execution_id: str | None) -> None:
    """Open an operator's task, unless the same one is open."""
    raised = await tx.change(
        "INSERT INTO operator_task (execution_id, wallet_id, code, detail) VALUES (:e, :w, :code, :detail) "
        "ON CONFLICT DO NOTHING",
        e=execution_id,
        w=wallet.id,
        code=code,
        detail=detail,
    )
    if raised:
        tx.record(execution_id or wallet.id, "task.raised", wallet.owner_id, code=code, detail=detail)
