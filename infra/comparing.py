"""Gathers what chain and book say of a wallet, and has `domain.reconciliation` judge it."""

from collections.abc import Iterable, Mapping

from domain import assets
from domain.attempts import AttemptState, Fate, Sighting
from domain.chains import chain
from domain.errors import ChainUnavailable
from domain.executions import Execution
from domain.reconciliation import (
    DEAD_WITHIN,
    SETTLED_WITHIN,
    Finding,
    Line,
    Moved,
    Seen,
    attribute,
    attribute_restored,
    behind,
    taken_back,
)
from domain.wallets import Wallet
from infra.db.attempts import Attempt, Attempts
from infra.db.executions import Executions
from infra.db.ledger import Ledger
from infra.db.standing import Payload, Standing
from infra.venues.protocol import Venue


class Comparison:
    def __init__(
        self,
        executions: Executions,
        attempts: Attempts,
        ledger: Ledger,
        standing: Standing,
        venues: Mapping[str, Venue],
    ) -> None:
        self._executions = executions
        self._attempts = attempts
        self._ledger = ledger
        self._standing = standing
        self._venues = venues

    async def at_a_glance(self, wallet: Wallet) -> Finding:
        """Balances alone where they agree, everything where they do not. For a wallet with nothing in flight.

        Errors: CHAIN_UNAVAILABLE, SETTLEMENT_UNREADABLE (retried).
        """
        venue = self._venue(wallet)
        lines = await self._lines(wallet, venue)
        if any(line.difference for line in lines):
            return await self._closely(wallet, venue, lines)
        return attribute(Seen(lines))

    async def closely(self, wallet: Wallet) -> Finding:
        """Balances, what others signed, and what of ours is no longer what the book says. Errors: the same."""
        venue = self._venue(wallet)
        return await self._closely(wallet, venue, await self._lines(wallet, venue))

    async def after_restore(self, wallet: Wallet) -> Finding:
        """Whether the book holds all that the chain shows, in flight or not. Errors: the same."""
        venue = self._venue(wallet)
        lines = await self._lines(wallet, venue)
        strangers = await venue.strangers(wallet, await self._standing.known(wallet.id))
        payloads = await self._standing.open(wallet.id) + await self._standing.written_off(wallet.id, DEAD_WITHIN)
        late = await self._landed(payloads, venue)
        gone = await self._gone(await self._standing.settled(wallet.id, SETTLED_WITHIN), venue)
        return attribute_restored(Seen(lines, strangers, late, gone))

    async def _closely(self, wallet: Wallet, venue: Venue, lines: tuple[Line, ...]) -> Finding:
        strangers = await venue.strangers(wallet, await self._standing.known(wallet.id))
        gone = await self._gone(await self._standing.settled(wallet.id, SETTLED_WITHIN), venue)
        late: tuple[Moved, ...] = ()
        if any(line.difference for line in lines):  # what has landed and is not booked has moved at least its fee
            late = await self._landed(await self._standing.written_off(wallet.id, DEAD_WITHIN), venue)
        return attribute(Seen(lines, strangers, late, gone))

    def _venue(self, wallet: Wallet) -> Venue:
        name = chain(wallet.chain).venue
        if name not in self._venues:
            raise ChainUnavailable(f"no venue of {wallet.chain} is configured: set its nodes")
        return self._venues[name]

    async def _lines(self, wallet: Wallet, venue: Venue) -> tuple[Line, ...]:
        known = tuple(assets.BY_CHAIN[wallet.chain].values())
        on_chain = await venue.balances(wallet.address, known)
        booked = await self._ledger.balances(wallet.id)
        return tuple(Line(asset, on_chain[asset.id].base, booked.get(asset.id, 0)) for asset in known)

    async def _gone(self, settled: list[Payload], venue: Venue) -> tuple[Moved, ...]:
        """What was settled and is not there any more. Errors: CHAIN_UNAVAILABLE (retried), by a node that is behind."""
        landed_in = {payload.attempt_id: payload.landed_in for payload in settled}
        found: list[Moved] = []
        for _, attempt, sighting in await self._looked_up(settled, venue):
            block, reference = landed_in[attempt.id], attempt.sent.venue_ref
            assert block is not None, "what is settled landed in a block"  # noqa: S101
            if behind(sighting, block):
                raise ChainUnavailable(
                    f"{reference} settled in {block}, and the node may not know it: {sighting.detail}"
                )
            if taken_back(sighting, block):
                found.append(Moved(attempt.id, reference))
        return tuple(found)

    async def _landed(self, payloads: Iterable[Payload], venue: Venue) -> tuple[Moved, ...]:
        found: list[Moved] = []
        for execution, attempt, sighting in await self._looked_up(payloads, venue):
            if sighting.fate is Fate.LANDED:
                leg = venue.legs(execution.intent)[attempt.leg_no - 1]
                settlement = await venue.settle(attempt.sent, leg)
                changes = tuple(settlement.wallet_changes.items())
                found.append(Moved(attempt.id, settlement.reference, changes))
        return tuple(found)

    async def _looked_up(self, payloads: Iterable[Payload], venue: Venue) -> list[tuple[Execution, Attempt, Sighting]]:
        wanted = {payload.attempt_id: payload.execution_id for payload in payloads}
        found: list[tuple[Execution, Attempt]] = []
        for execution_id in dict.fromkeys(wanted.values()):
            execution = await self._executions.load(execution_id)
            attempts = await self._attempts.of_execution(execution_id)
            found += [(execution, a) for a in attempts if a.id in wanted and a.state is AttemptState.SIGNED]
        if not found:
            return []
        sightings = await venue.look_up(tuple(attempt.sent for _, attempt in found))
        return [(execution, a, sighting) for (execution, a), sighting in zip(found, sightings, strict=True)]
