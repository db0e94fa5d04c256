"""Nothing is certain for too long: hand the execution to a person, with its hold and lease kept."""

from temporalio import activity

from domain.executions import Order
from infra.db.executions import Executions
from infra.db.system import System


class Escalate:
    def __init__(self, executions: Executions, system: System) -> None:
        self._executions = executions
        self._system = system

    @activity.defn(name="escalate")
    async def run(self, order: Order) -> None:
        """Move to UNKNOWN and raise an operator's task, once. Errors: RACE_LOST (retried)."""
        execution = await self._executions.load(order.execution_id)
        await self._system.escalate(
            execution,
            "FATE_UNKNOWN",
            "A signed payload may still land, and the venue has not said for a quarter of an hour whether it did. "
            "Look its reference up at another node; funds stay held until one answers.",
        )
