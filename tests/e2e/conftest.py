"""One embedded world for all these tests: every part a real process, blocks several times as fast as on the chains."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from cli.demo_story import Places
from infra.devnet.world import World
from tests.e2e.trader import EvmTrader, SolanaTrader, Trader
from tests.world.collector import Collector, collector

SLOT_MS = 100
FINALIZED_LAG = 8
EVM_BLOCK_S = 0.25

T = TypeVar("T", bound=Trader)


@pytest.fixture(scope="session")
def spans() -> Iterator[Collector]:
    with collector() as receiving:
        yield receiving


@pytest.fixture(scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory, spans: Collector) -> AsyncIterator[World]:
    """The world; its processes reach every upstream through a proxy, and tell their spans."""
    telling = {"TRIPWIRE_OTEL_EXPORTER_OTLP_ENDPOINT": spans.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    state = Path(tmp_path_factory.mktemp("world"))
    world = World(
        state,
        None,
        slot_ms=SLOT_MS,
        finalized_lag=FINALIZED_LAG,
        evm_block_s=EVM_BLOCK_S,
        overrides={"*": telling},
        proxied=True,
    )
    async with world:
        yield world


@pytest.fixture
async def trader(world: World, http: httpx.AsyncClient) -> Trader:
    """A fresh owner with a funded wallet on Solana."""
    return await _funded(SolanaTrader(http, _places(world)))


@pytest.fixture
async def evm_trader(world: World, http: httpx.AsyncClient) -> EvmTrader:
    """A fresh owner with a funded wallet on the EVM chain."""
    return await _funded(EvmTrader(http, _places(world)))


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


async def _funded(trader: T) -> T:
    await trader.set_the_stage()
    await trader.fund()
    return trader


def _places(world: World) -> Places:
    return Places(
        api=world.env["TRIPWIRE_API_URL"],
        admin_key=world.env["TRIPWIRE_ADMIN_KEY"],
        solana=world.url("solana"),
        evm=world.url("evm"),
        kalshi=world.url("kalshi"),
    )
