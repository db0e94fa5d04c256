"""What a TCP proxy does to bytes is what was ordered. A real Postgres behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import asyncpg
import pytest
from asyncpg.exceptions import PostgresConnectionError
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from infra.devnet.ports import LOOPBACK, free_port
from infra.devnet.proxy.modes import (
    Delay,
    Pass,
)
from infra.devnet.proxy.tcp import Blackhole, Refuse, TcpFaultProxy
from tests.world.conditions import until


@pytest.fixture
async def before_postgres(postgres_url: str) -> AsyncIterator[TcpFaultProxy]:
    async with TcpFaultProxy(LOOPBACK, make_url(postgres_url).port or 0) as proxy:
        yield proxy


async def connect(proxy: TcpFaultProxy, timeout: float = 10) -> Any:
    return await cast(Any, asyncpg).connect(
        host=LOOPBACK, port=proxy.port, user="postgres", database="tripwire", timeout=timeout
    )


async def test_bytes_pass_and_are_counted_until_the_connection_is_cut(before_postgres: TcpFaultProxy) -> None:
    connection = await connect(before_postgres)
    assert await connection.fetchval("SELECT repeat('x', 1000000)") == "x" * 1_000_000
    assert before_postgres.bytes_down > 1_000_000
    assert before_postgres.bytes_up > 0
    assert (before_postgres.accepted, before_postgres.open) == (1, 1)
    before_postgres.cut()
    with pytest.raises((OSError, PostgresConnectionError)):
        await connection.fetchval("SELECT 1")
    again = await connect(before_postgres)
    assert await again.fetchval("SELECT 1") == 1
    await again.close()


async def test_refused_connections_are_closed_and_standing_ones_go_on(before_postgres: TcpFaultProxy) -> None:
    standing = await connect(before_postgres)
    before_postgres.mode = Refuse()
    with pytest.raises((OSError, PostgresConnectionError)):
        await connect(before_postgres)
    assert await standing.fetchval("SELECT 1") == 1
    before_postgres.clear()
    await (await connect(before_postgres)).close()
    await standing.close()


async def test_a_connection_that_lost_bytes_is_cut_when_the_hole_closes(before_postgres: TcpFaultProxy) -> None:
    connection = await connect(before_postgres)
    sound = await connect(before_postgres)
    before_postgres.mode = Blackhole()
    lost = asyncio.create_task(connection.fetchval("SELECT 1"))

    async def swallowed() -> bool:
        return bool(before_postgres.swallowed)

    await until(swallowed)
    assert not lost.done()
    before_postgres.mode = Pass()
    with pytest.raises((OSError, PostgresConnectionError)):
        await lost
    assert await sound.fetchval("SELECT 1") == 1
    await sound.close()


async def test_delayed_bytes_arrive_whole(before_postgres: TcpFaultProxy) -> None:
    connection = await connect(before_postgres)
    before_postgres.mode = Delay(0.3)
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.1)
    with suppress(Exception):
        await connection.close(timeout=5)


async def test_a_commit_is_done_though_its_client_never_hears_so(
    before_postgres: TcpFaultProxy, postgres_url: str
) -> None:
    """SQLAlchemy over asyncpg, as the book uses them."""
    through = create_async_engine(make_url(postgres_url).set(port=before_postgres.port))
    direct = create_async_engine(postgres_url)
    try:
        async with direct.begin() as connection:
            await connection.execute(text("CREATE TABLE ambiguous (n int)"))
        armed = before_postgres.drop_after_commit(times=1)
        with pytest.raises(DBAPIError):
            async with through.begin() as connection:
                await connection.execute(text("INSERT INTO ambiguous VALUES (1)"))
        assert armed.hits == 1
        async with through.begin() as connection:
            await connection.execute(text("INSERT INTO ambiguous VALUES (2)"))
        async with direct.begin() as connection:
            assert list(await connection.scalars(text("SELECT n FROM ambiguous ORDER BY n"))) == [1, 2]
            await connection.execute(text("DROP TABLE ambiguous"))
    finally:
        await through.dispose()
        await direct.dispose()


async def test_a_connection_whose_upstream_is_not_there_is_closed() -> None:
    async with TcpFaultProxy(LOOPBACK, free_port()) as proxy:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
