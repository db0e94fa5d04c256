"""Lists by cursor: a page holds `limit` items and the cursor of the next page, null on the last."""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from domain.errors import InvalidInput

T = TypeVar("T")
R = TypeVar("R")

MOST = 200  # a page of executions is then some 100 kB

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None


def page(found: list[R], limit: int, shown: Callable[[R], T], cursor: Callable[[R], tuple[str, ...]]) -> Page[T]:
    """A page of what was read; `found` holds one more than `limit` if there is more."""
    kept = found[:limit]
    following = encode(cursor(kept[-1])) if len(found) > limit else None
    return Page(items=[shown(item) for item in kept], next_cursor=following)


def encode(parts: tuple[str, ...]) -> str:
    """Opaque to clients, so that what a list is sorted by may change."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode(cursor: str | None, parts: int) -> tuple[str, ...] | None:
    """What `encode` was given, or None without a cursor. Errors: INVALID_INPUT (final)."""
    if cursor is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise _foreign() from None
    if not isinstance(found, list) or len(found) != parts:
        raise _foreign()
    if not all(isinstance(part, str) and part.isascii() and part.isprintable() for part in found):
        raise _foreign()
    return tuple(found)


def number(parts: tuple[str, ...] | None) -> int:
    """The record number in a cursor of one; 0 without. Errors: INVALID_INPUT (final)."""
    if parts is None:
        return 0
    if not parts[0].isdigit() or len(parts[0]) > 18:
        raise _foreign()
    return int(parts[0])


def _foreign() -> InvalidInput:
    return InvalidInput("this cursor is not one of ours: begin without", "cursor")
