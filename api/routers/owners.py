"""Owners: the users of the API."""

import uuid
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from api.assembly import At
from api.auth import OPERATORS, Admin
from api.idempotency import once
from api.inputs import Input, OptionalIdempotencyKey
from api.problems import problems
from domain import identity
from domain.errors import IdempotencyMismatch
from domain.rules import Name

router = APIRouter(prefix="/owners", tags=["owners and keys"])


class NewOwner(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Treasury"}]})

    name: Name


class OwnerAnswer(BaseModel):
    id: str
    name: str
    created_at: datetime


@router.post("", status_code=201, response_model=OwnerAnswer, responses=problems(IdempotencyMismatch))
async def create_owner(
    body: NewOwner, request: Request, _admin: Admin, at: At, idempotency_key: OptionalIdempotencyKey = None
) -> Response:
    """Add an owner. Give it keys with `POST /api-keys`."""
    key = idempotency_key or str(uuid.uuid4())

    async def add() -> OwnerAnswer:
        owner = await at.owners.add(identity.owner_id(key), body.name)
        if owner.name != body.name:
            raise IdempotencyMismatch("this Idempotency-Key made an owner of another name")
        return OwnerAnswer(id=owner.id, name=owner.name, created_at=owner.created_at)

    return await once(at, OPERATORS, request, key, body, 201, add)
