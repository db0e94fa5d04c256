"""A database of its own, which a test copies away and puts back as an operator would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from infra.db.book import Book
from infra.db.migrate import migrate


@dataclass
class Restorable:
    book: Book
    name: str
    server: str

    async def back_up(self) -> None:
        """Copy the database as it is. Nobody may be at work."""
        await self.book.engine.dispose()
        await self._run(
            f"DROP DATABASE IF EXISTS {self.name}_kept", f"CREATE DATABASE {self.name}_kept TEMPLATE {self.name}"
        )

    async def restore(self) -> None:
        """Put the copy in the database's place. Nobody may be at work."""
        await self.book.engine.dispose()
        await self._run(
            f"DROP DATABASE {self.name} WITH (FORCE)", f"ALTER DATABASE {self.name}_kept RENAME TO {self.name}"
        )

    async def _run(self, *statements: str) -> None:
        engine = create_async_engine(self.server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()


@asynccontextmanager
async def restorable_book(server: str, name: str) -> AsyncIterator[Restorable]:
    """A book at its newest revision in a new database `name` beside the one of `server`."""
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    fresh = Restorable(Book.open(url), name, server)
    await fresh._run(f"CREATE DATABASE {name}")
    await migrate(url)
    try:
        yield fresh
    finally:
        await fresh.book.close()
        await fresh._run(f"DROP DATABASE {name} WITH (FORCE)", f"DROP DATABASE IF EXISTS {name}_kept WITH (FORCE)")
