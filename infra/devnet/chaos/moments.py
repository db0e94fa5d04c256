"""Moments in the product's own transactions, without touching its code: triggers in Postgres, made for one drill."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from infra.devnet.chaos.database import connected

LOOK_EVERY_S = 0.02
_numbers = count(1)


@dataclass(slots=True)
class Moment:
    """Comes true once a matching row has committed, or, of a held one, waits to be committed. `count` says how often
    one has committed."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0

    def happened(self) -> None:
        self.count += 1
        self.reached.set()

    async def wait(self, seconds: float = 60) -> None:
        """Errors: TimeoutError, when it never came: then the drill drilled nothing."""
        async with asyncio.timeout(seconds):
            await self.reached.wait()


@asynccontextmanager
async def committed(url: str, table: str, condition: str) -> AsyncIterator[Moment]:
    """When a row of `table` for which `condition` (over NEW) holds has been committed.

    async with committed(url, "attempt", "NEW.state = 'SIGNED'") as signed:
        ...
        await signed.wait()
    """
    name, moment = f"chaos_{next(_numbers)}", Moment()
    async with connected(url) as listener:
        await listener.add_listener(name, lambda *_: moment.happened())
        try:
            await _install(listener, name, table, condition, f"PERFORM pg_notify('{name}', '')")
            yield moment
        finally:
            await _remove(url, name, table)


@asynccontextmanager
async def held(url: str, table: str, condition: str) -> AsyncIterator[Moment]:
    """As `committed`, but the writer stands still inside its transaction until the block ends, or for at most the
    product's own lock timeout of 5 s. Killed there, its transaction never was."""
    number = next(_numbers)
    name, moment, key = f"chaos_{number}", Moment(), 770_000 + number
    async with connected(url) as holder:
        await holder.execute("SELECT pg_advisory_lock($1)", key)
        watching = None
        try:
            await _install(holder, name, table, condition, f"PERFORM pg_advisory_xact_lock({key})")
            watching = asyncio.create_task(_watch(holder, key, moment))
            yield moment
        finally:
            if watching:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            holder.terminate()  # and with it the lock
            await _remove(url, name, table)


@asynccontextmanager
async def failing(
    url: str, table: str, condition: str, sqlstate: str, times: int
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """The next `times` writes of a matching row fail with `sqlstate`. Yields what tells how many have failed.

    Source of the states: PostgreSQL 18, Appendix A.
    """
    name = f"chaos_{next(_numbers)}"
    # A sequence's count outlives the rollback of what it counts.
    count = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {name}_count"  # noqa: S608 - our own name
    async with connected(url) as connection:

        async def failed() -> int:
            return min(times, int(await connection.fetchval(count)))

        await connection.execute(f"CREATE SEQUENCE {name}_count")
        try:
            action = f"IF nextval('{name}_count') <= {times} THEN RAISE 'drill' USING ERRCODE = '{sqlstate}'; END IF"
            await _install(connection, name, table, condition, action)
            yield failed
        finally:
            await _remove(url, name, table)
            await connection.execute(f"DROP SEQUENCE {name}_count")


async def _watch(connection: Any, key: int, moment: Moment) -> None:
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"
    while not await connection.fetchval(waits, key):  # noqa: ASYNC110 - another process, which sets no event
        await asyncio.sleep(LOOK_EVERY_S)
    moment.happened()


async def _install(connection: Any, name: str, table: str, condition: str, action: str) -> None:
    await connection.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN {action}; END IF; RETURN NEW; END $$; "
        f'CREATE TRIGGER {name} AFTER INSERT OR UPDATE ON "{table}" FOR EACH ROW EXECUTE FUNCTION {name}()'
    )


async def _remove(url: str, name: str, table: str) -> None:
    """Not in the way of a drill that has stopped the database: the trigger is harmless, the world short-lived."""
    with suppress(OSError):
        async with connected(url) as connection:
            await connection.execute(f'DROP TRIGGER IF EXISTS {name} ON "{table}"; DROP FUNCTION IF EXISTS {name}()')
