"""The sign of life that every process of ours writes into the book."""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError

from infra import telemetry
from infra.db.system import System

log = structlog.get_logger(__name__)

BEAT_EVERY_S = 5

# Two beats may be lost to a busy machine or a restarting database; past the third the process is gone.
DEAD_AFTER_S = 3 * BEAT_EVERY_S


async def beat_forever(system: System, kind: str) -> None:
    """Beat until cancelled. A beat that cannot be written is logged and left out: the next one may be."""
    while True:
        try:
            await system.beat(telemetry.process_name(kind), kind)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("heartbeat not written", reason=type(error).__name__)
        await asyncio.sleep(BEAT_EVERY_S)
