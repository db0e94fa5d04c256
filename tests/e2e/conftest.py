"""One embedded world for all these tests: every part a real process, blocks four times as fast as on the chain."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from cli.demo_story import Places
from infra.devnet.world import World
from tests.e2e.trader import Trader
from tests.world.collector import Collector, collector

SLOT_MS = 100
FINALIZED_LAG = 8


@pytest.fixture(scope="session")
def spans() -> Iterator[Collector]:
    with collector() as receiving:
        yield receiving


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory, spans: Collector) -> AsyncIterator[World]:
    """The world; its processes reach every upstream through a proxy, and tell their spans."""
    telling = {"TRIPWIRE_OTEL_EXPORTER_OTLP_ENDPOINT": spans.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    state = Path(tmp_path_factory.mktemp("world"))
    world = World(state, None, slot_ms=SLOT_MS, finalized_lag=FINALIZED_LAG, overrides={"*": telling}, proxied=True)
    async with world:
        yield world


@pytest.fixture
async def trader(world: World) -> AsyncIterator[Trader]:
    """A fresh owner with a funded wallet."""
    places = Places(
        api=world.env["TRIPWIRE_API_URL"],
        admin_key=world.env["TRIPWIRE_ADMIN_KEY"],
        solana=world.url("solana"),
        kalshi=world.url("kalshi"),
    )
    async with httpx.AsyncClient(timeout=30) as http:
        trader = Trader(http, places)
        await trader.set_the_stage()
        await trader.fund()
        yield trader
