"""Step 3, in the signer: allocate, build, verify against the recorded intent, sign, store. In that order."""

from collections.abc import Mapping

import structlog
from temporalio import activity

from activities.heartbeat import heartbeats
from activities.results import SignAnswer, SignRequest
from domain import policy
from domain.attempts import AttemptState
from domain.errors import NoRoute
from domain.executions import Execution
from domain.lifecycle import FINAL
from domain.policy import Policy
from infra.custody.protocol import Custodian
from infra.db.attempts import Attempts
from infra.db.executions import Executions
from infra.db.system import System
from infra.venues.protocol import Venue

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

        Errors: QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE, SIGNING_UNAVAILABLE, RACE_LOST (retried),
        KEY_ACCESS_DENIED, LEASE_LOST (final).
        """
        async with heartbeats():
            return await self._run(request)

    async def _run(self, request: SignRequest) -> SignAnswer:
        execution = await self._executions.load(request.order.execution_id)
        for attempt in await self._attempts.of_execution(execution.id):
            if attempt.attempt_no == request.attempt_no and attempt.state is AttemptState.SIGNED:
                return SignAnswer(venue_ref=attempt.venue_ref)
        if execution.status in FINAL:
            return SignAnswer(codes=execution.codes or (execution.status.value,))
        if refusal := await self._forbidden(execution):
            return SignAnswer(codes=(refusal,))

        venue = self._venues[request.order.venue]
        slot = await venue.slot()
        attempt = await self._attempts.allocate(execution, request.epoch, request.attempt_no, slot, venue.name)
        if attempt.state is AttemptState.SIGNED:  # another try of this step was quicker
            return SignAnswer(venue_ref=attempt.venue_ref)

        try:
            quote = await venue.quote(execution.intent)
            unsigned = await venue.build(execution.intent, quote, attempt.slot)
        except NoRoute as error:
            return SignAnswer(codes=(error.code,))
        refusals = await venue.examine(execution.intent, quote, attempt.slot, unsigned)
        if refusals:
            reasons = [f"{refusal.objection}: {refusal.detail}" for refusal in refusals]
            log.warning("payload refused", execution_id=execution.id, reasons=reasons)
            await self._executions.note(execution, "payload.refused", attempt=request.attempt_no, reasons=reasons)
            return SignAnswer(codes=tuple(dict.fromkeys(refusal.objection.value for refusal in refusals)))
        if self._is_dry(execution):
            await self._executions.note(
                execution, "dry_run.simulated", expected=str(quote.expected), minimum=str(quote.minimum)
            )
            return SignAnswer(codes=(DRY_RUN,))
        # The switch may have been flipped, or the wallet frozen, while we built.
        if refusal := await self._forbidden(await self._executions.load(execution.id)):
            return SignAnswer(codes=(refusal,))
        signature = await self._custodians[execution.wallet.custodian].sign(execution.wallet, unsigned.message)
        stored = await self._attempts.store(execution, request.epoch, attempt, venue.seal(unsigned, signature))
        return SignAnswer(venue_ref=stored.venue_ref)

    async def _forbidden(self, execution: Execution) -> str:
        return policy.forbids_signing(
            execution.policy,
            self._limits,
            kill_switch=await self._system.kill_switch_on(),
            wallet_usable=not execution.wallet.frozen,
            dry_run=self._is_dry(execution),
        )

    def _is_dry(self, execution: Execution) -> bool:
        return execution.dry_run or self._limits.dry_run
