"""Owners and their API keys. A key is 256 random bits, told once and kept only as its SHA-256."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.errors import NotFound
from infra.db.book import Book

KEY_PREFIX = "twk_"  # telemetry redacts whatever begins so
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Owner:
    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `owner_id` is None for an operator's key, which owns nothing."""

    id: str
    owner_id: str | None
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AddedKey:
    """`secret` is None where the key had been made by an earlier call: a secret is told once."""

    key: ApiKey
    secret: str | None = field(repr=False)


def hashed(secret: str) -> str:
    """What the book keeps of a secret. With 256 random bits there is nothing to guess, so no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Owners:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def add(self, owner_id: str, name: str) -> Owner:
        """An owner under this id; if there is one already, that one."""
        async with self._book.begin() as tx:
            added = await tx.change(
                "INSERT INTO owner (id, name) VALUES (:id, :name) ON CONFLICT (id) DO NOTHING", id=owner_id, name=name
            )
            if added:
                tx.record(owner_id, "owner.created", owner_id, name=name)
        return await self.find(owner_id)

    async def find(self, owner_id: str) -> Owner:
        """Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT * FROM owner WHERE id = :id", id=owner_id)
        if row is None:
            raise NotFound(f"no owner {owner_id}")
        return Owner(row["id"], row["name"], row["created_at"])

    async def add_key(
        self, key_id: str, owner_id: str | None, name: str, scopes: Iterable[str], lifetime_days: int
    ) -> AddedKey:
        """A new key with a fresh secret; if this id exists, that key without its secret."""
        secret = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
        async with self._book.begin() as tx:
            added = await tx.change(
                "INSERT INTO api_key (id, owner_id, name, hash, scopes, expires_at) VALUES (:id, :owner, :name, :hash, "
                "CAST(:scopes AS jsonb), clock_timestamp() + make_interval(days => :days)) "
                "ON CONFLICT (id) DO NOTHING",
                id=key_id,
                owner=owner_id,
                name=name,
                hash=hashed(secret),
                scopes=json.dumps(sorted(scopes)),
                days=lifetime_days,
            )
            if added:
                tx.record(key_id, "api_key.created", owner_id, name=name, scopes=sorted(scopes))
            row = await tx.one("SELECT * FROM api_key WHERE id = :id", id=key_id)
        if row is None:
            raise NotFound(f"no key {key_id}")
        return AddedKey(_key(row), secret if added else None)

    async def key_of(self, secret: str) -> ApiKey | None:
        """The key with this secret, if it is valid now by the database's clock.

        Looked up by hash, so how long it takes tells nothing about the secret.
        """
        async with self._book.begin() as tx:
            row = await tx.one(
                "SELECT * FROM api_key WHERE hash = :hash AND revoked_at IS NULL "
                "AND (expires_at IS NULL OR expires_at > clock_timestamp())",
                hash=hashed(secret),
            )
        return _key(row) if row else None

    async def keys(self, owner_id: str | None, after: str, limit: int) -> list[ApiKey]:
        """Up to `limit` keys with ids beyond `after`; None as the owner means everybody's."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                "SELECT * FROM api_key WHERE (CAST(:owner AS text) IS NULL OR owner_id = :owner) AND id > :after "
                "ORDER BY id LIMIT :limit",
                owner=owner_id,
                after=after,
                limit=limit,
            )
        return [_key(row) for row in rows]

    async def revoke(self, owner_id: str | None, key_id: str) -> None:
        """At once and for good; again is the same. None as the owner means anybody's key.

        Errors: NOT_FOUND (final), for another owner's key too.
        """
        async with self._book.begin() as tx:
            row = await tx.one(
                "SELECT owner_id FROM api_key WHERE id = :id AND (CAST(:owner AS text) IS NULL OR owner_id = :owner)",
                id=key_id,
                owner=owner_id,
            )
            if row is None:
                raise NotFound(f"you have no key {key_id}")
            revoked = await tx.change(
                "UPDATE api_key SET revoked_at = clock_timestamp() WHERE id = :id AND revoked_at IS NULL", id=key_id
            )
            if revoked:
                tx.record(key_id, "api_key.revoked", row["owner_id"])


def _key(row: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        owner_id=row["owner_id"],
        name=row["name"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
