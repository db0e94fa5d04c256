"""What a workflow does when it is run again from its first step: read from the book, before anybody dares to."""

from dataclasses import dataclass

from domain.attempts import AttemptState, Fate
from domain.lifecycle import FINAL, ExecutionState


@dataclass(frozen=True, slots=True)
class Recorded:
    """An attempt as the book holds it. `venue_ref` is None until it is signed."""

    leg_no: int
    attempt_no: int
    state: AttemptState
    venue_ref: str | None
    fate: Fate
    succeeded: bool | None

    @property
    def open(self) -> bool:
        return self.state is AttemptState.SIGNED and self.fate not in (Fate.LANDED, Fate.DEAD)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step that will run again, what it answers, and why that cannot pay twice."""

    step: str
    answers: str
    cannot_pay_twice: str


def steps(status: ExecutionState, codes: tuple[str, ...], attempts: tuple[Recorded, ...]) -> tuple[PlannedStep, ...]:
    """The steps that a run from the first one takes, in order, as far as the book decides them.

    `attempts` are all of the execution, leg by leg, oldest first.
    """
    if status in FINAL:
        return _of_what_is_over(status, codes)
    if status is ExecutionState.PENDING:
        return (
            PlannedStep("preflight", "judges anew: it has not passed yet", "nothing is signed before it has passed"),
            *_from_lock(),
        )
    passed = PlannedStep("preflight", "passed, as recorded", "it judges and records, and moves nothing")
    if status is ExecutionState.PREFLIGHT:
        return (passed, *_from_lock())
    signed = tuple(attempt for attempt in attempts if attempt.state is AttemptState.SIGNED)
    locked = PlannedStep(
        "lock", "the same fencing token, and no second hold", "the wallet's lease and hold are this execution's already"
    )
    if not signed:
        return (passed, locked, _first_signature(), *_rest())
    return (passed, locked, *_of_what_is_signed(signed))


def _of_what_is_over(status: ExecutionState, codes: tuple[str, ...]) -> tuple[PlannedStep, ...]:
    ending = f"{status}{' with ' + ', '.join(codes) if codes else ''}, as recorded"
    nothing = "an execution that is over is neither locked, signed nor sent again"
    return PlannedStep("preflight", ending, nothing), PlannedStep("reconcile", ending, nothing)


def _from_lock() -> tuple[PlannedStep, ...]:
    locks = PlannedStep(
        "lock", "waits for the wallet, judges again and places the hold", "one execution at a time holds a wallet"
    )
    return (locks, _first_signature(), *_rest())


def _first_signature() -> PlannedStep:
    return PlannedStep(
        "sign", "signs the first payload", "the book holds no signed payload of this execution, so none is out"
    )


def _rest() -> tuple[PlannedStep, ...]:
    return (
        PlannedStep("submit", "sends what was stored", "only stored bytes are sent, and only these"),
        PlannedStep("confirm", "looks until it is certain", "another payload needs the proof that every one is dead"),
        PlannedStep("reconcile", "books what moved and ends it", "a venue's event is posted once"),
    )


def _of_what_is_signed(signed: tuple[Recorded, ...]) -> tuple[PlannedStep, ...]:
    newest = signed[-1]
    leg = tuple(attempt for attempt in signed if attempt.leg_no == newest.leg_no)
    landed = next((attempt for attempt in leg if attempt.fate is Fate.LANDED and attempt.succeeded), None)
    first = PlannedStep(
        "sign",
        f"the stored payload {signed[0].venue_ref} of leg {signed[0].leg_no}",
        "a leg's attempt that is signed is answered from its row: no second signature is made for it",
    )
    if newest.open:
        sends = PlannedStep(
            "submit", f"sends {newest.venue_ref} again, byte for byte", "the venue lands the same bytes once at most"
        )
    else:
        sends = PlannedStep("submit", "sends nothing: its fate is known", "what has landed or died is not sent again")
    return (first, sends, _confirmation(leg, landed), _ending(landed))


def _confirmation(leg: tuple[Recorded, ...], landed: Recorded | None) -> PlannedStep:
    if landed:
        return PlannedStep("confirm", f"{landed.venue_ref} has landed", "after a landing nothing more is signed for it")
    if any(attempt.open for attempt in leg):
        return PlannedStep(
            "confirm",
            "asks the venue about every open payload",
            "while one may land, only what shares its nonce may be signed, and of those at most one lands",
        )
    return PlannedStep(
        "confirm",
        "every payload is dead, or landed as a failure: a new attempt is signed, or it fails after the last",
        "each is over by a final record of the book, with its proof",
    )


def _ending(landed: Recorded | None) -> PlannedStep:
    books = "books what moved and ends it" if landed else "ends it as its attempts end"
    return PlannedStep("reconcile", books, "a venue's event is posted once, and holds are freed with that posting")
