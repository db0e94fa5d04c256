"""The connection to the book, and the one way to change it: a transaction whose events seal the audit chain."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import CursorResult, RowMapping, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from domain import audit
from infra.db.tables import EventRow

POOL_SIZE = 8  # a process runs a handful of activities at once; Postgres allows 100 connections in all
STATEMENT_TIMEOUT_MS = 10_000  # no statement here takes a second; a longer one waits on a lock that is stuck
LOCK_TIMEOUT_MS = 5_000

# Any number: it names the chain's end among Postgres's advisory locks.
_CHAIN_LOCK = 7_001


@dataclass(slots=True)
class Transaction:
    """An open transaction. `record` notes an event; all are sealed in order just before the commit.

    The chain's lock is taken last, so a transaction never waits on rows while it holds it.
    """

    session: AsyncSession
    _events: list[EventRow] = field(default_factory=list)

    async def one(self, sql: str, **values: object) -> RowMapping | None:
        """The only row, or None."""
        return (await self.session.execute(text(sql), values)).mappings().one_or_none()

    async def rows(self, sql: str, **values: object) -> Sequence[RowMapping]:
        return (await self.session.execute(text(sql), values)).mappings().all()

    async def change(self, sql: str, **values: object) -> int:
        """Run a writing statement; the number of rows it changed. Zero of a compare-and-set: the race is lost."""
        result = await self.session.execute(text(sql), values)
        return cast("CursorResult[Any]", result).rowcount

    def record(self, subject: str, kind: str, owner_id: str | None = None, **body: object) -> None:
        self._events.append(
            EventRow(seq=0, owner_id=owner_id, subject=subject, kind=kind, body=_plain(body), previous="", hash="")
        )

    async def seal(self) -> None:
        await self.session.flush()
        if not self._events:
            return
        await self.session.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))
        last = await self.one("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
        seq, previous = (last["seq"], last["hash"]) if last else (0, audit.GENESIS)
        clock = await self.one("SELECT clock_timestamp() AS now")
        assert clock is not None, "a clock always answers"  # noqa: S101
        for event in self._events:
            seq += 1
            event.seq, event.previous, event.at = seq, previous, clock["now"]
            event.hash = previous = audit.seal(seq, sealed_body(event), previous)
            self.session.add(event)
        await self.session.flush()


def sealed_body(event: EventRow) -> dict[str, object]:
    """What an event's hash covers."""
    return {
        "at": event.at.isoformat() if event.at else None,
        "owner_id": event.owner_id,
        "subject": event.subject,
        "kind": event.kind,
        "body": event.body,
    }


def _plain(body: Mapping[str, object]) -> dict[str, object]:
    return {key: value if isinstance(value, int | bool | list | dict) else str(value) for key, value in body.items()}


class Book:
    """Postgres, by one engine. An error at COMMIT is ambiguous: callers read again by key, never assume."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> "Book":
        return cls(
            create_async_engine(
                url,
                pool_size=POOL_SIZE,
                max_overflow=0,
                pool_pre_ping=True,
                connect_args={
                    "timeout": 5,
                    "command_timeout": 15,
                    "server_settings": {
                        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                        "lock_timeout": str(LOCK_TIMEOUT_MS),
                        "synchronous_commit": "on",
                        "application_name": "tripwire",
                    },
                },
            )
        )

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            transaction = Transaction(session)
            yield transaction
            await transaction.seal()

    async def close(self) -> None:
        await self.engine.dispose()
