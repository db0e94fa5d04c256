"""The core workflow: the order of the six steps, and nothing that moves money by itself."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.confirm import Confirm
    from activities.escalate import Escalate
    from activities.lock import Lock
    from activities.preflight import Preflight
    from activities.reconcile import Reconcile
    from activities.results import Ending, EndRequest, Finding, Follow, Question, SignAnswer, SignRequest
    from activities.sign import Sign
    from activities.submit import Submit
    from domain.attempts import REPLACE_AFTER, Move
    from domain.executions import Order
    from infra.temporal.attributes import OUTCOME, STAGE
    from workflows.options import (
        LEASE_RECHECK_FIRST,
        LEASE_RECHECK_MOST,
        QUICK,
        SEND,
        SIGN,
        UNKNOWN_RECHECK,
        WATCH,
    )

step = workflow.execute_activity_method

FATE_UNKNOWN = (
    "FATE_UNKNOWN",
    (
        "A signed payload may still land, and the venue has not said for a quarter of an hour whether it did. "
        "Look its reference up at another node; the funds stay held until one answers."
    ),
)

FOREIGN_NONCE = (
    "FOREIGN_NONCE",
    (
        "Another transaction has used the nonce of what we signed: somebody else signs with this wallet's key. "
        "The wallet is frozen. Move its funds, and find out who."
    ),
)


@workflow.defn(name="ExecuteRule")
class ExecuteRule:
    """One trigger becomes one settlement, or one refusal that names its codes."""

    def __init__(self) -> None:
        self._stage = "PENDING"
        self._waiting_for = "the first checks"
        self._released = False
        self._cancelled = False
        self._may_be_out = False

    @workflow.run
    async def run(self, order: Order) -> Ending:
        """Errors: a step's final failure ends the run with its code, after a person has been asked."""
        try:
            try:
                return await self._carry_out(order)
            except (ActivityError, asyncio.CancelledError) as error:
                if not is_cancelled_exception(error):
                    raise
                # An operator's cancel ends what is safe to end, and follows the rest to its end.
                return await self._end(EndRequest(order, ("CANCELLED_BY_OPERATOR",), cancelled=True))
        except ActivityError as error:
            question = Question(order, _code(error, "STEP_FAILED"), f"{error.activity_type}: {error.cause}")
            await step(Escalate.run, question, summary="raise an operator's task", **QUICK)
            raise

    async def _carry_out(self, order: Order) -> Ending:
        self._show("PENDING", "checking whether the rule may act now")
        checked = await step(Preflight.run, order, summary="every check, recorded", **QUICK)
        self._may_be_out = checked.may_be_out
        if checked.over:
            return await self._end(EndRequest(order))
        if not checked.passed:
            return self._over(Ending("BLOCKED", checked.codes))

        self._show("PREFLIGHT", f"waiting for wallet `{order.wallet_id}`")
        epoch = await self._lock(order)
        if isinstance(epoch, Ending):
            return epoch

        leg_no = attempt_no = 1
        followed: str | None = None
        replacing = False
        while True:
            self._show("LOCKED", f"building and signing attempt {attempt_no} of leg {leg_no}")
            signed = await self._sign(SignRequest(order, epoch, leg_no, attempt_no))
            # What should be replaced and cannot be is followed as it is.
            venue_ref = signed.venue_ref or (followed if replacing else None)
            if venue_ref is None:
                return await self._end(EndRequest(order, signed.codes, cancelled=self._cancelled))

            self._show("SIGNED", f"sending `{venue_ref}`")
            # The same payload again: what should have taken its place could not be signed. Not at once again.
            pause = REPLACE_AFTER if venue_ref == followed else timedelta(0)
            followed = venue_ref
            finding = await self._follow(Follow(order, workflow.now() + pause), venue_ref)
            replacing = finding.move is Move.REPLACE
            match finding.move:
                case Move.NEXT_LEG:
                    leg_no, attempt_no = finding.leg_no + 1, 1
                case Move.NEW_ATTEMPT | Move.REPLACE:
                    leg_no, attempt_no = finding.leg_no, finding.attempts + 1
                case _:
                    self._show("CONFIRMED", "reading what moved and booking it")
                    return await self._end(EndRequest(order))

    async def _lock(self, order: Order) -> int | Ending:
        """The fencing token of the wallet's lease, however long the queue; or the refusal found under the lock."""
        recheck = LEASE_RECHECK_FIRST
        while True:
            self._released = False
            if self._cancelled:
                return await self._end(EndRequest(order, ("CANCELLED_BY_OWNER",), cancelled=True))
            lock = await step(Lock.run, order, summary=f"lease of {order.wallet_id}", **QUICK)
            if lock.over:
                return await self._end(EndRequest(order))
            if lock.codes:
                await self._wake(lock.next_waiter)
                return self._over(Ending("BLOCKED", lock.codes))
            if lock.epoch is not None:
                return lock.epoch
            try:
                await workflow.wait_condition(lambda: self._released or self._cancelled, timeout=recheck)
            except TimeoutError:
                recheck = min(recheck * 2, LEASE_RECHECK_MOST)

    async def _sign(self, request: SignRequest) -> SignAnswer:
        """What the signer answers; its final failure is a refusal with the failure's code."""
        if self._cancelled and not self._may_be_out:
            return SignAnswer(codes=("CANCELLED_BY_OWNER",))
        self._may_be_out = True  # from here a payload may exist: cancelling is no longer ours to promise
        try:
            return await step(Sign.run, request, summary=f"leg {request.leg_no}, attempt {request.attempt_no}", **SIGN)
        except ActivityError as error:
            return SignAnswer(codes=(_code(error, "SIGNING_TIMED_OUT"),))

    async def _follow(self, follow: Follow, venue_ref: str) -> Finding:
        """Send what is signed, and find out what became of it."""
        await step(Submit.run, follow.order, summary=venue_ref, **SEND)
        self._show("SUBMITTED", f"waiting until `{venue_ref}` is final or provably dead")
        return await self._confirm(follow)

    async def _confirm(self, follow: Follow) -> Finding:
        """The finding that ends this attempt. What nobody can tell is shown to a person, and asked again."""
        while True:
            finding = await step(Confirm.run, follow, summary="look up until certain", **WATCH)
            if finding.move is not Move.ESCALATE:
                return finding
            code, advice = FOREIGN_NONCE if finding.foreign else FATE_UNKNOWN
            question = Question(follow.order, code, f"{advice} {finding.detail}", freeze=finding.foreign)
            await step(Escalate.run, question, summary="raise an operator's task", **QUICK)
            self._show("UNKNOWN", f"nobody can say yet what became of it: {finding.detail}")
            await self._pause(follow.order)

    async def _end(self, request: EndRequest) -> Ending:
        ending = await step(Reconcile.run, request, summary="book, compare, release", **QUICK)
        while ending.still_open:  # something was signed after all: it is followed, whatever ended the rest
            self._may_be_out = True
            await self._follow(Follow(request.order), "the newest attempt")
            ending = await step(Reconcile.run, request, summary="book, compare, release", **QUICK)
            if ending.still_open:
                await self._pause(request.order)
        await self._wake(ending.next_waiter)
        return self._over(ending)

    async def _pause(self, order: Order) -> None:
        """A while before the next look. A history that has grown long begins anew: every step has its record."""
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(order)
        await workflow.sleep(UNKNOWN_RECHECK, summary="look again")

    async def _wake(self, workflow_id: str | None) -> None:
        """Tell the wallet's next waiter. If it cannot be told, its own timer finds out."""
        if workflow_id is None:
            return
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal("wallet_released")
        except ApplicationError as error:
            workflow.logger.info("next waiter not reached: %s", error.type)

    def _over(self, ending: Ending) -> Ending:
        self._show(ending.status, ", ".join(ending.codes) or "nothing: it is over")
        workflow.upsert_search_attributes([OUTCOME.value_set(ending.status)])
        return ending

    def _show(self, stage: str, waiting_for: str) -> None:
        self._stage, self._waiting_for = stage, waiting_for
        workflow.set_current_details(f"**{stage}**: {waiting_for}")
        workflow.upsert_search_attributes([STAGE.value_set(stage)])

    @workflow.signal
    def wallet_released(self) -> None:
        self._released = True

    @workflow.query
    def status(self) -> dict[str, str]:
        return {"stage": self._stage, "waiting_for": self._waiting_for}

    @workflow.query
    def explain(self) -> str:
        return f"{self._stage}: {self._waiting_for}"

    @workflow.update
    def cancel(self) -> str:
        """Stop before anything is signed. Refused from then on: what may be out cannot be called back."""
        self._cancelled = True
        return "will stop before signing"

    @cancel.validator
    def _may_cancel(self) -> None:
        if self._may_be_out:
            raise ApplicationError(
                "a payload may already be signed and sent; it will be followed to its end", type="TOO_LATE_TO_CANCEL"
            )


def _code(error: ActivityError, otherwise: str) -> str:
    cause = error.cause
    return cause.type if isinstance(cause, ApplicationError) and cause.type else otherwise
