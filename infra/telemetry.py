"""Logs, traces and metrics, one set-up for every process."""

import logging
import os
import re
import socket
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Histogram, start_http_server
from temporalio import activity, workflow

from infra.config import Settings

REDACTED = "[redacted]"

OUR_LOGGERS = ("activities", "api", "domain", "infra", "workers", "workflows")

# Names under which a secret could reach a log line by mistake.
_SECRET_NAME = re.compile(
    r"authorization|api[-_]?key|secret|private|password|seed|plaintext|signature$|cookie|token$", re.IGNORECASE
)
# Our own API keys, bearer headers and PEM blocks, wherever they stand in a text.
_SECRET_TEXT = re.compile(
    r"twk_[A-Za-z0-9_\-]+|(?<=Bearer )\S+|(?<=api-key=)[^&\s]+|-----BEGIN[^-]*PRIVATE KEY-----.*?-----END[^-]*-----",
    re.DOTALL,
)

STEPS = Histogram(
    "tripwire_step_seconds",
    "How long a step of an execution took",
    ["step"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
STEP_FAILURES = Counter("tripwire_step_failures_total", "Steps that ended in an error, by code", ["step", "code"])
OBSERVATIONS = Counter("tripwire_observations_total", "Observations by source and what they said", ["source", "answer"])
TRIGGERS = Counter("tripwire_triggers_total", "Triggers recorded", ["source"])


def redact(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: nothing that looks secret is written, by its name or by its shape."""
    return {key: REDACTED if _SECRET_NAME.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return _SECRET_TEXT.sub(REDACTED, value)
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case Mapping():
            return {k: REDACTED if _SECRET_NAME.search(str(k)) else _clean(v) for k, v in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case BaseException():
            return _SECRET_TEXT.sub(REDACTED, f"{type(value).__name__}: {value}")
        case _:
            return value


def _where(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Join a line to its trace, and to the execution that it is about."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"], event["span_id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    if activity.in_activity():
        info = activity.info()
        event["workflow_id"], event["step"], event["try"] = info.workflow_id, info.activity_type, info.attempt
    elif workflow.in_workflow():
        event["workflow_id"] = workflow.info().workflow_id
    return event


def set_up(process: str, settings: Settings) -> None:
    """Switch on JSON logs and traces for this process. Call once, first."""
    set_up_logs(process, settings.log_level)
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"tripwire-{process}", "host.name": socket.gethostname()})
    )
    if settings.otel_exporter_otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=f"{settings.otel_exporter_otlp_endpoint}/v1/traces", timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()


def serve_metrics(settings: Settings) -> None:
    """`/metrics` on its own port; port 0 switches it off."""
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.metrics_host)


def process_name(kind: str) -> str:
    return f"{kind}-{socket.gethostname()}-{os.getpid()}"


def carry_trace() -> dict[str, str]:
    """The current trace as plain text, to be stored with a trigger and taken up by its workflow."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def set_up_logs(process: str, level: str) -> None:
    """JSON lines on standard error, redacted, from our own code and every library."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where,
        structlog.processors.format_exc_info,
        redact,
    ]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # Only our own code may say more: libraries tell whole answers at DEBUG, the key service's plain keys among them.
    for ours in OUR_LOGGERS:
        logging.getLogger(ours).setLevel(level)
    # These tell every request; the traces do so already, with their duration.
    for noisy in ("httpx", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
