"""The demo's end: what happened, for a person who sees the product for the first time."""

from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

DECIMALS = {"USDC": 6, "SOL": 9, "ETH": 18}
TITLES = {"solana": "Solana: USDC for SOL by Jupiter", "evm": "EVM: USDC for ETH by Uniswap"}


def show(stories: dict[str, dict[str, Any]], console: Console) -> None:
    """One story after the other, by family, and what each came to."""
    for family, facts in stories.items():
        console.print()
        console.rule(f"[bold]{TITLES[family]}[/]", characters="═")
        _story(facts, console)
    console.print()
    for family, facts in stories.items():
        _conclusion(TITLES[family], facts, console)


def good(facts: dict[str, Any]) -> bool:
    """The swap settled, and chain and book are equal to the base unit."""
    return bool(facts["book_equals_chain"]) and facts["execution"]["status"] == "SETTLED"


def _story(facts: dict[str, Any], console: Console) -> None:
    execution = facts["execution"]
    _trigger(execution, console)
    _verdicts(execution, console)
    _attempts(execution, console)
    _balances(facts, console)
    _events(execution, console)
    _timings(facts, console)


def _conclusion(title: str, facts: dict[str, Any], console: Console) -> None:
    execution = facts["execution"]
    sentence = (
        "The swap settled once, and the book equals the chain to the base unit."
        if good(facts)
        else f"Not as it should be: {execution['status']} {execution['codes']}; book equals chain: "
        f"{facts['book_equals_chain']}."
    )
    console.print(Panel(sentence, title=title, title_align="left", border_style="green" if good(facts) else "red"))
    if execution.get("temporal_url"):
        console.print(f"The workflow in the Temporal Web UI: [link]{execution['temporal_url']}[/link]")


def _trigger(execution: dict[str, Any], console: Console) -> None:
    evidence = execution["trigger"]["evidence"]
    console.rule("1  The trigger")
    console.print(
        f"{evidence['source']} said that [bold]{evidence['market']}[/] stands at "
        f"P = [bold]{evidence['probability']}[/] "
        f"(bid {evidence['bid']}, ask {evidence['ask']}) at {evidence['source_time']}."
    )
    console.print(f"Evidence: SHA-256 of the raw message {evidence['raw_sha256']}")
    console.print(f"Trigger {execution['trigger_id']}, one for this crossing → {execution['workflow_id']}")


def _verdicts(execution: dict[str, Any], console: Console) -> None:
    console.rule("2  Every check, before and under the wallet's lock")
    by_check: dict[str, dict[str, Any]] = {}
    for verdict in execution["verdicts"]:
        by_check.setdefault(verdict["check"], {})[verdict["stage"]] = verdict
    table = Table("check", "before", "under lock", "limit", "held", "asked")
    for check, stages in by_check.items():
        last = stages.get("lock") or stages["preflight"]
        answers = (_verdict(stages.get(stage)) for stage in ("preflight", "lock"))
        table.add_row(check, *answers, last["limit"], last["held"], last["asked"])
    console.print(table)


def _verdict(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return ""
    return "[green]passed[/]" if verdict["passed"] else f"[red]{verdict['code']}[/]"


def _attempts(execution: dict[str, Any], console: Console) -> None:
    console.rule("3  Signed, written down, sent")
    for event in execution["events"]:
        if event["kind"] == "lease.granted":
            console.print(f"Wallet {event['body']['wallet_id']} locked under fencing token {event['body']['epoch']}.")
    table = Table("leg", "attempt", "nonce", "sent", "fate", "valid until")
    for attempt in execution["attempts"]:
        table.add_row(
            f"{attempt['leg']} {attempt['kind']}",
            str(attempt["seq"]),
            attempt["nonce"],
            str(attempt["broadcast_count"]),
            attempt["fate"],
            str(attempt["valid_until"]),
        )
    console.print(table)
    for attempt in execution["attempts"]:
        console.print(f"{attempt['leg']} {attempt['kind']}: {attempt['id_on_venue'] or 'never signed'}")
    if settlement := execution["settlement"]:
        fees = ", ".join(f"{fee['amount']} {fee['asset']} ({fee['kind']})" for fee in settlement["fees"])
        sold, bought = settlement["sold"], settlement["bought"]
        console.print(
            f"Final in block {settlement['slot']}: sold [bold]{sold['amount']} {sold['asset']}[/], bought "
            f"[bold]{bought['amount']} {bought['asset']}[/], fees {fees}."
        )


def _balances(facts: dict[str, Any], console: Console) -> None:
    console.rule("4  Balances: the chain beside the book")
    table = Table("asset", "before", "after", "change", "the book says", "")
    for column in table.columns:
        column.overflow = "fold"  # no digit is left out
    for asset, line in facts["balances"].items():
        same = line["after"] == line["book"]
        table.add_row(
            asset,
            _whole(line["before"], asset),
            _whole(line["after"], asset),
            _whole(line["after"] - line["before"], asset),
            _whole(line["book"] or 0, asset),
            "[green]equal[/]" if same else "[red]differs[/]",
        )
    console.print(table)


def _events(execution: dict[str, Any], console: Console) -> None:
    console.rule("5  The audit chain's rows of this execution")
    table = Table("no", "at", "what", "detail")
    for event in execution["events"]:
        table.add_row(str(event["seq"]), event["at"], event["kind"], _detail(event["body"]))
    console.print(table)


def _detail(body: dict[str, Any]) -> str:
    match body:
        case {"before": before, "after": after}:
            return f"{before} → {after}"
        case {"leg": leg, "attempt": attempt}:
            return f"leg {leg}, attempt {attempt}"
        case _:
            return str(body.get("fate", ""))


def _timings(facts: dict[str, Any], console: Console) -> None:
    console.rule("6  How long it took")
    for name, milliseconds in facts["timings_ms"].items():
        console.print(f"{name.replace('_', ' ').replace(' to ', ' → '):<36} {milliseconds:>8} ms")


def _whole(base: int, asset: str) -> str:
    return f"{Decimal(base).scaleb(-DECIMALS[asset]):f}"
