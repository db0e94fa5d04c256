"""Temporal's part, played in the foreground: the real `ExecuteRule` runs here, and its steps as they are told."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.results import Ending
from domain.errors import TripwireError
from domain.executions import Order
from workflows.execute_rule import ExecuteRule

# A step that fails so often in a row, without an outage, will not mend.
MOST_TRIES = 8


class Foreground:
    """The few verbs of Temporal's workflow runtime that `ExecuteRule` uses. Another one raises AttributeError.

    `run_step` runs one try of a step: the unbound method that names it, its argument, and the number of the try.
    """

    def __init__(self, run_step: Callable[[Callable[..., Any], Any, int], Awaitable[Any]]) -> None:
        self._run_step = run_step

    async def execute(self, order: Order) -> Ending:
        """One run of the workflow, from its first step."""
        runtime = cast(Any, workflow)._Runtime
        loop = asyncio.get_running_loop()
        runtime.set_on_loop(loop, self)
        try:
            return await ExecuteRule().run(order)
        finally:
            runtime.set_on_loop(loop, None)

    async def workflow_start_activity(self, activity: Callable[..., Any], *args: Any, **options: Any) -> Any:
        name = activity.__qualname__.split(".")[0].lower()
        [argument] = args
        last: Exception | None = None
        for attempt in range(1, MOST_TRIES + 1):
            try:
                return await self._run_step(activity, argument, attempt)
            except TripwireError as error:
                if not error.retryable:
                    raise _failed(name) from ApplicationError(str(error), type=error.code, non_retryable=True)
                last = error
            await asyncio.sleep(0.01 * 2**attempt)
        raise AssertionError(f"{name} failed {MOST_TRIES} times in a row") from last

    def workflow_time_ns(self) -> int:
        return time.time_ns()

    def workflow_upsert_search_attributes(self, attributes: Any, **options: Any) -> None:
        """Nobody searches here."""

    def workflow_set_current_details(self, details: str) -> None:
        """Nobody looks here."""


def _failed(step: str) -> ActivityError:
    return ActivityError(
        f"{step} failed for good",
        scheduled_event_id=1,
        started_event_id=1,
        identity="",
        activity_type=step,
        activity_id=step,
        retry_state=None,
    )
