"""Step 6: read what really moved, book it, compare with the chain, free what was held."""

from collections.abc import Mapping

from temporalio import activity

from activities.results import Ending, EndRequest
from domain import ledger
from domain.attempts import AttemptState, Fate
from domain.executions import Execution
from domain.ledger import Settlement
from domain.lifecycle import FINAL, ExecutionState
from infra.db.attempts import Attempts
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.db.ledger import Ledger, Settled
from infra.venues.protocol import Venue


class Reconcile:
    def __init__(
        self,
        executions: Executions,
        attempts: Attempts,
        leases: Leases,
        book: Ledger,
        venues: Mapping[str, Venue],
    ) -> None:
        self._executions = executions
        self._attempts = attempts
        self._leases = leases
        self._ledger = book
        self._venues = venues

    @activity.defn(name="reconcile")
    async def run(self, request: EndRequest) -> Ending:
        """End the execution as its attempts ended; the recorded ending if it is over already.

        Errors: SETTLEMENT_UNREADABLE, CHAIN_UNAVAILABLE, BOOK_RESTORED, RACE_LOST (retried); INTEGRITY_BROKEN
        (final), where what moved cannot be explained.
        """
        execution = await self._executions.load_to_act(request.order.execution_id)
        if execution.status in FINAL:
            return Ending(execution.status.value, execution.codes)
        attempts = [a for a in await self._attempts.of_execution(execution.id) if a.state is AttemptState.SIGNED]
        if not attempts:
            after = ExecutionState.CANCELLED if request.cancelled else ExecutionState.BLOCKED
            waiter = await self._leases.refuse(execution, execution.status, after, request.codes)
            return Ending(after.value, request.codes, waiter)
        if any(a.open for a in attempts):
            return Ending(execution.status.value, still_open=True)
        venue = self._venues[execution.order.venue]
        landed = [a for a in attempts if a.fate is Fate.LANDED]
        legs = venue.legs(execution.intent)
        settled = [Settled(a, await venue.settle(a.sent, legs[a.leg_no - 1])) for a in landed]
        done = any(a.succeeded and a.leg_no == len(legs) for a in landed)
        after = ExecutionState.SETTLED if done else ExecutionState.FAILED
        codes = () if after is ExecutionState.SETTLED else request.codes or ("ATTEMPTS_EXHAUSTED",)
        differences = await self._differences(execution, venue, [s.settlement for s in settled])
        waiter = await self._ledger.close(execution, after, settled, differences, codes)
        return Ending(after.value, codes, waiter)

    async def _differences(self, execution: Execution, venue: Venue, settlements: list[Settlement]) -> dict[str, str]:
        """Base units by which the chain holds more than the book will, per asset: nothing, unless strangers moved."""
        assets = {a.id: a for a in (execution.intent.sell.asset, execution.intent.buy, venue.fee_reserve().asset)}
        on_chain = await venue.balances(execution.wallet.address, tuple(assets.values()))
        booked = await self._ledger.balances(execution.wallet.id)
        account = ledger.wallet_account(execution.wallet.id)
        for settlement in settlements:
            posted = ledger.entries(settlement, execution.wallet.id, execution.order.venue)
            for (who, asset), base in ledger.totals(posted).items():
                if who == account:
                    booked[asset] = booked.get(asset, 0) + base
        gaps = {asset: amount.base - booked.get(asset, 0) for asset, amount in on_chain.items()}
        return {asset: str(gap) for asset, gap in gaps.items() if gap}
