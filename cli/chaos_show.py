"""A campaign's end, for a person: the matrix, and how to replay what went wrong."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from infra.devnet.chaos.campaign import Outcome, Report
from infra.devnet.chaos.matrix import lines


def show(report: Report, console: Console) -> None:
    table = Table("fault", "what is done", "venue", "played", "triggers", "violations", "broke")
    for line in lines(report.outcomes):
        style = "red" if line.violations or line.broke else ""
        counts = (line.repetitions, line.triggers, line.violations, line.broke)
        table.add_row(line.fault, line.title, line.venue, *map(str, counts), style=style)
    console.print(table)
    for outcome in report.outcomes:
        if not outcome.good:
            _explain(outcome, console)
    played = len(report.outcomes)
    sentence = f"{played} drills in {report.seconds / 60:.1f} minutes, seed {report.seed}: "
    sentence += "no violation." if report.good else "not as it should be."
    console.print(Panel(sentence, border_style="green" if report.good else "red"))


def _explain(outcome: Outcome, console: Console) -> None:
    replay = f"tripwire chaos --faults {outcome.fault} --venue {outcome.venue} --seed {outcome.seed}"
    console.print(f"{outcome.fault} on {outcome.venue}, again by: {replay}", style="bold red", markup=False)
    for violation in outcome.violations:
        console.print(f"  {violation.invariant}: {violation.detail}", markup=False)
    if outcome.broke:
        console.print(f"  {outcome.broke}", markup=False)
