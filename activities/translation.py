"""Turns the product's named failures into Temporal's, for every step, and counts and times them."""

import time
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from domain.errors import TripwireError
from infra import telemetry

log = structlog.get_logger(__name__)


class Translation(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Translated(next)


class _Translated(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        step = activity.info().activity_type
        began = time.monotonic()
        try:
            return await super().execute_activity(input)
        except TripwireError as error:
            log.warning("step failed", code=error.code, retryable=error.retryable, reason=str(error))
            telemetry.STEP_FAILURES.labels(step, error.code).inc()
            # The cause is left behind: a library's own text may hold what it was asked.
            raise ApplicationError(str(error), type=error.code, non_retryable=not error.retryable) from None
        except Exception as error:
            telemetry.STEP_FAILURES.labels(step, type(error).__name__).inc()
            log.exception("step broke")
            raise ApplicationError(f"{type(error).__name__} in {step}", type="UNEXPECTED") from None
        finally:
            telemetry.STEPS.labels(step).observe(time.monotonic() - began)
