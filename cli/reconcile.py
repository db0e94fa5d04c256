"""`tripwire reconcile`, `tripwire restored` and `tripwire recover`"""

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from cli import output
from cli.client import REFUSED, connected
from cli.output import AsJson


def reconcile(
    wallet: Annotated[str | None, typer.Option(help="One wallet; else all of them.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """For operators: compare chain and book now. Exit 0 only if nobody has to look."""
    with connected(operator=True) as api:
        answer = api.post("/admin/reconcile", {"wallet_id": wallet})
    words = f"{answer['compared']} compared; nothing is noteworthy."
    output.show(answer, as_json, output.stacked(_lines(answer["wallets"], words), *_details(answer["wallets"])))
    if any(found["code"] for found in answer["wallets"]):
        raise typer.Exit(REFUSED)


def restored(
    reason: Annotated[str, typer.Option(help="Which backup, and why; it is audited.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """For operators: say that the database was put back to an older state. Everything halts until `recover`."""
    with connected(operator=True) as api:
        answer = api.post("/admin/restored", {"reason": reason})
    said = "Everything is halted" if answer["new"] else "Everything was halted already"
    output.show(answer, as_json, output.text(f"{said}: next is `tripwire recover --dry-run`."))


def recover(
    reason: Annotated[str, typer.Option(help="Which backup, and why; it is audited.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare.")] = False,
    as_json: AsJson = False,
) -> None:
    """For operators: after the database was restored, compare every wallet with the chain and go on."""
    with connected(operator=True) as api:
        answer = api.post("/admin/recover", {"reason": reason, "dry_run": dry_run})
    frozen = f"{answer['frozen']} of {answer['compared']} wallets do not agree with the chain"
    said = f"{frozen} and are frozen; the others go on." if answer["recovered"] else f"{frozen}. Nothing was changed."
    output.show(
        answer,
        as_json,
        output.stacked(
            output.text(said), _lines(answer["wallets"], "Every wallet agrees."), *_details(answer["wallets"])
        ),
    )


def _lines(wallets: list[dict[str, Any]], empty: str) -> RenderableType:
    rows = [
        (found["wallet_id"], line["asset"], line["chain"], line["book"], line["difference"], found["attributed_to"])
        for found in wallets
        for line in found["assets"]
    ]
    columns = ("wallet", "asset", "chain", "book", "difference", "attributed to")
    return output.table(columns, rows, empty, whole=("wallet",))


def _details(wallets: list[dict[str, Any]]) -> list[RenderableType]:
    """What a person has to know of each: why it was not judged, or what to do."""
    told = [(found["wallet_id"], found) for found in wallets if found["code"] or not found["attributed_to"]]
    return [output.text(f"\n{wallet}: {' '.join((f['code'], f['detail'])).strip()}") for wallet, f in told]
