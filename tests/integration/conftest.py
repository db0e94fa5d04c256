"""The real parts that these tests share: one Postgres and one Temporal for the whole run."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from infra.db.book import Book
from infra.db.migrate import migrate
from infra.devnet.temporal import TemporalDev
from tests.world.anvil import Anvil, anvil
from tests.world.postgres import postgres_server
from tests.world.temporal import temporal_server


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
async def book(postgres_url: str) -> AsyncIterator[Book]:
    """The book at its newest revision."""
    await migrate(postgres_url)
    book = Book.open(postgres_url)
    yield book
    await book.close()


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalDev]:
    with temporal_server(Path(tmp_path_factory.mktemp("temporal"))) as server:
        yield server


@pytest.fixture(scope="session")
async def client(temporal: TemporalDev) -> Client:
    return await Client.connect(temporal.address, data_converter=pydantic_data_converter)


@pytest.fixture(scope="session")
async def anvil_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Anvil]:
    """One EVM node with contracts and liquidity. Tests that change it want `evm`."""
    async with anvil(tmp_path_factory.mktemp("anvil")) as node:
        yield node


@pytest.fixture
async def evm(anvil_node: Anvil) -> AsyncIterator[Anvil]:
    """The EVM chain as it was deployed: what a test does to it is undone."""
    before = await anvil_node.snapshot()
    yield anvil_node
    await anvil_node.revert(before)
