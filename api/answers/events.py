"""A record of the audit chain."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from infra.db.reading import Event


class EventAnswer(BaseModel):
    seq: int
    at: datetime
    subject: str
    kind: str
    body: dict[str, Any]


class AuditAnswer(EventAnswer):
    """With what seals it: `hash` covers the record and `previous`, the hash of the record before it."""

    owner_id: str | None
    previous: str
    hash: str


def told(event: Event) -> EventAnswer:
    return EventAnswer(seq=event.seq, at=event.at, subject=event.subject, kind=event.kind, body=dict(event.body))


def sealed(event: Event) -> AuditAnswer:
    return AuditAnswer(**told(event).model_dump(), owner_id=event.owner_id, previous=event.previous, hash=event.hash)
