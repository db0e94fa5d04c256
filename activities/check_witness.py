"""The witness outside the book: what an earlier sweep saw of the audit chain, kept by Temporal."""

from dataclasses import dataclass

from temporalio import activity

from infra.alerts import alert
from infra.db.halts import Halts, Head

CODE = "BOOK_RESTORED"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The chain's head now, for the next sweep to ask about. `restored`: nothing may be begun."""

    head: Head
    restored: bool


class CheckWitness:
    def __init__(self, halts: Halts) -> None:
        self._halts = halts

    @activity.defn(name="check_witness")
    async def run(self, witness: Head | None) -> Witnessed:
        """Halt everything if the event that was the last one before is gone or changed: the book was put back.

        Without a witness (Temporal is new, or has lost everything) nothing is halted.
        """
        if witness is not None and not await self._halts.holds(witness):
            await self._halt(f"event {witness.seq} of the audit chain is gone or changed since the last sweep")
        return Witnessed(await self._halts.head(), await self._halts.restored())

    async def _halt(self, reason: str) -> None:
        if await self._halts.halt_restored(reason):
            alert(CODE, f"the book was restored: {reason}. Compare it with the chain: `tripwire recover`")
