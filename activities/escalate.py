"""Nothing here can decide further: hand the execution to a person, with its hold and lease kept."""

from temporalio import activity

from activities.results import Question
from domain.errors import BookBehind
from infra.alerts import alert
from infra.db.executions import Executions
from infra.db.halts import Halts
from infra.db.system import System


class Escalate:
    def __init__(self, executions: Executions, system: System, halts: Halts) -> None:
        self._executions = executions
        self._system = system
        self._halts = halts

    @activity.defn(name="escalate")
    async def run(self, question: Question) -> None:
        """Raise an operator's task, once, and move what may be out to UNKNOWN. Errors: RACE_LOST (retried).

        A step of which the book knows nothing means that the book was put back: then everything is halted.
        """
        execution = await self._executions.load(question.order.execution_id)
        alert(question.code, question.detail)
        if question.code == BookBehind.code:
            await self._halts.halt_restored(question.detail)
        if question.freeze:
            await self._system.freeze(execution.wallet, question.code, question.detail, execution.id)
        await self._system.escalate(execution, question.code, question.detail)
