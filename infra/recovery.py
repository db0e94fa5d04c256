"""After a restore: every wallet is compared with the chain, and only then does anything move again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from domain.reconciliation import Finding
from domain.wallets import Wallet
from infra.alerts import alert
from infra.comparing import Comparison
from infra.db.halts import Halts
from infra.db.standing import Standing
from infra.db.system import System

PAGE = 100
AT_ONCE = 8  # each asks a node a handful of questions


@dataclass(frozen=True, slots=True)
class Compared:
    wallet: Wallet
    finding: Finding


class Recovery:
    def __init__(self, halts: Halts, standing: Standing, comparison: Comparison, system: System) -> None:
        self._halts = halts
        self._standing = standing
        self._comparison = comparison
        self._system = system

    async def compare(self) -> list[Compared]:
        """Every wallet, as it stands; nothing is changed.

        Errors: CHAIN_UNAVAILABLE, SETTLEMENT_UNREADABLE (retried).
        """
        turn, found, after = asyncio.Semaphore(AT_ONCE), list[Compared](), ""

        async def compared(wallet_id: str) -> Compared:
            async with turn:
                wallet = await self._standing.wallet(wallet_id)
                return Compared(wallet, await self._comparison.after_restore(wallet))

        while page := await self._standing.page(after, PAGE):
            found += await asyncio.gather(*(compared(wallet_id) for wallet_id in page))
            after = page[-1]
        return found

    async def recover(self, reason: str, by: str) -> Sequence[Compared]:
        """Freeze each wallet that does not agree with the chain, then let everything else go on.

        One wallet that cannot be compared, and the halt stays: again is the same, from the start.
        Errors: ILLEGAL_TRANSITION (final), CHAIN_UNAVAILABLE, SETTLEMENT_UNREADABLE (retried).
        """
        await self._halts.may_recover()
        found = await self.compare()
        behind = [one for one in found if one.finding.code]
        for one in behind:
            alert(one.finding.code, one.finding.detail, wallet_id=one.wallet.id)
            await self._system.freeze(one.wallet, one.finding.code, one.finding.detail)
        await self._halts.recover(reason, by, len(behind))
        return found
