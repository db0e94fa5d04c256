"""Nothing here can decide further: hand the execution to a person, with its hold and lease kept."""

from temporalio import activity

from activities.results import Question
from infra.db.executions import Executions
from infra.db.system import System


class Escalate:
    def __init__(self, executions: Executions, system: System) -> None:
        self._executions = executions
        self._system = system

    @activity.defn(name="escalate")
    async def run(self, question: Question) -> None:
        """Raise an operator's task, once, and move what may be out to UNKNOWN. Errors: RACE_LOST (retried)."""
        execution = await self._executions.load(question.order.execution_id)
        if question.freeze:
            await self._system.freeze(execution.wallet, question.code, question.detail, execution.id)
        await self._system.escalate(execution, question.code, question.detail)
