"""Compares every wallet's chain and book: started by a Temporal Schedule, or by an operator for one wallet."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.reconcile_wallets import ReconcileWallets, WalletReport
    from workflows.options import SILENT, Options

RECONCILE_SCHEDULE_ID = "tripwire-reconcile"
RECONCILE_EVERY = timedelta(minutes=5)

AT_ONCE = 8  # each asks a node a handful of questions

# What is told of wallets that differ: past this many the tasks in the book tell the rest.
MOST_TOLD = 50

# One try: the next round comes by itself. Two looks with their pause, each of a few calls of at most 5 s a node.
_ONCE = Options(
    start_to_close_timeout=timedelta(seconds=90),
    schedule_to_close_timeout=timedelta(minutes=4),
    heartbeat_timeout=SILENT,
    retry_policy=RetryPolicy(maximum_attempts=1),
)
_LIST = Options(start_to_close_timeout=timedelta(seconds=15), retry_policy=RetryPolicy(maximum_attempts=3))


@dataclass(frozen=True, slots=True)
class Round:
    """Which wallets: one by its id, or all beyond `after`, with what was told of those before."""

    wallet_id: str | None = None
    after: str = ""
    compared: int = 0
    told: tuple[WalletReport, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundReport:
    """`told` holds the wallets that do not plainly agree, and the one that was asked for by its id."""

    compared: int
    told: tuple[WalletReport, ...]


@workflow.defn(name="ReconcileWallets")
class ReconcileWalletsWorkflow:
    @workflow.run
    async def run(self, asked: Round) -> RoundReport:
        if asked.wallet_id is not None:
            return RoundReport(1, (await self._compare(asked.wallet_id),))
        page = await workflow.execute_activity_method(ReconcileWallets.page, asked.after, **_LIST)
        if page:
            reports = await self._compare_all(page)
            told = (*asked.told, *(report for report in reports if report.notable))[:MOST_TOLD]
            # A fresh history for each page: it stays small however many wallets there are.
            workflow.continue_as_new(Round(None, page[-1], asked.compared + len(page), told))
        return RoundReport(asked.compared, asked.told)

    async def _compare_all(self, wallet_ids: tuple[str, ...]) -> list[WalletReport]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def compare(wallet_id: str) -> WalletReport:
            async with turn:
                return await self._compare(wallet_id)

        return await asyncio.gather(*(compare(wallet_id) for wallet_id in wallet_ids))

    async def _compare(self, wallet_id: str) -> WalletReport:
        try:
            return await workflow.execute_activity_method(ReconcileWallets.run, wallet_id, summary=wallet_id, **_ONCE)
        except ActivityError as error:
            return WalletReport(wallet_id, "", "", f"not judged: {error.cause}")
