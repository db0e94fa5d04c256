"""API keys: shown once, stored hashed, scoped, expiring."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.assembly import At
from api.auth import Caller, KeyHolder, Reader, Scope
from api.inputs import ApiKeyId, Input, OptionalIdempotencyKey
from api.paging import Cursor, Limit, Page, decode, page
from api.problems import problems
from domain import identity
from domain.errors import Forbidden, IdempotencyMismatch, InvalidInput, NotFound
from domain.rules import Name
from infra.db.owners import ApiKey

router = APIRouter(prefix="/api-keys", tags=["owners and keys"])


class NewKey(Input):
    """`owner_id` is for operators: left out, an owner's key is its own owner's and an operator's owns nothing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "trading desk", "scopes": ["read", "trade"], "expires_in_days": 90}]}
    )

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3, examples=[["read", "trade"]])]
    owner_id: Annotated[str | None, Field(pattern=r"^own_[a-z0-9]{1,40}$")] = None
    expires_in_days: Annotated[int, Field(ge=1, le=365)] = 90


class KeyAnswer(BaseModel):
    id: str
    owner_id: str | None
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKeyAnswer(KeyAnswer):
    """`key` is the secret. It is told in this one answer only: a replay has null."""

    key: str | None


@router.post("", status_code=201, responses=problems(IdempotencyMismatch))
async def create_api_key(
    body: NewKey, caller: KeyHolder, at: At, idempotency_key: OptionalIdempotencyKey = None
) -> NewKeyAnswer:
    """Make a key. It can do no more than the key that makes it, unless an operator does."""
    owner_id = await _owner_of(body, caller, at)
    if not caller.is_admin and not caller.scopes.issuperset(body.scopes):
        raise Forbidden("a key cannot make one that may do more than itself")
    if "admin" not in body.scopes and owner_id is None:
        raise InvalidInput("say whose key this is: only an `admin` key can belong to nobody", "owner_id")
    key_id = identity.api_key_id(caller.party, idempotency_key or str(uuid.uuid4()))
    added = await at.owners.add_key(key_id, owner_id, body.name, set(body.scopes), body.expires_in_days)
    asked = (owner_id, body.name, frozenset(body.scopes))
    if (added.key.owner_id, added.key.name, added.key.scopes) != asked:
        raise IdempotencyMismatch("this Idempotency-Key made another key")
    return NewKeyAnswer(**told(added.key).model_dump(), key=added.secret)


@router.get("", responses=problems())
async def list_api_keys(caller: Reader, at: At, limit: Limit = 50, cursor: Cursor = None) -> Page[KeyAnswer]:
    """The owner's keys, without their secrets; for an operator's key everybody's."""
    (after,) = decode(cursor, 1) or ("",)
    whose = None if caller.is_admin else caller.owner
    found = await at.owners.keys(whose, after, limit + 1)
    return page(found, limit, told, lambda key: (key.id,))


@router.delete("/{key_id}", status_code=204, responses=problems(NotFound))
async def revoke_api_key(key_id: ApiKeyId, caller: KeyHolder, at: At) -> None:
    """End a key at once. It can end itself."""
    await at.owners.revoke(None if caller.is_admin else caller.owner, key_id)


def told(key: ApiKey) -> KeyAnswer:
    return KeyAnswer(
        id=key.id,
        owner_id=key.owner_id,
        name=key.name,
        scopes=sorted(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


async def _owner_of(body: NewKey, caller: Caller, at: At) -> str | None:
    if body.owner_id is None or body.owner_id == caller.owner_id:
        return caller.owner_id
    if not caller.is_admin:
        raise InvalidInput("this is not your owner id: leave it out", "owner_id")
    try:
        return (await at.owners.find(body.owner_id)).id
    except NotFound as error:
        raise InvalidInput(str(error), "owner_id") from None
