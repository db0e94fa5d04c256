"""What operators decide: the facts of a task from book and venue, and the carrying out of the move they choose."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain import assets, operator_moves
from domain.attempts import Fate, Sighting
from domain.chains import CHAINS
from domain.errors import MoveNotSafe, RaceLost, TripwireError
from domain.executions import Execution
from domain.lifecycle import FINAL
from domain.money import Amount
from domain.operator_moves import OpenPayload, OperatorMove, Situation
from domain.wallets import Wallet
from infra import telemetry
from infra.db import remedies
from infra.db.attempts import Attempt, Attempts, families_of_open
from infra.db.executions import Executions
from infra.db.leases import Lease, Leases
from infra.db.ledger import Ledger
from infra.db.tasks import Remedy, Resolution, Task, Tasks
from infra.db.wallets import Wallets
from infra.temporal.starter import Starter
from infra.venues.protocol import Venue

_BEGINS_A_RUN = (OperatorMove.RETRY, OperatorMove.LOOK_AGAIN, OperatorMove.DECLARE_DEAD)


@dataclass(frozen=True, slots=True)
class Seen:
    """A task with all that decides about it, as of now. `sightings` are by attempt id, of what is open alone.

    `on_chain` holds the wallet's final balances, None where they cannot be read; `booked` is the book's, in base
    units. Both by CAIP-19 id.
    """

    task: Task
    wallet: Wallet
    execution: Execution | None
    attempts: tuple[Attempt, ...]
    sightings: Mapping[str, Sighting]
    lease: Lease
    on_chain: Mapping[str, Amount] | None
    booked: Mapping[str, int]
    situation: Situation


class Operations:
    def __init__(
        self,
        tasks: Tasks,
        wallets: Wallets,
        executions: Executions,
        attempts: Attempts,
        leases: Leases,
        ledger: Ledger,
        venues: Mapping[str, Venue],
        starter: Starter,
    ) -> None:
        self._tasks = tasks
        self._wallets = wallets
        self._executions = executions
        self._attempts = attempts
        self._leases = leases
        self._ledger = ledger
        self._venues = venues
        self._starter = starter

    async def look(self, task: Task) -> Seen:
        """Ask book and venue about a task, now. What the venue does not answer stays unknown."""
        wallet = await self._wallets.of_anybody(task.wallet_id)
        venue = self._venues.get(CHAINS[wallet.chain].venue)
        execution = await self._executions.load(task.execution_id) if task.execution_id else None
        attempts = await self._attempts.of_execution(execution.id) if execution else []
        # In this order: an execution that begins meanwhile is noticed by the lease's token, and a balance that is
        # read after the look-up shows what the looked-up payloads took.
        lease = await self._leases.read(wallet.id)
        open_attempts = [attempt for attempt in attempts if attempt.open]
        sightings = await _sightings(venue, attempts)
        on_chain = await _balances(venue, wallet)
        booked = await self._ledger.balances(wallet.id)
        in_flight = await self._in_flight(lease, wallet)
        situation = Situation(
            code=task.code,
            execution=execution.status if execution else None,
            open_payloads=tuple(_payload(attempt, sightings[attempt.id], venue, wallet) for attempt in open_attempts),
            short=_short(execution, venue, on_chain, booked),
            frozen=wallet.frozen,
            in_flight=in_flight,
            other_tasks=tuple(n for n in await self._tasks.open_of_wallet(wallet.id) if n != task.id),
            counted=venue is not None and venue.sequential,
            counts=await self._counts(venue, wallet),
            differs=None if on_chain is None else any(a.base != booked.get(i, 0) for i, a in on_chain.items()),
        )
        return Seen(task, wallet, execution, tuple(attempts), sightings, lease, on_chain, booked, situation)

    async def resolve(self, task: Task, wanted: Resolution) -> Task:
        """Make the chosen move, if it is safe now. Asked again in the same words, it goes on where it stopped.

        Errors: INVALID_INPUT, MOVE_NOT_SAFE (final), RACE_LOST (retried).
        """
        operator_moves.check_words(wanted.move, wanted.reason, wanted.evidence)
        if task.resolution is None:
            seen = await self.look(task)
            if unsafe := operator_moves.judge(wanted.move, seen.situation):
                raise MoveNotSafe(unsafe.reason, unsafe.would_be_safe)
            task = await self._tasks.resolve(task, wanted, _remedy(seen, wanted))
        elif task.resolution != wanted:
            raise MoveNotSafe(
                f"task {task.id} was resolved already, by {task.resolution.move}",
                "nothing: it is over, look at the list",
            )
        if wanted.move in _BEGINS_A_RUN and task.execution_id:
            execution = await self._executions.load(task.execution_id)
            if execution.status not in FINAL:
                await self._starter.restart(execution.order, telemetry.carry_trace())
        return task

    async def resolve_of_execution(self, execution_id: str, wanted: Resolution) -> Task:
        """The same for the oldest open task about an execution that allows the move; the first refusal if none does.

        Errors: NOT_FOUND, INVALID_INPUT, MOVE_NOT_SAFE (final), RACE_LOST (retried).
        """
        every = await self._tasks.of_execution(execution_id)
        if again := next((task for task in every if task.resolution == wanted), None):
            return await self.resolve(again, wanted)
        waiting = [task for task in every if task.resolution is None]
        if not waiting:
            raise MoveNotSafe(f"no task about {execution_id} is open", "nothing: there is nothing to decide")
        for task in waiting:
            if operator_moves.judge(wanted.move, (await self.look(task)).situation) is None:
                return await self.resolve(task, wanted)
        return await self.resolve(waiting[0], wanted)

    async def _counts(self, venue: Venue | None, wallet: Wallet) -> tuple[int, int] | None:
        """The next nonce by the book, and by the chain's count. None: not counted, or not known.

        A wallet's key is born in the signer: of one that has signed nothing yet the book expects none.
        """
        if venue is None or not venue.sequential:
            return None
        try:
            on_chain = int((await venue.slot(wallet)).nonce)
        except TripwireError:
            return None
        return await self._wallets.next_nonce(wallet.id) or 0, on_chain

    async def _in_flight(self, lease: Lease, wallet: Wallet) -> str:
        if lease.holder:
            return f"{lease.holder} holds {wallet.id}"
        refs = await self._attempts.open_of_wallet(wallet.id)
        return f"{', '.join(refs)} may still land" if refs else ""


async def _sightings(venue: Venue | None, attempts: list[Attempt]) -> dict[str, Sighting]:
    """Of what is open, by attempt id."""
    if not (asked := families_of_open(attempts)):
        return {}
    if venue is None:
        return {a.id: Sighting(Fate.UNKNOWN, detail="this process serves no such venue") for a in asked if a.open}
    seen = await venue.look_up(tuple(attempt.sent for attempt in asked))
    return {a.id: sighting for a, sighting in zip(asked, seen, strict=True) if a.open}


async def _balances(venue: Venue | None, wallet: Wallet) -> dict[str, Amount] | None:
    if venue is None:
        return None
    try:
        return await venue.balances(wallet.address, tuple(assets.BY_CHAIN[wallet.chain].values()))
    except TripwireError:
        return None


def _payload(attempt: Attempt, sighting: Sighting, venue: Venue | None, wallet: Wallet) -> OpenPayload:
    return OpenPayload(
        venue_ref=attempt.sent.venue_ref,
        valid_until=attempt.slot.valid_until,
        # Where a nonce is counted or kept by an account of the wallet's, no time ends a payload.
        expires=venue is not None and not venue.sequential and wallet.durable_nonce is None,
        sighting=sighting,
    )


def _short(
    execution: Execution | None,
    venue: Venue | None,
    on_chain: Mapping[str, Amount] | None,
    booked: Mapping[str, int],
) -> bool | None:
    """Of what pays the fees too, as much may be missing as fees not booked yet; never as much as a landing takes."""
    if execution is None or venue is None or on_chain is None or execution.intent.sell.asset.id not in on_chain:
        return None
    sell, reserve = execution.intent.sell, venue.fee_reserve()
    unbooked_fees = min(reserve.base, sell.base - 1) if sell.asset.id == reserve.asset.id else 0
    return booked.get(sell.asset.id, 0) - on_chain[sell.asset.id].base > unbooked_fees


def _remedy(seen: Seen, wanted: Resolution) -> Remedy:
    """What the move does to the book. The situation has been judged: what it needs is known."""
    situation, on_chain, counts = seen.situation, seen.on_chain, seen.situation.counts
    match wanted.move:
        case OperatorMove.DECLARE_DEAD if seen.execution:
            execution, dead = seen.execution, _proven(seen, wanted)
            return lambda tx: remedies.declare_dead(tx, seen.task, execution, dead)
        case OperatorMove.ADOPT_NONCE if counts:
            return lambda tx: remedies.adopt_nonce(tx, seen.wallet, seen.lease.epoch, *counts)
        case OperatorMove.BOOK_OUTSIDE if on_chain is not None:
            return lambda tx: remedies.book_outside(tx, seen.task, seen.wallet, seen.lease.epoch, on_chain.values())
        case OperatorMove.UNFREEZE:
            return lambda tx: remedies.unfreeze(tx, seen.task, seen.wallet)
        case OperatorMove.ACKNOWLEDGE:
            return lambda tx: remedies.acknowledge(tx, seen.wallet)
        case OperatorMove.RETRY | OperatorMove.LOOK_AGAIN:
            return remedies.nothing
    raise RaceLost(f"{wanted.move} lost what it was judged by: {situation.code}")


def _proven(seen: Seen, wanted: Resolution) -> dict[str, Sighting]:
    """The sightings as deaths: the venue's own proof where it has one, and always the person's word with it."""
    word = (("declared_by", wanted.by), ("reason", wanted.reason), ("evidence", wanted.evidence or ""))
    return {
        attempt.id: replace(
            sighting,
            fate=Fate.DEAD,
            succeeded=None,
            detail=f"declared dead by an operator; the venue said: {sighting.detail or sighting.fate}",
            proof=(
                *sighting.proof,
                ("head", str(sighting.head)),
                ("valid_until", str(attempt.slot.valid_until)),
                *word,
            ),
        )
        for attempt in seen.attempts
        if (sighting := seen.sightings.get(attempt.id))
    }
