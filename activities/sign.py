"""Step 3, in the signer: allocate, build, verify against the recorded intent, sign, store. In that order."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from temporalio import activity

from activities.results import SignAnswer, SignRequest
from domain import policy
from domain.attempts import AttemptState
from domain.errors import FeesAboveCap, ForeignNonce, NoRoute, SealedKeyBroken
from domain.executions import Execution
from domain.intents import Leg, Refusal
from domain.lifecycle import FINAL
from domain.policy import Policy
from infra.alerts import alert
from infra.custody.protocol import Custodian
from infra.db.attempts import Attempt, Attempts
from infra.db.executions import Executions
from infra.db.system import System
from infra.venues.protocol import Unsigned, Venue

log = structlog.get_logger(__name__)

DRY_RUN = "DRY_RUN"


class Sign:
    def __init__(
        self,
        executions: Executions,
        attempts: Attempts,
        system: System,
        venues: Mapping[str, Venue],
        custodians: Mapping[str, Custodian],
        limits: Policy,
    ) -> None:
        """`limits` are this process's own: an execution's snapshot cannot switch a signer on."""
        self._executions = executions
        self._attempts = attempts
        self._system = system
        self._venues = venues
        self._custodians = custodians
        self._limits = limits

    @activity.defn(name="sign")
    async def run(self, request: SignRequest) -> SignAnswer:
        """The payload stored under this attempt's number, signed only if there is none yet.

        While an earlier payload of the leg may still land, one that takes its nonce is signed, or nothing.
        Errors: QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE, FEES_ABOVE_CAP, SIGNING_UNAVAILABLE, BOOK_RESTORED,
        RACE_LOST (retried), KEY_ACCESS_DENIED, LEASE_LOST (final).

        A sealed key that does not open freezes its wallet.
        """
        execution = await self._executions.load_to_act(request.order.execution_id)
        venue = self._venues[execution.order.venue]
        leg = venue.legs(execution.intent)[request.leg_no - 1]
        attempts = [
            attempt
            for attempt in await self._attempts.of_execution(execution.id)
            if attempt.leg_no == leg.no and attempt.state is AttemptState.SIGNED
        ]
        for attempt in attempts:
            if attempt.attempt_no == request.attempt_no or attempt.succeeded:
                return SignAnswer(venue_ref=attempt.venue_ref)
        if execution.status in FINAL:
            return SignAnswer(codes=execution.codes or (execution.status.value,))
        if refusal := await self._forbidden(execution):
            return SignAnswer(codes=(refusal,))
        # While one may land, only what shares its nonce may be signed.
        replaces = next((attempt for attempt in reversed(attempts) if attempt.open), None)
        if replaces and not (venue.sequential or replaces.slot.durable):
            return SignAnswer(venue_ref=replaces.venue_ref)

        slot = replaces.slot if replaces else await venue.slot(execution.wallet)
        try:
            attempt = await self._attempts.allocate(
                execution, request.epoch, leg, request.attempt_no, slot, venue, replaces
            )
        except ForeignNonce as error:
            await self._system.freeze(execution.wallet, error.code, str(error), execution.id)
            return SignAnswer(codes=(error.code,))
        if attempt.state is AttemptState.SIGNED:  # another try of this step was quicker
            return SignAnswer(venue_ref=attempt.venue_ref)
        drawn = await (self._replacement(venue, replaces) if replaces else self._payload(venue, leg, attempt))
        if isinstance(drawn, _Refused):
            log.warning("payload refused", execution_id=execution.id, reasons=drawn.reasons)
            await self._executions.note(
                execution, "payload.refused", leg=leg.no, attempt=request.attempt_no, reasons=list(drawn.reasons)
            )
            # Nothing replaces what is out: it is followed as it is.
            return SignAnswer(venue_ref=replaces.venue_ref) if replaces else SignAnswer(codes=drawn.codes)
        if self._is_dry(execution):
            await self._executions.note(execution, "dry_run.simulated", leg=leg.kind.value, terms=drawn.terms)
            return SignAnswer(codes=(DRY_RUN,))
        # While we built, the switch may have been flipped, the wallet frozen, or the execution ended by another run.
        now = await self._executions.load(execution.id)
        if now.status in FINAL:
            return SignAnswer(codes=now.codes or (now.status.value,))
        if refusal := await self._forbidden(now):
            return SignAnswer(codes=(refusal,))
        try:
            signature = await self._custodians[execution.wallet.custodian].sign(
                execution.wallet, drawn.unsigned.message
            )
        except SealedKeyBroken as error:
            alert(error.code, str(error), wallet_id=execution.wallet.id)
            await self._system.freeze(execution.wallet, error.code, str(error))
            # What replaces another can wait: that one is followed as it is.
            return SignAnswer(venue_ref=replaces.venue_ref) if replaces else SignAnswer(codes=(error.code,))
        stored = await self._attempts.store(
            execution, request.epoch, attempt, venue.seal(drawn.unsigned, signature), sequential=venue.sequential
        )
        return SignAnswer(venue_ref=stored.venue_ref)

    async def _payload(self, venue: Venue, leg: Leg, attempt: Attempt) -> "_Drawn | _Refused":
        try:
            quote = await venue.quote(leg.intent)
            unsigned = await venue.build(leg, quote, attempt.slot)
        except NoRoute as error:
            return _Refused((error.code,), (str(error),))
        if refusals := await venue.examine(leg, quote, attempt.slot, unsigned):
            return _refused(refusals)
        return _Drawn(unsigned, f"expected {quote.expected}, at least {quote.minimum}")

    async def _replacement(self, venue: Venue, replaces: Attempt) -> "_Drawn | _Refused":
        try:
            unsigned = await venue.replace(replaces.sent)
        except FeesAboveCap as error:
            return _Refused((error.code,), (str(error),))
        if refusals := venue.examine_replacement(replaces.sent, unsigned):
            return _refused(refusals)
        return _Drawn(unsigned, f"in place of {replaces.venue_ref}")

    async def _forbidden(self, execution: Execution) -> str:
        return policy.forbids_signing(
            execution.policy,
            self._limits,
            kill_switch=await self._system.halted(),
            wallet_usable=not execution.wallet.frozen,
            dry_run=self._is_dry(execution),
        )

    def _is_dry(self, execution: Execution) -> bool:
        return execution.dry_run or self._limits.dry_run


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A payload that may be signed; `terms` say what it would do, for people."""

    unsigned: Unsigned
    terms: str


@dataclass(frozen=True, slots=True)
class _Refused:
    codes: tuple[str, ...]
    reasons: tuple[str, ...]


def _refused(refusals: tuple[Refusal, ...]) -> _Refused:
    codes = tuple(dict.fromkeys(refusal.objection.value for refusal in refusals))
    return _Refused(codes, tuple(f"{refusal.objection}: {refusal.detail}" for refusal in refusals))
