"""Step 4: send the stored bytes. Whatever is heard back is kept for people; the look-up has the last word."""

from collections.abc import Mapping

from temporalio import activity

from domain.attempts import AttemptState
from domain.errors import BookBehind, ChainUnavailable
from domain.executions import Order
from domain.lifecycle import FINAL
from infra.db.attempts import Attempt, Attempts
from infra.db.executions import Executions
from infra.venues.protocol import Venue


class Submit:
    def __init__(self, executions: Executions, attempts: Attempts, venues: Mapping[str, Venue]) -> None:
        self._executions = executions
        self._attempts = attempts
        self._venues = venues

    @activity.defn(name="submit")
    async def run(self, order: Order) -> str:
        """Send the newest attempt's bytes, unless its fate is known, or the kill switch or a freeze holds it back.

        Returns what the venue answered, in words. Errors: BOOK_BEHIND_TEMPORAL (final).
        """
        execution = await self._executions.load(order.execution_id)
        if execution.status in FINAL:
            return "already over"
        attempts = await self._attempts.of_execution(execution.id)
        signed = [attempt for attempt in attempts if attempt.state is AttemptState.SIGNED]
        if not signed:
            raise BookBehind(f"{execution.id} is to be submitted, but the book holds no signed payload")
        newest = signed[-1]
        if not newest.open:
            return "its fate is known"
        answer = await broadcast(newest, self._attempts, self._venues[execution.order.venue])
        await self._attempts.mark_submitted(execution, newest)
        return answer


async def broadcast(attempt: Attempt, attempts: Attempts, venue: Venue) -> str:
    """Note the sending, send the very bytes, note the answer. A send without an answer is neither yes nor no."""
    number = await attempts.note_sending(attempt)
    if number is None:
        return "held back: everything is halted, or the wallet is frozen"
    try:
        receipt = await venue.submit(attempt.sent.payload)
    except ChainUnavailable as error:
        answer = f"no answer: {error}"
    else:
        answer = receipt.answer
    await attempts.note_answer(number, answer)
    return answer
