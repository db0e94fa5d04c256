"""The audit chain: each record's hash covers the one before it, so a changed, removed or added row shows.

A tail that is cut off shows only against a copy of a later hash: whoever audits keeps the last one elsewhere.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.identity import canonical

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    body: Mapping[str, object]
    previous: str
    hash: str


def seal(seq: int, body: Mapping[str, object], previous: str) -> str:
    """The hash that goes beside a record: SHA-256 over its number, its body and the hash before it."""
    return hashlib.sha256(canonical({"seq": seq, "body": dict(body), "previous": previous}).encode()).hexdigest()


def first_break(records: Iterable[Record]) -> int | None:
    """The number of the first record that does not follow from those before it, or None for a whole chain."""
    previous, expected = GENESIS, 1
    for record in records:
        broken = record.seq != expected or record.previous != previous
        if broken or record.hash != seal(record.seq, record.body, previous):
            return record.seq
        previous, expected = record.hash, record.seq + 1
    return None
