"""`docs/guarantees.md`: what is promised, by what it is held, and what a campaign found when it attacked it."""

from collections.abc import Iterable, Sequence

from infra.devnet.chaos.campaign import Report
from infra.devnet.chaos.drill import Drill
from infra.devnet.chaos.guarantees import GUARANTEES, Guarantee
from infra.devnet.chaos.matrix import Line, lines

INVARIANTS = (
    ("I1", "at most one effect a leg, by the chain's own records; as many as executions that settled"),
    ("I2", "every acknowledged trigger ends, or waits for a person with its money held"),
    ("I3", "entries sum to zero per asset, and the wallet's equal the chain to the base unit"),
    ("I4", "every payload that went out was in a committed row before"),
    ("I5", "no two payloads of a leg that might both land"),
    ("I6", "final states never change"),
    ("I7", "nothing fails while a payload of it may land: each is proven dead, or landed"),
    ("I8", "one open leg a wallet, no more held than there is, nothing held for what is over"),
    ("I13", "each move of an execution has its event"),
)


def guarantees(report: Report, drills: Sequence[Drill], commit: str) -> str:
    """The document of a campaign. `commit` is what was tried."""
    found = lines(report.outcomes)
    bad = sum(line.violations + line.broke for line in found)
    playings, triggers = sum(line.repetitions for line in found), sum(line.triggers for line in found)
    last_seed = max((outcome.seed for outcome in report.outcomes), default=report.seed)
    head = [
        "# Guarantees",
        "",
        "What TripWire promises about money, what enforces each promise, and which drills attack it. Written by",
        "`tripwire chaos --write`; run it yourself: `make chaos`, or `tripwire chaos --help`.",
        "",
        f"This run: {report.began:%Y-%m-%d %H:%M} UTC, commit `{commit}`, seeds {report.seed} to {last_seed},",
        f"{report.seconds / 60:.0f} minutes, {playings} drills played, {triggers} triggers,",
        f"**{bad} violations or broken drills**.",
        "",
    ]
    promises = [text for guarantee in GUARANTEES for text in _promise(guarantee, drills)]
    return "\n".join([*head, *promises, *_judged(), *_matrix(found), *_figures(report)]) + "\n"


def _promise(guarantee: Guarantee, drills: Iterable[Drill]) -> list[str]:
    attacks = sorted({one.fault for one in drills if guarantee.id in one.guards})
    return [
        f"## {guarantee.id}: {guarantee.sentence}",
        "",
        *(f"- *{kind}*: {what}" for kind, what in guarantee.enforced),
        f"- attacked by {', '.join(attacks) if attacks else 'no drill'}",
        "",
    ]


def _judged() -> list[str]:
    head = [
        "## What is judged after every drill",
        "",
        "From the chains' records, the proxies' logs and the auditors' views, never from what the product says:",
        "",
    ]
    return [*head, *(f"- {name}: {what}" for name, what in INVARIANTS), ""]


def _matrix(found: Iterable[Line]) -> list[str]:
    head = [
        "## The matrix",
        "",
        "| fault | what is done | venue | played | triggers | violations |",
        "|---|---|---|---|---|---|",
    ]
    return [
        *head,
        *(
            f"| {line.fault} | {line.title} | {line.venue} | {line.repetitions} | {line.triggers} | "
            f"{line.violations}{f', broke {line.broke}' if line.broke else ''} |"
            for line in found
        ),
        "",
    ]


def _figures(report: Report) -> list[str]:
    measured = [
        f"| {outcome.fault} | {outcome.venue} | {name} | {value:g} |"
        for outcome in sorted(report.outcomes, key=lambda one: (one.fault, one.venue))
        for name, value in outcome.figures.items()
    ]
    return (
        ["## Figures", "", "| drill | venue | figure | value |", "|---|---|---|---|", *measured, ""] if measured else []
    )
