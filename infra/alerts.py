"""Calls a person. Apart from the rest of telemetry, so that workflows load no tool with the steps that alert."""

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

ALERTS = Counter("tripwire_alerts_total", "What a person has to look at now, by its code", ["code"])


def alert(code: str, sentence: str, **names: str) -> None:
    """An error in the log, and a number that an alarm watches. The task itself is in the book."""
    ALERTS.labels(code).inc()
    log.error("a person is needed", code=code, reason=sentence, **names)
