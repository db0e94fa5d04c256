"""What does not move is compared with Temporal: begun again, ended, shown to a person, or everything halts."""

import asyncio

import structlog
from temporalio import activity
from temporalio.service import RPCError

from domain.errors import IllegalTransition
from domain.lifecycle import FINAL, ExecutionState
from domain.recovery import BOOK_RESTORED, Remedy, remedy
from infra.alerts import alert
from infra.db.executions import Executions
from infra.db.halts import Halts
from infra.db.leases import Leases
from infra.db.stuck import StuckExecutions, Unmoved
from infra.db.system import System
from infra.temporal.runs import Runs
from infra.temporal.starter import Starter

log = structlog.get_logger(__name__)

# A healthy step takes seconds; what has not moved for so long waits for a wallet, for finality, or for nobody.
UNMOVED_S = 30

# Looked at and found running, an execution is left alone for so long.
REST_S = 60

# A page of 100 takes about a second; 1000 that wait for one wallet are seen once in less than two minutes.
PAGE = 100
AT_ONCE = 10

NOBODY_ASKED = "STEP_FAILED"


class ResumeStuck:
    def __init__(
        self,
        stuck: StuckExecutions,
        executions: Executions,
        leases: Leases,
        system: System,
        halts: Halts,
        runs: Runs,
        starter: Starter,
    ) -> None:
        self._stuck = stuck
        self._executions = executions
        self._leases = leases
        self._system = system
        self._halts = halts
        self._runs = runs
        self._starter = starter

    @activity.defn(name="resume_stuck")
    async def run(self) -> int:
        """How many workflows were started again. One that Temporal tells nothing of now comes again later."""
        page = await self._stuck.next(UNMOVED_S, REST_S, PAGE)
        recovered_at = await self._halts.recovered_at()
        turn = asyncio.Semaphore(AT_ONCE)

        async def looked_at(unmoved: Unmoved) -> bool:
            async with turn:
                try:
                    run = await self._runs.latest(unmoved.order)
                except RPCError as error:
                    log.warning("run not read", execution_id=unmoved.order.execution_id, reason=error.status.name)
                    return False
                if not await self._stuck.is_open(unmoved.order):  # it ended while we asked
                    return False
                return await self._remedied(unmoved, remedy(unmoved.stuck, run, recovered_at))

        return sum(await asyncio.gather(*(looked_at(unmoved) for unmoved in page)))

    async def _remedied(self, unmoved: Unmoved, chosen: Remedy) -> bool:
        """Whether its workflow was started again."""
        order = unmoved.order
        match chosen:
            case Remedy.LEAVE:
                return False
            case Remedy.RESTART:
                log.warning("workflow begun again", execution_id=order.execution_id)
                try:
                    return await self._starter.restart(order, unmoved.trace)
                except IllegalTransition:  # it ended meanwhile
                    return False
            case Remedy.ASK:
                execution = await self._executions.load(order.execution_id)
                sentence = f"the workflow of {order.execution_id} has failed: see why in Temporal, then reset it"
                alert(NOBODY_ASKED, sentence)
                await self._system.escalate(execution, NOBODY_ASKED, sentence)
            case Remedy.END:
                execution = await self._executions.load(order.execution_id)
                if execution.status not in FINAL:
                    await self._leases.refuse(execution, execution.status, ExecutionState.BLOCKED, (BOOK_RESTORED,))
            case Remedy.HALT:
                reason = f"Temporal has completed {order.execution_id}, which the book holds open"
                if await self._halts.halt_restored(reason):
                    alert(BOOK_RESTORED, f"the book was restored: {reason}. Use `tripwire recover`")
        return False
