"""Asking a running workflow to stop. Only it knows whether something may be on its way already."""

from datetime import timedelta

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.problems import EngineUnavailable, TooLateToCancel

# An executor answers within milliseconds; past this none is running, and the caller should know.
ANSWER_WITHIN = timedelta(seconds=10)


async def cancel_workflow(temporal: Client, workflow_id: str) -> str:
    """The workflow's answer to `cancel`. Errors: TOO_LATE_TO_CANCEL (final), ENGINE_UNAVAILABLE (retried)."""
    handle: WorkflowHandle[object, object] = temporal.get_workflow_handle(workflow_id)
    try:
        answer: object = await handle.execute_update("cancel", rpc_timeout=ANSWER_WITHIN)
    except WorkflowUpdateFailedError as refusal:
        cause = refusal.cause
        raise TooLateToCancel(cause.message if isinstance(cause, ApplicationError) else str(cause)) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise EngineUnavailable("no executor answered in time; the execution goes on: ask again") from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # not started yet, or over since the book was read
            raise EngineUnavailable("no workflow is running for it at this moment: ask again") from None
        raise
    return str(answer)
