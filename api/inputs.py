"""The small inputs that many routes share, each with the limit that keeps it harmless."""

from typing import Annotated

from fastapi import Header, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.operator_moves import REASON_LEAST
from domain.rules import printable


class Input(BaseModel):
    """A body: nothing is coerced, nothing unknown is let through."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Reason = Annotated[
    str, Field(min_length=1, max_length=500, description="Why; it is audited"), AfterValidator(printable)
]

# For moves that a person makes against what the machine would do: a word is no reason.
OperatorReason = Annotated[
    str,
    Field(min_length=REASON_LEAST, max_length=500, description="Why; it is kept for ever"),
    AfterValidator(printable),
]

_VISIBLE = r"^[\x21-\x7e]{1,255}$"
_KEY_DESCRIPTION = (
    "1 to 255 visible ASCII characters. The same key with the same request gets the same answer; "
    "with another request it is refused (409 IDEMPOTENCY_MISMATCH)."
)
IdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", pattern=_VISIBLE, description=_KEY_DESCRIPTION, examples=["order-2025-11-21"])
]
OptionalIdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern=_VISIBLE, description=_KEY_DESCRIPTION)
]


class Why(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "its host is being looked into"}]})

    reason: Reason


RuleId = Annotated[str, Path(pattern=r"^rul_[a-z0-9]{1,40}$")]
WalletId = Annotated[str, Path(pattern=r"^wal_[a-z0-9]{1,40}$")]
ExecutionId = Annotated[str, Path(pattern=r"^exe_[a-z0-9]{1,40}$")]
ApiKeyId = Annotated[str, Path(pattern=r"^key_[a-z0-9]{1,40}$")]
TaskId = Annotated[str, Path(pattern=r"^[0-9]{1,18}$")]
