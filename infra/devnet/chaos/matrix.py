"""Outcomes as a matrix: fault × venue × repetitions × violations."""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.devnet.chaos.campaign import Outcome


@dataclass(frozen=True, slots=True)
class Line:
    """All playings of one fault at one venue. `failing` are the seeds that replay what went wrong."""

    fault: str
    title: str
    venue: str
    repetitions: int
    triggers: int
    violations: int
    broke: int
    failing: tuple[int, ...]


def lines(outcomes: Iterable[Outcome]) -> list[Line]:
    """In the order of faults, then venues."""
    by_key: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        by_key.setdefault((outcome.fault, outcome.venue, outcome.title), []).append(outcome)
    return [
        Line(
            fault,
            title,
            venue,
            repetitions=len(played),
            triggers=sum(outcome.triggers for outcome in played),
            violations=sum(len(outcome.violations) for outcome in played),
            broke=sum(outcome.broke is not None for outcome in played),
            failing=tuple(outcome.seed for outcome in played if not outcome.good),
        )
        for (fault, venue, title), played in sorted(by_key.items())
    ]
