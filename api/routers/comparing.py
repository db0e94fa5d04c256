"""For operators: chain against book, as a round on demand and after a restore."""

import asyncio
from datetime import timedelta

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from temporalio.common import WorkflowIDConflictPolicy

from activities.reconcile_wallets import WalletReport, report
from api.assembly import At
from api.auth import Admin
from api.inputs import Input, Reason
from api.problems import EngineUnavailable, problems
from domain.errors import ChainUnavailable, IllegalTransition, NotFound, SettlementUnreadable
from infra.temporal.queues import EXECUTIONS
from workflows.reconcile_wallets import ReconcileWalletsWorkflow, Round

router = APIRouter(prefix="/admin", tags=["operators"])

# A person waits: a hundred wallets take seconds. What takes longer goes on, and raises its tasks all the same.
ANSWER_WITHIN_S = 35

ROUND_TIMEOUT = timedelta(minutes=30)


class Which(Input):
    """One wallet, or everybody's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"wallet_id": "wal_..."}]})

    wallet_id: str | None = None


class Restored(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "last night's backup, after the disk died"}]})

    reason: Reason


class RestoredAnswer(BaseModel):
    """`new` is false where everything was halted for a restore already."""

    new: bool


class Recover(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "restored last night's backup"}]})

    reason: Reason
    dry_run: bool = False


class AssetAnswer(BaseModel):
    """Decimal strings in whole units; `difference` is what the chain has more than the book."""

    asset: str
    chain: str
    book: str
    difference: str


class WalletAnswer(BaseModel):
    """`attributed_to` is what the differences are put down to, empty where the wallet could not be judged, for the
    reason in `detail`. `code` is that of the operator's task, and then the wallet is frozen."""

    wallet_id: str
    attributed_to: str
    code: str
    detail: str
    assets: list[AssetAnswer]


class RoundAnswer(BaseModel):
    """`wallets` holds those that do not plainly agree, and the one that was asked for."""

    compared: int
    wallets: list[WalletAnswer]


class RecoverAnswer(BaseModel):
    """`recovered`: the halt is lifted. `frozen` wallets stay behind, each with its task."""

    recovered: bool
    compared: int
    frozen: int
    wallets: list[WalletAnswer]


@router.post("/reconcile", responses=problems(NotFound, EngineUnavailable))
async def reconcile(body: Which, _caller: Admin, at: At) -> RoundAnswer:
    """Compare chain and book now, as every five minutes. Wallets in use are left out."""
    if body.wallet_id is not None:
        await at.standing.wallet(body.wallet_id)
    handle = await at.temporal.start_workflow(
        ReconcileWalletsWorkflow.run,
        Round(body.wallet_id),
        id=f"reconcile/{body.wallet_id or 'all'}",
        task_queue=EXECUTIONS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,  # whoever asks meanwhile hears the same
        execution_timeout=ROUND_TIMEOUT,
        rpc_timeout=timedelta(seconds=10),
    )
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            found = await handle.result()
    except TimeoutError as error:
        raise EngineUnavailable("the comparison goes on without you: ask again, or see the open tasks") from error
    return RoundAnswer(compared=found.compared, wallets=[_told(one) for one in found.told])


@router.post("/restored", responses=problems())
async def declare_restored(body: Restored, caller: Admin, at: At) -> RestoredAnswer:
    """Say that the database was put back to an older state: everything halts until a recovery."""
    return RestoredAnswer(new=await at.halts.halt_restored(f"{body.reason} (said by {caller.key_id})"))


@router.post("/recover", responses=problems(IllegalTransition, ChainUnavailable, SettlementUnreadable))
async def recover(body: Recover, caller: Admin, at: At) -> RecoverAnswer:
    """After a restore: compare every wallet, freeze those that the book is behind of, let the others go on.

    A dry run only compares. Otherwise this is refused until what was sent before the restore can no longer land.
    """
    found = await (at.recovery.compare() if body.dry_run else at.recovery.recover(body.reason, caller.key_id))
    behind = [one for one in found if one.finding.code]
    return RecoverAnswer(
        recovered=not body.dry_run,
        compared=len(found),
        frozen=len(behind),
        wallets=[_told(report(one.wallet.id, one.finding)) for one in behind],
    )


def _told(one: WalletReport) -> WalletAnswer:
    return WalletAnswer(
        wallet_id=one.wallet_id,
        attributed_to=one.cause,
        code=one.code,
        detail=one.detail,
        assets=[
            AssetAnswer(asset=line.asset, chain=line.chain, book=line.book, difference=line.difference)
            for line in one.assets
        ],
    )
