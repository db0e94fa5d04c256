"""Is a dependency there, and how fast does it answer? Asked now, by a call that changes nothing."""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from api.assembly import Probe, Tools
from api.quoting import NOBODY
from domain.errors import MarketUnknown, TripwireError
from infra.feeds.protocol import Feed
from infra.venues.protocol import Venue

ANSWER_WITHIN_S = 4.0

# No market has this name; that a source says so proves that it answers.
NO_MARKET = "TRIPWIRE-PROBE"


class DependencyAnswer(BaseModel):
    name: str
    up: bool
    latency_ms: int
    detail: str


def vital(at: Tools) -> dict[str, Probe]:
    """Without these the API can answer nothing."""

    async def database() -> None:
        async with at.book.begin() as tx:
            await tx.one("SELECT 1")

    async def temporal() -> None:
        await at.temporal.service_client.check_health(timeout=timedelta(seconds=ANSWER_WITHIN_S))

    return {"postgres": database, "temporal": temporal}


def all_of(at: Tools) -> dict[str, Probe]:
    probes = vital(at)
    for name, venue in at.venues.items():
        probes[f"{name}: chain"] = _reachable(at, name, venue)
    for name, probe in at.quote_probes.items():
        probes[f"{name}: quotes"] = probe
    for name, feed in at.feeds.items():
        probes[f"{name}: feed"] = _reached(feed)
    return probes


async def ask(probes: Mapping[str, Probe]) -> list[DependencyAnswer]:
    """All at once, each with its deadline."""
    return list(await asyncio.gather(*(_asked(name, probe) for name, probe in probes.items())))


def _reachable(at: Tools, name: str, venue: Venue) -> Probe:
    async def probe() -> None:
        await venue.balances(NOBODY[at.settings.chains[name].family], (venue.fee_reserve().asset,))

    return probe


def _reached(feed: Feed) -> Probe:
    async def probe() -> None:
        try:
            await feed.snapshot(NO_MARKET)
        except MarketUnknown:
            return

    return probe


async def _asked(name: str, probe: Probe) -> DependencyAnswer:
    began, detail = time.monotonic(), ""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await probe()
    except TimeoutError:
        detail = f"no answer within {ANSWER_WITHIN_S:g} s"
    except TripwireError as error:
        detail = str(error)
    except (SQLAlchemyError, RPCError, OSError, RuntimeError) as error:
        detail = type(error).__name__  # its text may hold an address with a password
    return DependencyAnswer(
        name=name, up=not detail, latency_ms=round((time.monotonic() - began) * 1000), detail=detail
    )
