"""What the API says, and does not lose, while Postgres or Temporal is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
from temporalio.client import Client

from api.app import create_app
from api.assembly import Tools, assemble
from infra.config import Settings
from infra.db.book import Book
from infra.devnet.ports import free_port
from tests.integration.api.conftest import Member, World


@contextlib.asynccontextmanager
async def served(tools: Tools) -> AsyncIterator[httpx.AsyncClient]:
    @contextlib.asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[Tools]:
        yield tools

    app = create_app(tools.settings, opened)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        yield http


@contextlib.asynccontextmanager
async def road_to(address: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An address that leads to another one until the event is set; from then on nobody is there."""
    closed = asyncio.Event()
    host, _, port = address.rpartition(":")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()

    async def accept(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        carrying = [
            asyncio.create_task(carry(near_reader, far_writer)),
            asyncio.create_task(carry(far_reader, near_writer)),
        ]
        await closed.wait()
        for task in carrying:
            task.cancel()
        for writer in (near_writer, far_writer):
            writer.transport.abort()

    road = await asyncio.start_server(accept, "127.0.0.1", 0)
    closing = asyncio.create_task(_close_after(road, closed))
    try:
        yield f"127.0.0.1:{road.sockets[0].getsockname()[1]}", closed
    finally:
        closed.set()
        await closing


async def _close_after(road: asyncio.Server, closed: asyncio.Event) -> None:
    await closed.wait()
    road.close()


async def test_without_postgres_it_is_alive_and_says_that_it_is_not_ready(world: World, alice: Member) -> None:
    at = world.tools
    book = Book.open(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/nothing")
    async with served(assemble(at.settings, book, at.temporal, at.feeds, at.venues)) as http:
        assert (await http.get("/health")).status_code == 200
        ready = await http.get("/ready")
        refused = await http.get("/rules", headers={"Authorization": f"Bearer {alice.key}"})
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert "nobody" not in ready.text + refused.text
    await book.close()


async def test_what_was_fired_while_temporal_is_away_is_left_to_the_sweep(world: World, alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    at = world.tools
    headers = {"Authorization": f"Bearer {alice.key}", "Idempotency-Key": "k"}
    async with road_to(at.settings.temporal_address) as (address, closed):
        away = await Client.connect(address, data_converter=at.temporal.data_converter)
        async with served(assemble(at.settings, at.book, away, at.feeds, at.venues)) as http:
            assert (await http.get("/ready")).status_code == 200
            closed.set()
            fired = await http.post(f"/rules/{rule_id}/trigger", headers=headers)
            assert fired.status_code == 202, fired.text
            execution_id = fired.json()["execution_id"]
            cancelled = await http.post(f"/executions/{execution_id}/cancel", headers=headers)
            ready = await http.get("/ready")
    assert (cancelled.status_code, cancelled.json()["code"]) == (503, "ENGINE_UNAVAILABLE")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    waiting = [unstarted.order.execution_id for unstarted in await at.triggers.unstarted(0, 100)]
    assert execution_id in waiting
