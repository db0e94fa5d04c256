"""`tripwire execution ...`"""

import time
import uuid
from typing import Annotated, Any

import typer
from rich.live import Live

from cli import output
from cli.client import REFUSED, connected, fail
from cli.output import AsJson
from cli.rule import verdicts

app = typer.Typer(no_args_is_help=True, help="See what became of a trigger.")

ExecutionId = Annotated[str, typer.Argument(help="The execution's id, exe_...", show_default=False)]

LOOK_EVERY_S = 0.5
OUT_OF_TIME = 75  # Source: sysexits.h, EX_TEMPFAIL

# The road of an execution in which nothing goes wrong.
STAGES = ("PENDING", "PREFLIGHT", "LOCKED", "SIGNED", "SUBMITTED", "CONFIRMED", "SETTLED")


@app.command("list")
def list_(
    rule: Annotated[str | None, typer.Option(help="Only this rule's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status, such as SETTLED.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Your executions, newest first."""
    wanted = {"rule_id": rule, "status": status.upper() if status else None}
    with connected() as api:
        found = api.every("/executions", limit, {name: value for name, value in wanted.items() if value})
    rows = [
        (
            one["id"],
            one["status"],
            one["codes"],
            f"{output.money(one['sell'])} → {one['buy']}",
            output.when(one["created_at"]),
        )
        for one in found["items"]
    ]
    columns = ("execution", "status", "codes", "swap", "began")
    output.show(
        found, as_json, output.table(columns, rows, "No executions yet: no rule has fired.", whole=("execution",))
    )


@app.command()
def show(execution_id: ExecutionId, as_json: AsJson = False) -> None:
    """One execution in full."""
    with connected() as api:
        execution = api.get(f"/executions/{execution_id}")
    output.show(execution, as_json, picture(execution, full=True))


@app.command()
def watch(
    execution_id: ExecutionId,
    timeout_s: Annotated[float | None, typer.Option("--timeout", help="Seconds to follow it for at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """Follow an execution until it is over. Exit 0 only if it settled."""
    ends = time.monotonic() + timeout_s if timeout_s is not None else None
    screen = output.console()
    with connected() as api, Live(console=screen, auto_refresh=False) as live:
        while True:
            execution = api.get(f"/executions/{execution_id}")
            if not as_json:
                live.update(picture(execution, full=False), refresh=True)
            if execution["final"]:
                break
            if ends is not None and time.monotonic() > ends:
                live.stop()
                fail(f"{execution_id} is still {execution['status']}: it goes on without you.", OUT_OF_TIME)
            time.sleep(LOOK_EVERY_S)
    if as_json:
        output.print_json(execution)
    elif not screen.is_terminal:
        screen.print()  # into a pipe the display is written once, without its last line's end
    if execution["status"] != "SETTLED":
        raise typer.Exit(REFUSED)


@app.command()
def cancel(execution_id: ExecutionId, as_json: AsJson = False) -> None:
    """Stop an execution that has signed nothing yet."""
    with connected() as api:
        answer = api.post(f"/executions/{execution_id}/cancel")
    output.show(answer, as_json, output.text(f"{answer['execution_id']}: {answer['answer']}."))


@app.command()
def reset(
    execution_id: ExecutionId,
    reason: Annotated[str, typer.Option(help="Why, in a sentence; it is kept for ever.", show_default=False)],
    dry_run: Annotated[bool, typer.Option(help="Only tell which steps would run again, and what they answer.")] = True,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Idempotency key: the same key is the same request.", show_default="random"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """For operators: run its workflow again from the first step. That pays nothing twice; the answer says why."""
    with connected(operator=True) as api:
        body = {"reason": reason, "dry_run": dry_run}
        answer = api.post(f"/admin/executions/{execution_id}/reset", body, key or str(uuid.uuid4()))
    rows = [(one["step"], one["answers"], one["cannot_pay_twice"]) for one in answer["steps"]]
    said = output.facts(
        [("execution", answer["execution_id"]), ("status", answer["status"]), ("done", _DONE[answer["done"]])]
    )
    columns = ("step", "answers", "cannot pay twice, because")
    output.show(answer, as_json, output.stacked(said, output.heading("Steps"), output.table(columns, rows, "None.")))


_DONE = {
    "nothing": "nothing: this was a dry run, --no-dry-run does it",
    "reset": "the workflow was reset to its first step",
    "started": "its history was gone: the workflow was started anew",
    "running": "it runs already, and has not begun its first step",
}


def picture(execution: dict[str, Any], *, full: bool) -> Any:
    parts = [
        output.facts(
            [
                ("execution", execution["id"]),
                ("status", execution["status"]),
                ("road", _road(execution)),
                ("because", execution["codes"]),
                ("swap", f"{output.money(execution['sell'])} → {execution['buy']}"),
                ("dry run", "yes: nothing is signed" if execution["dry_run"] else None),
                ("rule", execution["rule_id"]),
                ("wallet", execution["wallet_id"]),
                ("began", output.when(execution["created_at"])),
                ("Temporal", execution["temporal_url"]),
            ]
        )
    ]
    if full:
        parts += [output.heading("Trigger"), _trigger(execution["trigger"])]
    if execution["attempts"]:
        parts += [output.heading("Attempts"), _attempts(execution["attempts"], full=full)]
    if execution["settlement"]:
        parts += [output.heading("Settlement"), _settlement(execution["settlement"])]
    if full or any(not verdict["passed"] for verdict in execution["verdicts"]):
        shown = [verdict for verdict in execution["verdicts"] if full or not verdict["passed"]]
        parts += [output.heading("Verdicts"), verdicts(shown, staged=True)]
    if full:
        parts += [output.heading("Events"), _events(execution["events"])]
    return output.stacked(*parts)


def _road(execution: dict[str, Any]) -> str:
    status = execution["status"]
    if status not in STAGES:
        return ""
    reached = STAGES.index(status)
    return " → ".join(
        f"[{stage}]" if number == reached else stage for number, stage in enumerate(STAGES[: reached + 1])
    )


def _trigger(trigger: dict[str, Any]) -> Any:
    evidence = [(name, _words(value)) for name, value in trigger["evidence"].items()]
    return output.facts([("trigger", trigger["id"]), *evidence])


def _attempts(attempts: list[dict[str, Any]], *, full: bool) -> Any:
    # A live display cuts what is too wide: there the id is rather broken.
    whole = ("id on venue",) if full else ()
    rows = [
        (
            f"{one['leg']} {one['kind']}",
            one["seq"],
            one["rank"],
            one["fate"],
            one["succeeded"],
            one["broadcast_count"],
            one["valid_until"],
            one["id_on_venue"],
        )
        for one in attempts
    ]
    columns = ("leg", "no", "rank", "fate", "succeeded", "sent", "valid until", "id on venue")
    return output.table(columns, rows, "None.", whole)


def _settlement(settlement: dict[str, Any]) -> Any:
    fees = ", ".join(f"{output.money(fee)} {fee['kind']}" for fee in settlement["fees"])
    return output.facts(
        [
            ("sold", output.money(settlement["sold"])),
            ("bought", output.money(settlement["bought"])),
            ("fees", fees),
            ("reference", settlement["reference"]),
        ]
    )


def _events(events: list[dict[str, Any]]) -> Any:
    rows = [(output.when(event["at"]), event["kind"], _said(event["body"])) for event in events]
    return output.table(("at", "what", "with"), rows, "None.")


def _said(body: dict[str, Any]) -> str:
    if "before" in body and "after" in body:
        return f"{body['before']} → {body['after']}"
    return ", ".join(f"{name}={_words(value)}" for name, value in body.items())


def _words(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case list():
            return "; ".join(_words(item) for item in value)
        case dict():
            return _said(value)
        case _:
            return str(value)
