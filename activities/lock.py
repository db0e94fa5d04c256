"""Step 2: take the wallet, look again under the lock, reserve the money."""

from collections.abc import Mapping

from temporalio import activity

from activities.preflight import PATIENT_TRIES
from activities.results import Locked
from domain import policy
from domain.executions import Execution, Order
from domain.lifecycle import FINAL, ExecutionState
from domain.money import Amount, Asset
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.evaluation import Evaluation
from infra.venues.protocol import Venue


class Lock:
    def __init__(
        self,
        executions: Executions,
        leases: Leases,
        ledger: Ledger,
        venues: Mapping[str, Venue],
        evaluation: Evaluation,
    ) -> None:
        self._executions = executions
        self._leases = leases
        self._ledger = ledger
        self._venues = venues
        self._evaluation = evaluation

    @activity.defn(name="lock")
    async def run(self, order: Order) -> Locked:
        """The lease's fencing token once granted and funded; None while others are first.

        Errors: CHAIN_UNAVAILABLE, QUOTE_UNAVAILABLE, FEED_UNAVAILABLE, RACE_LOST (retried), LEASE_LOST (final).
        """
        execution = await self._executions.load(order.execution_id)
        if execution.status in FINAL:
            return Locked(over=True)
        epoch = await self._leases.acquire(execution)
        if epoch is None or execution.status is not ExecutionState.PREFLIGHT:
            return Locked(epoch)
        venue = self._venues[order.venue]
        assets = tuple({a.id: a for a in (execution.intent.sell.asset, execution.intent.buy, _native(venue))}.values())
        on_chain = await venue.balances(execution.wallet.address, assets)
        await self._ledger.adopt_outside(execution, epoch, on_chain.values())
        patient = activity.info().attempt < PATIENT_TRIES
        verdicts = await self._evaluation.of_execution(execution, patient=patient)
        if codes := policy.blocking(verdicts):
            waiter = await self._leases.refuse(
                execution, ExecutionState.PREFLIGHT, ExecutionState.BLOCKED, codes, verdicts
            )
            return Locked(codes=codes, next_waiter=waiter)
        await self._leases.hold(execution, epoch, _to_hold(execution, venue.fee_reserve()), verdicts)
        return Locked(epoch)


def _native(venue: Venue) -> Asset:
    return venue.fee_reserve().asset


def _to_hold(execution: Execution, reserve: Amount) -> tuple[Amount, ...]:
    """What is sold, and the most that fees and deposits may take: one hold per asset."""
    if execution.intent.sell.asset.id == reserve.asset.id:
        return (execution.intent.sell + reserve,)
    return (execution.intent.sell, reserve)
