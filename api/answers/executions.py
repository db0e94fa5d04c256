"""An execution as the API tells it: from the trigger's evidence to what was settled."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from api.answers import amounts, events, verdicts
from api.answers.amounts import AmountAnswer
from api.answers.events import EventAnswer
from api.answers.verdicts import VerdictAnswer
from domain.lifecycle import FINAL, ExecutionState
from domain.money import Amount
from infra.config import Settings
from infra.db.reading import ExecutionLine, ExecutionRead, SettlementRead, TriggerRead


class ExecutionAnswer(BaseModel):
    """`codes` says why it was blocked, failed or cancelled; `final` that nothing will change any more."""

    id: str
    rule_id: str
    trigger_id: str
    wallet_id: str
    venue: str
    workflow_id: str
    status: ExecutionState
    final: bool
    codes: list[str]
    dry_run: bool
    sell: AmountAnswer
    buy: str
    created_at: datetime
    updated_at: datetime
    temporal_url: str | None


class TriggerAnswer(BaseModel):
    """`evidence` is what was seen: the observation of a crossing, or the key of a firing by hand."""

    id: str
    occurrence: str
    evidence: dict[str, Any]
    created_at: datetime
    started_at: datetime | None


class AttemptAnswer(BaseModel):
    """One signed payload. `kind` is what its leg does: `approve` lets a venue take a token, `swap` swaps.

    `seq` counts within the leg; `rank`, from 0, the payloads that took each other's place at one nonce, of which
    at most one lands. `valid_until` counts in the venue's own clock (Solana: block height; EVM: unix time). From
    2^52 on it never passes: the payload waits for its nonce to be used.
    """

    model_config = ConfigDict(from_attributes=True)

    leg: int
    kind: str
    seq: int
    rank: int
    id_on_venue: str | None
    state: str
    fate: str
    succeeded: bool | None
    detail: str
    nonce: str
    valid_until: int
    payload_sha256: str | None
    broadcast_count: int
    allocated_at: datetime
    signed_at: datetime | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    final_at: datetime | None


class FeeAnswer(AmountAnswer):
    """`kind` is `network` or `rent`; `reference` the transaction that paid it."""

    kind: str
    reference: str


class SettlementAnswer(BaseModel):
    """What really moved, read back from the venue. Fees count attempts that failed on chain too."""

    sold: AmountAnswer
    bought: AmountAnswer
    fees: list[FeeAnswer]
    reference: str
    slot: int
    settled_at: datetime


class ExecutionDetail(ExecutionAnswer):
    trigger: TriggerAnswer
    verdicts: list[VerdictAnswer]
    attempts: list[AttemptAnswer]
    settlement: SettlementAnswer | None
    events: list[EventAnswer]


def told(line: ExecutionLine, settings: Settings) -> ExecutionAnswer:
    return ExecutionAnswer(
        id=line.id,
        rule_id=line.rule_id,
        trigger_id=line.trigger_id,
        wallet_id=line.wallet_id,
        venue=line.venue,
        workflow_id=line.workflow_id,
        status=line.status,
        final=line.status in FINAL,
        codes=list(line.codes),
        dry_run=line.dry_run,
        sell=amounts.told(line.sell),
        buy=line.buy.symbol,
        created_at=line.created_at,
        updated_at=line.updated_at,
        temporal_url=_temporal_url(line, settings),
    )


def in_full(read: ExecutionRead, settings: Settings) -> ExecutionDetail:
    return ExecutionDetail(
        **told(read.line, settings).model_dump(),
        trigger=_trigger(read.trigger),
        verdicts=[verdicts.recorded(verdict) for verdict in read.verdicts],
        attempts=[AttemptAnswer.model_validate(attempt) for attempt in read.attempts],
        settlement=_settlement(read.settlements),
        events=[events.told(event) for event in read.events],
    )


def _temporal_url(line: ExecutionLine, settings: Settings) -> str | None:
    if settings.temporal_ui_url is None:
        return None
    workflow = quote(line.workflow_id, safe="")
    return f"{settings.temporal_ui_url}/namespaces/{settings.temporal_namespace}/workflows/{workflow}"


def _trigger(trigger: TriggerRead) -> TriggerAnswer:
    return TriggerAnswer(
        id=trigger.id,
        occurrence=trigger.occurrence,
        evidence=dict(trigger.evidence),
        created_at=trigger.created_at,
        started_at=trigger.started_at,
    )


def _settlement(settlements: tuple[SettlementRead, ...]) -> SettlementAnswer | None:
    """The last leg's: its last attempt to land is the one that succeeded, or failed and moved fees alone."""
    if not settlements:
        return None
    landed = settlements[-1]
    return SettlementAnswer(
        sold=amounts.told(landed.sold),
        bought=amounts.told(landed.bought),
        fees=[fee for settlement in settlements for fee in _fees(settlement)],
        reference=landed.reference,
        slot=landed.slot,
        settled_at=landed.settled_at,
    )


def _fees(settlement: SettlementRead) -> list[FeeAnswer]:
    kinds: tuple[tuple[str, Amount], ...] = (("network", settlement.fee), ("rent", settlement.rent))
    return [
        FeeAnswer(**amounts.told(amount).model_dump(), kind=kind, reference=settlement.reference)
        for kind, amount in kinds
        if amount.base
    ]
