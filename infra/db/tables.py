"""The book's tables. Constraints here are the guards of laws 1 to 3; the revisions create the same by alembic.

Money columns are NUMERIC(78,0), where a uint256 fits; times are timestamptz, set by the database.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def _now() -> Any:
    # clock_timestamp, not now(): the moment of the row, not of its transaction's first statement.
    return Column(DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def _later() -> Any:
    return Column(DateTime(timezone=True), nullable=True)


def _json() -> Any:
    return Column(JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def _base_units() -> Any:
    return Column(Numeric(78, 0), nullable=False)


class OwnerRow(SQLModel, table=True):
    __tablename__ = "owner"
    id: str = Field(primary_key=True)
    name: str
    created_at: datetime | None = Field(default=None, sa_column=_now())


class ApiKeyRow(SQLModel, table=True):
    """`hash` is SHA-256 of a 256-bit random key: nothing to guess, so no slow hash is needed."""

    __tablename__ = "api_key"
    id: str = Field(primary_key=True)
    owner_id: str | None = Field(default=None, foreign_key="owner.id", index=True)
    name: str
    hash: str = Field(unique=True)
    scopes: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime | None = Field(default=None, sa_column=_now())
    expires_at: datetime | None = Field(default=None, sa_column=_later())
    revoked_at: datetime | None = Field(default=None, sa_column=_later())


class WalletRow(SQLModel, table=True):
    __tablename__ = "wallet"
    __table_args__ = (UniqueConstraint("chain", "address"),)
    id: str = Field(primary_key=True)
    owner_id: str = Field(foreign_key="owner.id", index=True)
    family: str
    chain: str
    address: str
    custodian: str
    sealed_key: dict[str, Any] = Field(sa_column=_json())
    frozen: bool = False
    durable_nonce: str | None = None
    created_at: datetime | None = Field(default=None, sa_column=_now())


class RuleRow(SQLModel, table=True):
    """`activation` counts the times the rule became ACTIVE; `armed_at` is when its condition was first seen
    false since then, and so may be seen to cross."""

    __tablename__ = "rule"
    __table_args__ = (Index("rule_by_change", "feed", "updated_at"),)
    id: str = Field(primary_key=True)
    owner_id: str = Field(foreign_key="owner.id", index=True)
    wallet_id: str = Field(foreign_key="wallet.id", index=True)
    spec: dict[str, Any] = Field(sa_column=_json())
    state: str
    version: int = 1
    activation: int = 0
    armed_at: datetime | None = Field(default=None, sa_column=_later())
    executions: int = 0
    cooldown_until: datetime | None = Field(default=None, sa_column=_later())
    feed: str
    market: str
    created_at: datetime | None = Field(default=None, sa_column=_now())
    updated_at: datetime | None = Field(default=None, sa_column=_now())


class TriggerRow(SQLModel, table=True):
    """One occurrence. It is the outbox too: a row without `started_at` has no workflow yet."""

    __tablename__ = "trigger"
    __table_args__ = (
        UniqueConstraint("rule_id", "occurrence"),
        Index("trigger_outbox", "created_at", postgresql_where=text("started_at IS NULL")),
    )
    id: str = Field(primary_key=True)
    rule_id: str = Field(foreign_key="rule.id")
    occurrence: str
    evidence: dict[str, Any] = Field(sa_column=_json())
    trace: dict[str, Any] = Field(sa_column=_json())
    created_at: datetime | None = Field(default=None, sa_column=_now())
    started_at: datetime | None = Field(default=None, sa_column=_later())


class ExecutionRow(SQLModel, table=True):
    """`looked_at`: when it was last compared with Temporal because it did not move."""

    __tablename__ = "execution"
    __table_args__ = (
        Index(
            "execution_open",
            text("looked_at NULLS FIRST"),
            postgresql_where=text("status NOT IN ('SETTLED', 'BLOCKED', 'FAILED', 'CANCELLED')"),
        ),
    )
    id: str = Field(primary_key=True)
    trigger_id: str = Field(foreign_key="trigger.id", unique=True)
    rule_id: str = Field(foreign_key="rule.id", index=True)
    owner_id: str = Field(foreign_key="owner.id", index=True)
    wallet_id: str = Field(foreign_key="wallet.id", index=True)
    venue: str
    workflow_id: str = Field(unique=True)
    status: str = Field(index=True)
    intent: dict[str, Any] = Field(sa_column=_json())
    policy: dict[str, Any] = Field(sa_column=_json())
    codes: list[str] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'::jsonb")))
    dry_run: bool = False
    created_at: datetime | None = Field(default=None, sa_column=_now())
    updated_at: datetime | None = Field(default=None, sa_column=_now())
    looked_at: datetime | None = Field(default=None, sa_column=_later())


class VerdictRow(SQLModel, table=True):
    """All verdicts of one evaluation; `stage` says at which step it was made."""

    __tablename__ = "verdict"
    __table_args__ = (UniqueConstraint("execution_id", "stage", "check"),)
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    execution_id: str = Field(foreign_key="execution.id", index=True)
    stage: str
    check: str
    passed: bool
    detail: dict[str, Any] = Field(sa_column=_json())
    created_at: datetime | None = Field(default=None, sa_column=_now())


class LegRow(SQLModel, table=True):
    __tablename__ = "leg"
    __table_args__ = (
        UniqueConstraint("execution_id", "leg_no"),
        Index("one_open_leg_per_wallet", "wallet_id", unique=True, postgresql_where=text("closed_at IS NULL")),
    )
    id: str = Field(primary_key=True)
    execution_id: str = Field(foreign_key="execution.id")
    wallet_id: str = Field(foreign_key="wallet.id")
    leg_no: int
    kind: str
    created_at: datetime | None = Field(default=None, sa_column=_now())
    closed_at: datetime | None = Field(default=None, sa_column=_later())


class AttemptRow(SQLModel, table=True):
    """One payload, written down before it is sent.

    Attempts of a leg that share a nonce are a family, told apart by `rank`: at most one of them can ever land.
    At most one family of a leg is alive, or has succeeded; the first of its payloads stands for it.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("leg_id", "attempt_no"),
        UniqueConstraint("venue", "venue_ref"),
        Index(
            "one_live_family_per_leg",
            "leg_id",
            unique=True,
            postgresql_where=text(
                "(rank = 0 AND fate IN ('PENDING', 'UNKNOWN')) OR (fate = 'LANDED' AND succeeded IS NOT FALSE)"
            ),
        ),
        Index(
            "a_nonce_is_signed_once_per_rank",
            "wallet_id",
            "nonce",
            "rank",
            unique=True,
            postgresql_where=text("state = 'SIGNED'"),
        ),
        CheckConstraint(
            "(state = 'ALLOCATED') = (payload IS NULL) AND (payload IS NULL) = (venue_ref IS NULL)",
            name="signed_means_stored",
        ),
        CheckConstraint("first_sent_at IS NULL OR state = 'SIGNED'", name="sent_means_signed"),
        CheckConstraint("fate <> 'DEAD' OR proof IS NOT NULL", name="dead_means_proven"),
    )
    id: str = Field(primary_key=True)
    leg_id: str = Field(foreign_key="leg.id")
    execution_id: str = Field(foreign_key="execution.id", index=True)
    wallet_id: str = Field(foreign_key="wallet.id")
    venue: str
    attempt_no: int
    rank: int = 0
    lease_epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str
    nonce: str
    valid_until: int = Field(sa_column=Column(BigInteger, nullable=False))
    payload: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    payload_sha256: str | None = None
    venue_ref: str | None = None
    fate: str = "PENDING"
    succeeded: bool | None = None
    detail: str = ""
    proof: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True))
    broadcast_count: int = 0
    allocated_at: datetime | None = Field(default=None, sa_column=_now())
    signed_at: datetime | None = Field(default=None, sa_column=_later())
    first_sent_at: datetime | None = Field(default=None, sa_column=_later())
    last_sent_at: datetime | None = Field(default=None, sa_column=_later())
    final_at: datetime | None = Field(default=None, sa_column=_later())


class NonceRow(SQLModel, table=True):
    """The next nonce of a wallet whose nonces count up. It grows with each payload that is stored signed first
    on its nonce, so a nonce that was only allocated is given out again and leaves no gap."""

    __tablename__ = "account_nonce"
    wallet_id: str = Field(primary_key=True, foreign_key="wallet.id")
    next: int = Field(sa_column=Column(BigInteger, nullable=False))


class BroadcastRow(SQLModel, table=True):
    """One sending of an attempt's bytes. Inserted before the send; `answer` is null until one came."""

    __tablename__ = "broadcast"
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    attempt_id: str = Field(foreign_key="attempt.id", index=True)
    sent_at: datetime | None = Field(default=None, sa_column=_now())
    answer: str | None = None


class LeaseRow(SQLModel, table=True):
    """The wallet's lock. `epoch` is the fencing token: it grows with every grant, and never shrinks."""

    __tablename__ = "lease"
    wallet_id: str = Field(primary_key=True, foreign_key="wallet.id")
    holder: str | None = Field(default=None, foreign_key="execution.id")
    epoch: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


class WaiterRow(SQLModel, table=True):
    """A place in the wallet's queue; `id` orders it first come, first served."""

    __tablename__ = "lease_waiter"
    __table_args__ = (UniqueConstraint("execution_id"),)
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    wallet_id: str = Field(foreign_key="wallet.id", index=True)
    execution_id: str = Field(foreign_key="execution.id")


class HoldRow(SQLModel, table=True):
    __tablename__ = "hold"
    __table_args__ = (
        UniqueConstraint("execution_id", "asset"),
        CheckConstraint("amount > 0", name="holds_are_positive"),
        Index("hold_open", "wallet_id", postgresql_where=text("released_at IS NULL")),
    )
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    execution_id: str = Field(foreign_key="execution.id")
    wallet_id: str = Field(foreign_key="wallet.id")
    asset: str
    amount: Decimal = Field(sa_column=_base_units())
    placed_at: datetime | None = Field(default=None, sa_column=_now())
    released_at: datetime | None = Field(default=None, sa_column=_later())


class LedgerRow(SQLModel, table=True):
    """Entries are only ever added. A venue's event is posted once per leg, kind and account.

    `execution_id` is null for what moved outside of any execution.
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (
        Index(
            "an_event_is_posted_once",
            text("coalesce(execution_id, '')"),
            "kind",
            "venue_event_id",
            "account",
            "asset",
            unique=True,
        ),
        Index("ledger_by_account", "account", "asset"),
    )
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    execution_id: str | None = Field(default=None, foreign_key="execution.id", index=True)
    account: str
    asset: str
    amount: Decimal = Field(sa_column=_base_units())
    kind: str
    venue_event_id: str
    booked_at: datetime | None = Field(default=None, sa_column=_now())


class SettlementRow(SQLModel, table=True):
    __tablename__ = "settlement"
    __table_args__ = (Index("settlement_by_time", "settled_at"),)
    attempt_id: str = Field(primary_key=True, foreign_key="attempt.id")
    execution_id: str = Field(foreign_key="execution.id", index=True)
    reference: str
    slot: int = Field(sa_column=Column(BigInteger, nullable=False))
    succeeded: bool
    body: dict[str, Any] = Field(sa_column=_json())
    settled_at: datetime | None = Field(default=None, sa_column=_now())


class EventRow(SQLModel, table=True):
    """The audit chain: one row per move and per decision, each sealed with the one before it."""

    __tablename__ = "event"
    __table_args__ = (Index("event_by_subject", "subject", "seq"),)
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    owner_id: str | None = None
    subject: str
    kind: str
    body: dict[str, Any] = Field(sa_column=_json())
    previous: str
    hash: str
    at: datetime | None = Field(default=None, sa_column=_now())


class IdempotencyRow(SQLModel, table=True):
    """The answer once given to a key. The same key with another body is refused."""

    __tablename__ = "idempotency"
    owner_id: str = Field(primary_key=True)
    route: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: str
    status: int
    answer: dict[str, Any] = Field(sa_column=_json())
    created_at: datetime | None = Field(default=None, sa_column=_now())


class SwitchRow(SQLModel, table=True):
    __tablename__ = "switch"
    name: str = Field(primary_key=True)
    on: bool = False
    reason: str = ""
    changed_at: datetime | None = Field(default=None, sa_column=_now())


class HeartbeatRow(SQLModel, table=True):
    __tablename__ = "heartbeat"
    process: str = Field(primary_key=True)
    kind: str
    detail: dict[str, Any] = Field(sa_column=_json())
    beat_at: datetime | None = Field(default=None, sa_column=_now())


class TaskRow(SQLModel, table=True):
    """Something that a person has to decide, about an execution or a wallet as such; open once per code.

    `resolution` is the move a person chose, with the reason and what they looked at.
    """

    __tablename__ = "operator_task"
    __table_args__ = (
        Index(
            "one_open_task_per_code",
            text("coalesce(execution_id, '')"),
            "wallet_id",
            "code",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    execution_id: str | None = Field(default=None, foreign_key="execution.id")
    wallet_id: str = Field(foreign_key="wallet.id")
    code: str
    detail: str
    raised_at: datetime | None = Field(default=None, sa_column=_now())
    resolved_at: datetime | None = Field(default=None, sa_column=_later())
    resolution: str | None = None
    reason: str | None = None
    evidence: str | None = None
    resolved_by: str | None = None
