"""For operators: the kill switch and the audit chain."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from api.answers import events
from api.answers.events import AuditAnswer
from api.assembly import At
from api.auth import Admin
from api.inputs import Input, Reason
from api.paging import Cursor, Limit, Page, decode, number, page
from api.problems import problems

router = APIRouter(prefix="/admin", tags=["operators"])


class Switch(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"on": True, "reason": "a drill"}]})

    on: bool
    reason: Reason


class SwitchAnswer(BaseModel):
    on: bool
    reason: str


class ChainAnswer(BaseModel):
    """`broken_at` is the first record that does not follow from those before it. Compare `last_hash` with
    one kept elsewhere to see that the end is not missing."""

    intact: bool
    records: int
    last_hash: str
    broken_at: int | None


@router.post("/kill-switch", responses=problems())
async def set_kill_switch(body: Switch, caller: Admin, at: At) -> SwitchAnswer:
    """On: nothing more is signed anywhere. What is out already is followed to its end."""
    await at.system.set_kill_switch(body.on, body.reason, caller.key_id)
    return SwitchAnswer(on=body.on, reason=body.reason)


@router.get("/audit", responses=problems())
async def list_audit_records(_caller: Admin, at: At, limit: Limit = 50, cursor: Cursor = None) -> Page[AuditAnswer]:
    """Every event of everybody, oldest first, with its seal."""
    found = await at.reading.audit(number(decode(cursor, 1)), limit + 1)
    return page(found, limit, events.sealed, lambda event: (str(event.seq),))


@router.get("/audit/verify", responses=problems())
async def verify_audit_chain(_caller: Admin, at: At) -> ChainAnswer:
    """Compute the whole chain anew. A changed or removed record shows."""
    found = await at.reading.verify()
    return ChainAnswer(
        intact=found.broken_at is None,
        records=found.records,
        last_hash=found.last_hash,
        broken_at=found.broken_at,
    )
