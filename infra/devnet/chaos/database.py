"""Straight to the book, past its proxy and past the product: for watching, and for judging."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """An asyncpg connection, which carries no types."""
    connection = await asyncpg.connect(url)  # type: ignore[no-untyped-call]
    try:
        yield connection
    finally:
        await connection.close()


async def rows(url: str, sql: str, *values: object) -> list[dict[str, Any]]:
    async with connected(url) as connection:
        return [dict(row) for row in await connection.fetch(sql, *values)]
