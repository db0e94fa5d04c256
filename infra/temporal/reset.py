"""Running a workflow again from its first step, whatever became of it. The steps answer from the book."""

from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

RPC_TIMEOUT = timedelta(seconds=10)


async def reset(client: Client, workflow_id: str, reason: str, request_id: str) -> str | None:
    """Reset the newest run to its first task; the new run's id, or None where there is no history to reset.

    Also None for a run of which no worker has taken the first task: it begins at the first step by itself.
    `request_id` names the request to the server; a second one would reset again, and pay as little.
    """
    handle: WorkflowHandle[object, object] = client.get_workflow_handle(workflow_id)
    try:
        run_id = (await handle.describe(rpc_timeout=RPC_TIMEOUT)).run_id
        first_task = await _first_task(client.get_workflow_handle(workflow_id, run_id=run_id))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    if first_task is None:
        return None
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason=reason,
            workflow_task_finish_event_id=first_task,
            request_id=request_id,
        ),
        timeout=RPC_TIMEOUT,
    )
    return answer.run_id


async def _first_task(handle: WorkflowHandle[object, object]) -> int | None:
    """The event that ended the first workflow task."""
    async for event in handle.fetch_history_events(page_size=20, rpc_timeout=RPC_TIMEOUT):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return event.event_id
    return None
