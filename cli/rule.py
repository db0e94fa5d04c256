"""`tripwire rule ...`"""

import json
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.client import USAGE, Api, connected, fail
from cli.output import AsJson

app = typer.Typer(no_args_is_help=True, help="Write, switch, explain and fire rules.")

RuleId = Annotated[str, typer.Argument(help="The rule's id, rul_...", show_default=False)]
Key = Annotated[
    str | None, typer.Option("--key", help="Idempotency key: the same key is the same request.", show_default="random")
]


@app.command()
def create(
    file: Annotated[Path | None, typer.Option("--file", help="The rule as JSON; the options change it.")] = None,
    name: Annotated[str | None, typer.Option()] = None,
    wallet: Annotated[str | None, typer.Option(help="Its wallet's id; if you have just one, that.")] = None,
    market: Annotated[str | None, typer.Option(help="Kalshi ticker, such as FED-25DEC-CUT.")] = None,
    when: Annotated[str | None, typer.Option(help="at_or_above or at_or_below.")] = None,
    threshold: Annotated[str | None, typer.Option(help='Probability between 0 and 1, such as "0.70".')] = None,
    outcome: Annotated[str | None, typer.Option(help="yes or no.")] = None,
    price: Annotated[str | None, typer.Option(help="mid, bid, ask or last.")] = None,
    sell: Annotated[str | None, typer.Option(help="The asset to sell, such as USDC.")] = None,
    buy: Annotated[str | None, typer.Option(help="The asset to buy, such as SOL.")] = None,
    amount: Annotated[str | None, typer.Option(help='How much to sell, in whole units, such as "50.25".')] = None,
    slippage_bps: Annotated[int | None, typer.Option(help="The most the price may slip, in 1/100 %.")] = None,
    cooldown_hours: Annotated[int | None, typer.Option(help="Hours before it may act again.")] = None,
    max_executions: Annotated[int | None, typer.Option(help="How often it may act in all.")] = None,
    activate: Annotated[bool, typer.Option("--activate", help="Activate it at once.")] = False,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Write a rule down, from a file or from options."""
    body = _read(file) if file else {}
    _set(body, {"name": name, "wallet_id": wallet})
    trigger = {"market": market, "when": when, "threshold": threshold, "outcome": outcome, "price": price}
    _set(body.setdefault("trigger", {}), {"kind": "market_probability", "venue": "kalshi"}, keep=True)
    _set(body["trigger"], trigger)
    _set(body.setdefault("action", {}), {"kind": "swap"}, keep=True)
    _set(body["action"], {"sell": sell, "buy": buy, "amount": amount, "max_slippage_bps": slippage_bps})
    limits = {"cooldown_hours": cooldown_hours, "max_executions": max_executions}
    if any(value is not None for value in limits.values()):
        _set(body.setdefault("limits", {}), limits)
    _set(body, {"name": _suggested_name(body)}, keep=True)
    with connected() as api:
        if "wallet_id" not in body:
            body["wallet_id"] = _only_wallet(api)
        rule = api.post("/rules", body, key or str(uuid.uuid4()))
        if activate:
            rule = api.post(f"/rules/{rule['id']}/activate")
    output.show(rule, as_json, _picture(rule))


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50, as_json: AsJson = False) -> None:
    """Your rules."""
    with connected() as api:
        found = api.every("/rules", limit)
    rows = [
        (rule["id"], rule["state"], rule["name"], _condition(rule), _deed(rule), rule["executions"])
        for rule in found["items"]
    ]
    columns = ("rule", "state", "name", "when", "then", "done")
    output.show(
        found, as_json, output.table(columns, rows, "No rules yet: `tripwire rule create --help`.", whole=("rule",))
    )


@app.command()
def show(rule_id: RuleId, as_json: AsJson = False) -> None:
    """One rule and where it stands."""
    with connected() as api:
        rule = api.get(f"/rules/{rule_id}")
    output.show(rule, as_json, _picture(rule))


@app.command()
def activate(rule_id: RuleId, as_json: AsJson = False) -> None:
    """Let a rule act on the next crossing."""
    _switch(rule_id, "activate", as_json)


@app.command()
def pause(rule_id: RuleId, as_json: AsJson = False) -> None:
    """Stop a rule from acting."""
    _switch(rule_id, "pause", as_json)


@app.command()
def resume(rule_id: RuleId, as_json: AsJson = False) -> None:
    """Let a paused rule act again."""
    _switch(rule_id, "resume", as_json)


@app.command()
def explain(rule_id: RuleId, as_json: AsJson = False) -> None:
    """Every check's verdict now. Nothing is executed."""
    with connected() as api:
        answer = api.post(f"/rules/{rule_id}/explain")
    said = "would act on a crossing now" if answer["would_pass"] else f"would be blocked: {', '.join(answer['codes'])}"
    output.show(
        answer,
        as_json,
        output.stacked(
            output.facts(
                [
                    ("rule", answer["rule_id"]),
                    ("state", answer["state"]),
                    ("arming", answer["arming"]),
                    ("now", said),
                    ("note", answer["note"]),
                ]
            ),
            verdicts(answer["verdicts"]),
        ),
    )


@app.command()
def trigger(rule_id: RuleId, key: Key = None, as_json: AsJson = False) -> None:
    """Fire an ACTIVE rule by hand, once per key."""
    chosen = key or str(uuid.uuid4())
    with connected() as api:
        fired = api.post(f"/rules/{rule_id}/trigger", key=chosen)
    output.show(
        fired,
        as_json,
        output.facts(
            [
                ("execution", fired["execution_id"]),
                ("key", chosen),
                ("follow it", f"tripwire execution watch {fired['execution_id']}"),
            ]
        ),
    )


@app.command()
def delete(rule_id: RuleId, as_json: AsJson = False) -> None:
    """Delete a rule; its executions stay."""
    with connected() as api:
        api.delete(f"/rules/{rule_id}")
    output.show({"id": rule_id, "deleted": True}, as_json, output.text(f"{rule_id} is deleted."))


def verdicts(found: list[dict[str, Any]], *, staged: bool = False) -> Any:
    """`staged` shows at which step each was asked."""
    rows = [
        (
            "✓" if one["passed"] else "✗",
            *([one["stage"]] if staged else []),
            one["check"],
            one["code"],
            one["asked"],
            one["limit"],
            one["held"],
            one["would_pass"],
        )
        for one in found
    ]
    stage = ("stage",) if staged else ()
    columns = ("", *stage, "check", "code", "asked", "limit", "held", "would pass if")
    return output.table(columns, rows, "No verdicts yet.")


def _switch(rule_id: str, step: str, as_json: bool) -> None:
    with connected() as api:
        rule = api.post(f"/rules/{rule_id}/{step}")
    output.show(rule, as_json, _picture(rule))


@app.command()
def reset(
    rule_id: RuleId,
    to: Annotated[str, typer.Option(help="ACTIVE: it fires on the next crossing. CREATED: it waits.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence; it is kept for ever.", show_default=False)],
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """For operators: give a FAILED rule another life, once none of its executions is open."""
    with connected(operator=True) as api:
        body = {"to": to.upper(), "reason": reason}
        rule = api.post(f"/admin/rules/{rule_id}/reset", body, key or str(uuid.uuid4()))
    output.show(rule, as_json, _picture(rule))


def _read(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(file.read_text())
    except OSError as error:
        fail(f"cannot read {file}: {error.strerror}.", USAGE)
    except ValueError as error:
        fail(f"{file} is no JSON: {error}.", USAGE)
    if not isinstance(body, dict) or not all(isinstance(body.get(part, {}), dict) for part in ("trigger", "action")):
        fail(f"{file} is no rule: see `tripwire rule create --help`.", USAGE)
    return body


def _set(place: dict[str, Any], values: dict[str, Any], *, keep: bool = False) -> None:
    for name, value in values.items():
        if value is not None and not (keep and name in place):
            place[name] = value


def _suggested_name(body: dict[str, Any]) -> str:
    trigger, action = body["trigger"], body["action"]
    sentence = (
        f"{trigger.get('market', '?')} {trigger.get('threshold', '?')}: {action.get('sell')} → {action.get('buy')}"
    )
    return sentence[:100]


def _only_wallet(api: Api) -> str:
    wallets = api.get("/wallets", {"limit": "2"})["items"]
    if len(wallets) != 1:
        do = (
            "make one with `tripwire wallet create`" if not wallets else "choose with --wallet (`tripwire wallet list`)"
        )
        fail(f"this rule needs a wallet: {do}.", USAGE)
    return str(wallets[0]["id"])


def _condition(rule: dict[str, Any]) -> str:
    trigger = rule["trigger"]
    sign = "≥" if trigger["when"] == "at_or_above" else "≤"
    return f"{trigger['market']} {trigger['outcome']} {trigger['price']} {sign} {trigger['threshold']}"


def _deed(rule: dict[str, Any]) -> str:
    action = rule["action"]
    return f"{action['amount']} {action['sell']} → {action['buy']}"


def _picture(rule: dict[str, Any]) -> Any:
    limits = rule["limits"]
    return output.facts(
        [
            ("rule", rule["id"]),
            ("state", rule["state"]),
            ("arming", rule["arming"]),
            ("name", rule["name"]),
            ("when", _condition(rule)),
            ("then", f"{_deed(rule)}, slipping at most {rule['action']['max_slippage_bps']} bps"),
            ("limits", f"{limits['max_executions']} time(s), {limits['cooldown_hours']} h apart"),
            ("wallet", rule["wallet_id"]),
            ("done", f"{rule['executions']} time(s)"),
            ("cooldown until", output.when(rule["cooldown_until"]) if rule["cooldown_until"] else None),
            ("created", output.when(rule["created_at"])),
        ]
    )
