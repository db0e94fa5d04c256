"""What Temporal knows of an execution's workflow."""

from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from domain import identity
from domain.executions import Order
from domain.recovery import Run, RunState

# A question that Temporal answers in milliseconds; one that hangs must not hold up the others of its sweep.
ASK_WITHIN = timedelta(seconds=3)

_STATES: dict[WorkflowExecutionStatus, RunState] = {
    WorkflowExecutionStatus.RUNNING: RunState.RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: RunState.RUNNING,
    WorkflowExecutionStatus.COMPLETED: RunState.COMPLETED,
    WorkflowExecutionStatus.FAILED: RunState.FAILED,
    WorkflowExecutionStatus.CANCELED: RunState.STOPPED,
    WorkflowExecutionStatus.TERMINATED: RunState.STOPPED,
    WorkflowExecutionStatus.TIMED_OUT: RunState.STOPPED,
}


class Runs:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def latest(self, order: Order) -> Run:
        """The latest run under the execution's id. Errors: RPCError, where Temporal does not answer."""
        handle = self._client.get_workflow_handle(identity.workflow_id(order.trigger_id))
        try:
            found = await handle.describe(rpc_timeout=ASK_WITHIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return Run(RunState.ABSENT)
        # A state that this code does not know is left alone, as one that runs.
        state = _STATES.get(found.status, RunState.RUNNING) if found.status else RunState.RUNNING
        return Run(state, found.close_time)
