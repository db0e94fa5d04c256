"""Step 2: take the wallet, look again under the lock, reserve the money."""

from collections.abc import Mapping

from temporalio import activity

from activities.preflight import PATIENT_TRIES
from activities.results import Locked
from domain import policy
from domain.errors import ChainUnavailable
from domain.executions import Execution, Order
from domain.lifecycle import FINAL, ExecutionState
from domain.money import Amount
from infra.alerts import alert
from infra.comparing import Comparison
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.system import System
from infra.evaluation import Evaluation
from infra.venues.protocol import Venue


class Lock:
    def __init__(
        self,
        executions: Executions,
        leases: Leases,
        ledger: Ledger,
        system: System,
        comparison: Comparison,
        venues: Mapping[str, Venue],
        evaluation: Evaluation,
    ) -> None:
        self._executions = executions
        self._leases = leases
        self._ledger = ledger
        self._system = system
        self._comparison = comparison
        self._venues = venues
        self._evaluation = evaluation

    @activity.defn(name="lock")
    async def run(self, order: Order) -> Locked:
        """The lease's fencing token once granted and funded; None while others are first.

        Errors: CHAIN_UNAVAILABLE, SETTLEMENT_UNREADABLE, QUOTE_UNAVAILABLE, FEED_UNAVAILABLE, BOOK_RESTORED,
        RACE_LOST (retried), LEASE_LOST (final).
        """
        execution = await self._executions.load_to_act(order.execution_id)
        if execution.status in FINAL:
            return Locked(over=True)
        epoch = await self._leases.acquire(execution)
        if epoch is None or execution.status not in (ExecutionState.PREFLIGHT, ExecutionState.LOCKED):
            return Locked(epoch)
        patient = activity.info().attempt < PATIENT_TRIES
        if code := await self._unexplained(execution, epoch, patient=patient):
            waiter = await self._leases.refuse(execution, execution.status, ExecutionState.BLOCKED, (code,))
            return Locked(codes=(code,), next_waiter=waiter)
        if execution.status is ExecutionState.LOCKED:  # a later run, and nothing is signed yet
            return Locked(epoch)
        verdicts = await self._evaluation.of_execution(execution, patient=patient)
        if codes := policy.blocking(verdicts):
            waiter = await self._leases.refuse(
                execution, ExecutionState.PREFLIGHT, ExecutionState.BLOCKED, codes, verdicts
            )
            return Locked(codes=codes, next_waiter=waiter)
        reserve = self._venues[execution.order.venue].fee_reserve()
        await self._leases.hold(execution, epoch, _to_hold(execution, reserve), verdicts)
        return Locked(epoch)

    async def _unexplained(self, execution: Execution, epoch: int, *, patient: bool) -> str:
        """Book what arrived since the wallet was last used; the code of what cannot be explained, or nothing.

        `patient`: a node that is behind shows what looks like it, so it is asked again first.
        """
        finding = await self._comparison.at_a_glance(execution.wallet)
        if not finding.code:
            await self._ledger.adopt(execution.wallet, execution.id, epoch, finding.arrived)
        elif patient:
            raise ChainUnavailable(f"chain and book differ, and are compared again: {finding.detail}")
        else:
            alert(finding.code, finding.detail, wallet_id=execution.wallet.id)
            await self._system.freeze(execution.wallet, finding.code, finding.detail)
        return finding.code


def _to_hold(execution: Execution, reserve: Amount) -> tuple[Amount, ...]:
    """What is sold, and the most that fees and deposits may take: one hold per asset."""
    if execution.intent.sell.asset.id == reserve.asset.id:
        return (execution.intent.sell + reserve,)
    return (execution.intent.sell, reserve)
