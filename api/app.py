"""The HTTP API, wired: `create_app(settings)` is what a server serves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from api import problems
from api.assembly import Tools, assemble
from api.bodies import StrictBodies
from api.routers import (
    admin,
    api_keys,
    comparing,
    docs,
    executions,
    owners,
    resets,
    rule_actions,
    rules,
    system,
    tasks,
    wallets,
)
from infra.config import Settings
from infra.db.book import Book
from infra.db.heartbeat import beat_forever
from infra.parts import open_feeds, open_venues
from infra.temporal.client import connect

DESCRIPTION = """
Turns rules into settled money, exactly once. Amounts are decimal strings in whole units of the asset
(`"50.25"`), times RFC 3339 UTC, lists are paged by cursor, and every refusal is RFC 9457 problem+json with a
stable `code`.
"""

World = Callable[[Settings], AbstractAsyncContextManager[Tools]]


@contextlib.asynccontextmanager
async def open_world(settings: Settings) -> AsyncIterator[Tools]:
    """The real book, Temporal, feeds and venues. Errors: RuntimeError where Temporal does not answer."""
    async with open_venues(settings) as venues, open_feeds(settings) as feeds:
        temporal = await connect(settings)
        book = Book.open(settings.database_url)
        try:
            yield assemble(settings, book, temporal, feeds, venues)
        finally:
            await book.close()


def create_app(settings: Settings, world: World = open_world) -> FastAPI:
    """The app; `world` is opened when it starts and closed when it stops."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with world(settings) as tools:
            app.state.tools = tools
            beating = asyncio.create_task(beat_forever(tools.system, "api"))
            try:
                yield
            finally:
                beating.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await beating

    app = FastAPI(
        title="TripWire",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's own pages fetch their programs from the internet
        redoc_url=None,
    )
    problems.install(app)
    operators = (admin, tasks, resets, comparing)
    for part in (owners, api_keys, wallets, rule_actions, rules, executions, system, *operators, docs):
        app.include_router(part.router)
    app.add_middleware(StrictBodies)
    FastAPIInstrumentor.instrument_app(app, excluded_urls="health,ready,metrics")
    return app
