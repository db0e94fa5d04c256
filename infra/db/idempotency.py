"""Answers by idempotency key: the same request gets the same answer, another one under its key is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import IdempotencyMismatch
from infra.db.book import Book

UNANSWERED = 0  # the status of a claim whose answer is not known yet


@dataclass(frozen=True, slots=True)
class Request:
    """Who asked what under which key. `fingerprint` is a hash of the body."""

    party: str
    route: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any]


class Idempotency:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def claim(self, request: Request) -> Answer | None:
        """The answer once given, or None: then carry the request out.

        None is also said to a second one that meets an unfinished first, or one that a crash cut short. What they
        do is named by the key, so doing it again finds it done. Errors: IDEMPOTENCY_MISMATCH (final).
        """
        async with self._book.begin() as tx:
            await tx.change(
                "INSERT INTO idempotency (owner_id, route, key, fingerprint, status) "
                "VALUES (:party, :route, :key, :fingerprint, :status) ON CONFLICT (owner_id, route, key) DO NOTHING",
                party=request.party,
                route=request.route,
                key=request.key,
                fingerprint=request.fingerprint,
                status=UNANSWERED,
            )
            row = await tx.one(
                "SELECT fingerprint, status, answer FROM idempotency "
                "WHERE owner_id = :party AND route = :route AND key = :key",
                party=request.party,
                route=request.route,
                key=request.key,
            )
        if row is None:  # an unanswered claim was dropped in between: nothing was done under it
            return None
        if row["fingerprint"] != request.fingerprint:
            raise IdempotencyMismatch("this Idempotency-Key belongs to another request: use a fresh key")
        return None if row["status"] == UNANSWERED else Answer(row["status"], row["answer"])

    async def keep(self, request: Request, answer: Answer) -> None:
        """Keep an answer for ever, the first one given."""
        async with self._book.begin() as tx:
            await tx.change(
                "UPDATE idempotency SET status = :status, answer = CAST(:answer AS jsonb) "
                "WHERE owner_id = :party AND route = :route AND key = :key AND status = :unanswered",
                status=answer.status,
                answer=json.dumps(dict(answer.body)),
                party=request.party,
                route=request.route,
                key=request.key,
                unanswered=UNANSWERED,
            )

    async def drop(self, request: Request) -> None:
        """Forget a claim that was refused, so that a corrected request may use its key."""
        async with self._book.begin() as tx:
            await tx.change(
                "DELETE FROM idempotency WHERE owner_id = :party AND route = :route AND key = :key "
                "AND status = :unanswered",
                party=request.party,
                route=request.route,
                key=request.key,
                unanswered=UNANSWERED,
            )
