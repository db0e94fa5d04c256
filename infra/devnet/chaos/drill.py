"""A drill: one fault of the table, struck at one venue, and where all of them are listed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from infra.devnet.chaos.scene import Scene

BOTH = ("solana", "evm")

Play = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Drill:
    """`guards` names the guarantees (ids in `guarantees.py`) that this drill attacks; `quick` ones are in the
    selection of `make test`; `alone` ones want a world of their own, since they take its stores apart. After
    `within_s` a drill counts as broken."""

    fault: str
    title: str
    play: Play
    venues: tuple[str, ...]
    guards: tuple[str, ...]
    quick: bool
    alone: bool
    within_s: float


DRILLS: list[Drill] = []


def drill(
    fault: str,
    title: str,
    *,
    venues: tuple[str, ...] = BOTH,
    guards: tuple[str, ...] = (),
    quick: bool = False,
    alone: bool = False,
    within_s: float = 300,
) -> Callable[[Play], Play]:
    """Register a drill. `fault` may have several: each is played."""

    def register(play: Play) -> Play:
        DRILLS.append(Drill(fault, title, play, venues, guards, quick, alone, within_s))
        return play

    return register
