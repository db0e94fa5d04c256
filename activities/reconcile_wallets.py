"""Compares chain and book of a wallet that nobody uses at the moment, and acts on what `domain` makes of it."""

import asyncio
from dataclasses import dataclass

from temporalio import activity

from domain.errors import RaceLost, TripwireError
from domain.reconciliation import Finding
from domain.wallets import Wallet
from infra.alerts import alert
from infra.comparing import Comparison
from infra.db.halts import Halts
from infra.db.ledger import Ledger
from infra.db.standing import Standing
from infra.db.system import System

PAGE = 100

# A node that is behind shows what looks like a loss; two looks so far apart that agree are believed.
LOOK_AGAIN_S = 3


@dataclass(frozen=True, slots=True)
class AssetReport:
    """Decimal strings in whole units, for people."""

    asset: str
    chain: str
    book: str
    difference: str


@dataclass(frozen=True, slots=True)
class WalletReport:
    """`cause` is what its differences are put down to; empty where the wallet could not be judged, for the reason
    in `detail`. `code` is that of the operator's task, if one was raised."""

    wallet_id: str
    cause: str
    code: str
    detail: str
    assets: tuple[AssetReport, ...] = ()

    @property
    def notable(self) -> bool:
        return self.cause != "agrees"


class ReconcileWallets:
    def __init__(
        self, standing: Standing, comparison: Comparison, ledger: Ledger, system: System, halts: Halts
    ) -> None:
        self._standing = standing
        self._comparison = comparison
        self._ledger = ledger
        self._system = system
        self._halts = halts

    @activity.defn(name="wallets_to_compare")
    async def page(self, after: str) -> tuple[str, ...]:
        return await self._standing.page(after, PAGE)

    @activity.defn(name="reconcile_wallet")
    async def run(self, wallet_id: str) -> WalletReport:
        """What was found. A wallet in use, or a chain that does not answer, is left for the next time."""
        wallet = await self._standing.wallet(wallet_id)
        try:
            return await self._judged(wallet)
        except TripwireError as error:
            return WalletReport(wallet_id, "", "", f"not judged, {error.code}: {error}")

    async def _judged(self, wallet: Wallet) -> WalletReport:
        if await self._halts.restored():  # what looks like a gift may be what a lost swap bought
            return WalletReport(wallet.id, "", "", "not judged: the book was restored, use `tripwire recover`")
        epoch = await self._standing.idle(wallet.id)
        if epoch is None:
            return WalletReport(wallet.id, "", "", "not judged: in use")
        finding = await self._comparison.closely(wallet)
        if finding.code:
            await asyncio.sleep(LOOK_AGAIN_S)
            again = await self._comparison.closely(wallet)
            if again != finding:
                raise RaceLost("two looks at the chain did not agree")
        if await self._standing.idle(wallet.id) != epoch:
            return WalletReport(wallet.id, "", "", "not judged: used meanwhile")
        await self._ledger.adopt(wallet, None, epoch, finding.arrived)
        await self._ledger.reverse(wallet, epoch, finding.seen.gone)
        if finding.code:
            alert(finding.code, finding.detail, wallet_id=wallet.id)
            await self._system.freeze(wallet, finding.code, finding.detail)
        return report(wallet.id, finding)


def report(wallet_id: str, finding: Finding) -> WalletReport:
    return WalletReport(
        wallet_id,
        finding.cause.value,
        finding.code,
        finding.detail,
        tuple(AssetReport(line.asset.symbol, *(str(amount) for amount in line.amounts)) for line in finding.seen.lines),
    )
