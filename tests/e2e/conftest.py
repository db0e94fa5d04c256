"""One embedded world for all these tests: every part a real process, blocks four times as fast as on the chain."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from cli.demo_story import Places
from infra.devnet.world import World
from tests.e2e.trader import Trader
from tests.world.collector import Collector, collector
from tests.world.proxy import RpcProxy, rpc_proxy

SLOT_MS = 100
FINALIZED_LAG = 8


class Tap:
    """What a test wants done when the executor's node has answered a call; nothing until a test says so."""

    def __init__(self) -> None:
        self.after: Callable[[str], None] = _nothing
        self.proxy: RpcProxy | None = None

    def __call__(self, method: str) -> None:
        self.after(method)


def _nothing(_method: str) -> None:
    return


@pytest.fixture(scope="session")
def tap() -> Tap:
    return Tap()


@pytest.fixture(scope="session")
def spans() -> Iterator[Collector]:
    with collector() as receiving:
        yield receiving


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory, tap: Tap, spans: Collector) -> AsyncIterator[World]:
    """The world; its executor speaks to the node through the tap, and every process tells its spans."""
    state = Path(tmp_path_factory.mktemp("world"))
    world = World(state, None, slot_ms=SLOT_MS, finalized_lag=FINALIZED_LAG)
    with rpc_proxy(world.url("solana"), tap) as proxy:
        tap.proxy = proxy
        world.overrides["*"] = {"TRIPWIRE_OTEL_EXPORTER_OTLP_ENDPOINT": spans.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        world.overrides["executor"] = {"TRIPWIRE_SOLANA_RPC_URLS": proxy.url}
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
