"""An operator's task as the API tells it: what is asked, what is known now, and every move with its reason."""

from datetime import datetime

from pydantic import BaseModel

from api.answers import amounts
from api.answers.amounts import AmountAnswer
from domain.attempts import Sighting
from domain.lifecycle import ExecutionState
from domain.money import Amount
from domain.operator_moves import NEEDS_EVIDENCE, Offer, OperatorMove, offers
from infra.db.attempts import Attempt
from infra.db.tasks import Task
from infra.operations import Seen


class TaskAnswer(BaseModel):
    """`execution_id` is null for a task about a wallet as such. The last five are null while it is open."""

    id: str
    open: bool
    code: str
    execution_id: str | None
    wallet_id: str
    detail: str
    raised_at: datetime
    resolved_at: datetime | None
    move: OperatorMove | None
    reason: str | None
    evidence: str | None
    resolved_by: str | None


class OfferAnswer(BaseModel):
    """`offered` moves can be made now; of the others `refused_because` and `would_be_safe` say what is missing."""

    move: OperatorMove
    offered: bool
    does: str
    cannot_pay_twice: str
    needs_evidence: bool
    refused_because: str | None
    would_be_safe: str | None


class VenueSays(BaseModel):
    """The venue's answer now. `head` is its own clock, of which `valid_until` is a reading."""

    fate: str
    succeeded: bool | None
    head: int | None
    detail: str


class TaskAttempt(BaseModel):
    """`venue_says` is null for what is not open: its fate is recorded and final."""

    leg: int
    seq: int
    rank: int
    id_on_venue: str | None
    state: str
    fate: str
    succeeded: bool | None
    detail: str
    nonce: str
    valid_until: int
    broadcast_count: int
    signed_at: datetime | None
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    venue_says: VenueSays | None


class TaskExecution(BaseModel):
    id: str
    status: ExecutionState
    codes: list[str]
    workflow_id: str
    sell: AmountAnswer
    buy: str


class BalanceLook(BaseModel):
    """`difference` is the chain's less the book's."""

    asset: str
    chain: AmountAnswer
    book: AmountAnswer
    difference: AmountAnswer


class TaskWallet(BaseModel):
    """`held_by` is the execution that has its lease. `balances` is null while the venue does not tell them."""

    id: str
    chain: str
    address: str
    frozen: bool
    held_by: str | None
    next_nonce_in_book: int | None
    next_nonce_on_chain: int | None
    balances: list[BalanceLook] | None


class TaskDetail(TaskAnswer):
    moves: list[OfferAnswer]
    wallet: TaskWallet
    execution: TaskExecution | None
    attempts: list[TaskAttempt]


def told(task: Task) -> TaskAnswer:
    chosen = task.resolution
    return TaskAnswer(
        id=str(task.id),
        open=chosen is None,
        code=task.code,
        execution_id=task.execution_id,
        wallet_id=task.wallet_id,
        detail=task.detail,
        raised_at=task.raised_at,
        resolved_at=task.resolved_at,
        move=chosen.move if chosen else None,
        reason=chosen.reason if chosen else None,
        evidence=chosen.evidence if chosen else None,
        resolved_by=chosen.by if chosen else None,
    )


def in_full(seen: Seen) -> TaskDetail:
    """A resolved task has no moves left."""
    judged = offers(seen.situation) if seen.task.resolution is None else ()
    return TaskDetail(
        **told(seen.task).model_dump(),
        moves=[_offer(offer) for offer in judged],
        wallet=_wallet(seen),
        execution=_execution(seen),
        attempts=[_attempt(attempt, seen.sightings.get(attempt.id)) for attempt in seen.attempts],
    )


def _offer(offer: Offer) -> OfferAnswer:
    return OfferAnswer(
        move=offer.move,
        offered=offer.unsafe is None,
        does=offer.does,
        cannot_pay_twice=offer.cannot_pay_twice,
        needs_evidence=offer.move in NEEDS_EVIDENCE,
        refused_because=offer.unsafe.reason if offer.unsafe else None,
        would_be_safe=offer.unsafe.would_be_safe if offer.unsafe else None,
    )


def _execution(seen: Seen) -> TaskExecution | None:
    if seen.execution is None:
        return None
    return TaskExecution(
        id=seen.execution.id,
        status=seen.execution.status,
        codes=list(seen.execution.codes),
        workflow_id=seen.execution.workflow_id,
        sell=amounts.told(seen.execution.intent.sell),
        buy=seen.execution.intent.buy.symbol,
    )


def _wallet(seen: Seen) -> TaskWallet:
    counts = seen.situation.counts
    return TaskWallet(
        id=seen.wallet.id,
        chain=seen.wallet.chain,
        address=seen.wallet.address,
        frozen=seen.wallet.frozen,
        held_by=seen.lease.holder,
        next_nonce_in_book=counts[0] if counts else None,
        next_nonce_on_chain=counts[1] if counts else None,
        balances=_balances(seen),
    )


def _balances(seen: Seen) -> list[BalanceLook] | None:
    if seen.on_chain is None:
        return None
    pairs = [(chain, Amount(seen.booked.get(chain.asset.id, 0), chain.asset)) for chain in seen.on_chain.values()]
    return [
        BalanceLook(
            asset=chain.asset.symbol,
            chain=amounts.told(chain),
            book=amounts.told(book),
            difference=amounts.told(chain - book),
        )
        for chain, book in pairs
    ]


def _attempt(attempt: Attempt, seen: Sighting | None) -> TaskAttempt:
    return TaskAttempt(
        leg=attempt.leg_no,
        seq=attempt.attempt_no,
        rank=attempt.rank,
        id_on_venue=attempt.venue_ref,
        state=attempt.state,
        fate=attempt.fate,
        succeeded=attempt.succeeded,
        detail=attempt.detail,
        nonce=attempt.slot.nonce,
        valid_until=attempt.slot.valid_until,
        broadcast_count=attempt.broadcast_count,
        signed_at=attempt.signed_at,
        first_sent_at=attempt.first_sent_at,
        last_sent_at=attempt.last_sent_at,
        venue_says=VenueSays(fate=seen.fate, succeeded=seen.succeeded, head=seen.head, detail=seen.detail)
        if seen
        else None,
    )
