"""Step 1: may this execution start at all? Every verdict is evaluated and kept, not only the first that blocks."""

from temporalio import activity

from activities.results import Passed
from domain import policy
from domain.executions import Order
from domain.lifecycle import FINAL, UNSIGNED, ExecutionState
from infra.db.executions import Executions
from infra.evaluation import Evaluation

# Six tries with the step's backoff are a quarter of a minute: a source silent for longer blocks with its code.
PATIENT_TRIES = 6


class Preflight:
    def __init__(self, executions: Executions, evaluation: Evaluation) -> None:
        self._executions = executions
        self._evaluation = evaluation

    @activity.defn(name="preflight")
    async def run(self, order: Order) -> Passed:
        """Judge and record; the recorded answer if this was done before.

        Errors: FEED_UNAVAILABLE, QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE, BOOK_RESTORED, RACE_LOST (retried).
        """
        execution = await self._executions.load_to_act(order.execution_id)
        if execution.status in FINAL:
            return Passed(False, execution.codes, over=True)
        if execution.status is not ExecutionState.PENDING:
            return Passed(True, may_be_out=execution.status not in UNSIGNED)
        patient = activity.info().attempt < PATIENT_TRIES
        verdicts = await self._evaluation.of_execution(execution, patient=patient)
        codes = policy.blocking(verdicts)
        if codes:
            await self._executions.block_at_preflight(execution, verdicts, codes)
        else:
            await self._executions.pass_preflight(execution, verdicts)
        return Passed(not codes, codes)
