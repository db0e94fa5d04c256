"""Step 5: look until something is certain. Waits, sends the same bytes again, or says what comes next."""

from collections.abc import Mapping
from datetime import UTC, datetime

from temporalio import activity

from activities.results import Finding, Follow
from activities.submit import broadcast
from domain.attempts import MAX_ATTEMPTS, AttemptState, Move, Sighting, next_move
from domain.errors import BookBehind
from domain.executions import Execution
from domain.lifecycle import FINAL
from infra.db.attempts import Attempt, Attempts, families_of_open
from infra.db.executions import Executions
from infra.db.ledger import Ledger
from infra.venues.gathering import GatheredLookUps
from infra.venues.protocol import Venue

NEVER = datetime.max.replace(tzinfo=UTC)


class Confirm:
    def __init__(
        self,
        executions: Executions,
        attempts: Attempts,
        ledger: Ledger,
        venues: Mapping[str, Venue],
    ) -> None:
        self._executions = executions
        self._attempts = attempts
        self._ledger = ledger
        self._venues = venues
        self._look_ups = {name: GatheredLookUps(venue) for name, venue in venues.items()}

    @activity.defn(name="confirm")
    async def run(self, follow: Follow) -> Finding:
        """Settle, a new attempt, failure, or a person's decision.

        Errors: BOOK_BEHIND_TEMPORAL (final), where the book holds nothing that could be confirmed.
        """
        order, replace_from = follow.order, follow.replace_from or NEVER
        execution = await self._executions.load(order.execution_id)
        venue = self._venues[execution.order.venue]
        legs = venue.legs(execution.intent)
        while True:
            attempts = await self._attempts.of_execution(execution.id)
            signed = [attempt for attempt in attempts if attempt.state is AttemptState.SIGNED]
            if not signed:
                raise BookBehind(f"{execution.id} is to be confirmed, but was never signed")
            leg = legs[signed[-1].leg_no - 1]
            seen = await self._look(execution, signed)
            signed = [attempt for attempt in signed if attempt.leg_no == leg.no]
            sightings = [seen[attempt.id] for attempt in signed]
            tries = tuple(a.tried(s) for a, s in zip(signed, sightings, strict=True))
            move = next_move(tries, datetime.now(UTC), MAX_ATTEMPTS[leg.kind], replace_from)
            if move is Move.SETTLE and leg is not legs[-1]:
                move = Move.NEXT_LEG
            if execution.status in FINAL and move not in (Move.SETTLE, Move.FAIL):
                return Finding(Move.FAIL, leg.no, len(signed), "already over")
            if move is Move.SETTLE:
                await self._ledger.confirm(execution)
            elif move is Move.REBROADCAST:
                newest_open = [a for a, t in zip(signed, tries, strict=True) if not t.sighting.over][-1]
                await broadcast(newest_open, self._attempts, venue)
            if move not in (Move.WAIT, Move.REBROADCAST):
                foreign = any(sighting.foreign for sighting in sightings)
                return Finding(move, leg.no, len(signed), sightings[-1].detail, foreign)

    async def _look(self, execution: Execution, signed: list[Attempt]) -> dict[str, Sighting]:
        """A sighting for each, by id: recorded where it is final, asked anew where it is not, at the pace of all.

        Of every leg: a signer that slept while its leg ended may have stored a replacement there since.
        """
        asked = families_of_open(signed)
        told = await self._look_ups[execution.order.venue].look_up(tuple(a.sent for a in asked))
        fresh = {a.id: s for a, s in zip(asked, told, strict=True) if a.open}
        if news := {a.id: fresh[a.id] for a in signed if a.id in fresh and fresh[a.id].fate is not a.fate}:
            await self._attempts.note_fates(execution, news)
        return {a.id: fresh.get(a.id) or Sighting(a.fate, a.succeeded, detail=a.detail) for a in signed}
