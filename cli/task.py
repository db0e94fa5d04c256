"""`tripwire task ...`, for operators."""

import uuid
from typing import Annotated, Any

import typer

from cli import output
from cli.client import connected
from cli.output import AsJson

app = typer.Typer(no_args_is_help=True, help="For operators: see what waits for a person, and decide it.")

TaskId = Annotated[str, typer.Argument(help="The task's number.", show_default=False)]


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50, as_json: AsJson = False) -> None:
    """Everybody's tasks, open ones first."""
    with connected(operator=True) as api:
        found = api.every("/admin/tasks", limit)
    rows = [
        (
            one["id"],
            one["code"],
            "open" if one["open"] else one["move"],
            one["execution_id"] or one["wallet_id"],
            output.when(one["raised_at"]),
        )
        for one in found["items"]
    ]
    columns = ("task", "code", "", "about", "raised")
    output.show(found, as_json, output.table(columns, rows, "No tasks: nothing waits for a person.", whole=("about",)))


@app.command()
def show(task_id: TaskId, as_json: AsJson = False) -> None:
    """One task: what the venue says now, which moves are safe, and why the others are not."""
    with connected(operator=True) as api:
        task = api.get(f"/admin/tasks/{task_id}")
    output.show(task, as_json, _in_full(task))


@app.command()
def resolve(
    task_id: TaskId,
    move: Annotated[str, typer.Argument(help="One that `tripwire task show` offers.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why, in a sentence; it is kept for ever.", show_default=False)],
    evidence: Annotated[
        str | None, typer.Option(help="What you looked at, where and when; some moves rest on it.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Idempotency key: the same key is the same request.", show_default="random"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a move. It is refused while it could lose or pay money, with what would make it safe."""
    body = {"move": move, "reason": reason} | ({"evidence": evidence} if evidence else {})
    with connected(operator=True) as api:
        task = api.post(f"/admin/tasks/{task_id}/resolve", body, key or str(uuid.uuid4()))
    output.show(task, as_json, _facts(task))


def _facts(task: dict[str, Any]) -> Any:
    return output.facts(
        [
            ("task", task["id"]),
            ("code", task["code"]),
            ("says", task["detail"]),
            ("execution", task["execution_id"]),
            ("wallet", task["wallet_id"]),
            ("raised", output.when(task["raised_at"])),
            ("resolved", output.when(task["resolved_at"]) if task["resolved_at"] else None),
            ("by", task["resolved_by"]),
            ("move", task["move"]),
            ("reason", task["reason"]),
            ("evidence", task["evidence"]),
        ]
    )


def _in_full(task: dict[str, Any]) -> Any:
    parts = [_facts(task), output.heading("Wallet"), _wallet(task["wallet"])]
    if task["execution"]:
        parts += [output.heading("Execution"), _execution(task["execution"])]
    if task["attempts"]:
        parts += [output.heading("Attempts, and what the venue says now"), _attempts(task["attempts"])]
    if task["moves"]:
        parts += [output.heading("Moves"), _moves(task["moves"])]
    return output.stacked(*parts)


def _wallet(wallet: dict[str, Any]) -> Any:
    counted = wallet["next_nonce_in_book"] is not None
    counts = f"{wallet['next_nonce_in_book']} in the book, {wallet['next_nonce_on_chain']} on chain"
    differences = [
        f"{one['difference']['amount']} {one['asset']}"
        for one in wallet["balances"] or []
        if one["difference"]["base"] != "0"
    ]
    return output.facts(
        [
            ("chain", wallet["chain"]),
            ("address", wallet["address"]),
            ("frozen", wallet["frozen"]),
            ("held by", wallet["held_by"]),
            ("next nonce", counts if counted else None),
            ("chain less book", "not known" if wallet["balances"] is None else differences or "nothing"),
        ]
    )


def _execution(execution: dict[str, Any]) -> Any:
    return output.facts(
        [
            ("status", execution["status"]),
            ("because", execution["codes"]),
            ("swap", f"{output.money(execution['sell'])} → {execution['buy']}"),
            ("workflow", execution["workflow_id"]),
        ]
    )


def _attempts(attempts: list[dict[str, Any]]) -> Any:
    rows = [
        (one["leg"], one["seq"], one["fate"], _says(one["venue_says"]), one["valid_until"], one["id_on_venue"])
        for one in attempts
    ]
    columns = ("leg", "no", "in the book", "venue now", "valid until", "id on venue")
    return output.table(columns, rows, "None.", whole=("id on venue",))


def _says(answer: dict[str, Any] | None) -> str | None:
    if answer is None:
        return None
    head = f" at {answer['head']}" if answer["head"] is not None else ""
    return f"{answer['fate']}{head}: {answer['detail']}" if answer["detail"] else f"{answer['fate']}{head}"


def _moves(moves: list[dict[str, Any]]) -> Any:
    """What is offered comes first: that is what somebody who was woken looks for."""
    rows = [
        (one["move"], "yes", f"{one['does']} {one['cannot_pay_twice']}{' Needs --evidence.' * one['needs_evidence']}")
        for one in moves
        if one["offered"]
    ]
    rows += [
        (one["move"], "no", f"{one['refused_because']}. Would be safe: {one['would_be_safe']}.")
        for one in moves
        if not one["offered"]
    ]
    return output.table(("move", "now", "what it does, or what is missing"), rows, "None.", whole=("move",))
