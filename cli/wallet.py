"""`tripwire wallet ...`"""

import uuid
from typing import Annotated, Any

import typer

from cli import output
from cli.client import connected
from cli.output import AsJson

app = typer.Typer(no_args_is_help=True, help="Automation wallets.")

WalletId = Annotated[str, typer.Argument(help="The wallet's id, wal_...", show_default=False)]


@app.command()
def create(
    family: Annotated[str, typer.Option(help="The venue family: solana or evm.")] = "solana",
    key: Annotated[
        str | None,
        typer.Option("--key", help="Idempotency key: the same key is the same wallet.", show_default="random"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a wallet, and print the address to fund."""
    with connected() as api:
        wallet = api.post("/wallets", {"family": family}, key or str(uuid.uuid4()))
    output.show(wallet, as_json, _picture(wallet))


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50, as_json: AsJson = False) -> None:
    """Your wallets."""
    with connected() as api:
        found = api.every("/wallets", limit)
    rows = [(one["id"], one["chain"], one["address"], "frozen" if one["frozen"] else "") for one in found["items"]]
    columns = ("wallet", "chain", "address", "")
    output.show(
        found,
        as_json,
        output.table(columns, rows, "No wallets yet: `tripwire wallet create`.", whole=("wallet", "address")),
    )


@app.command()
def show(wallet_id: WalletId, as_json: AsJson = False) -> None:
    """One wallet."""
    with connected() as api:
        wallet = api.get(f"/wallets/{wallet_id}")
    output.show(wallet, as_json, _picture(wallet))


@app.command()
def balances(wallet_id: WalletId, as_json: AsJson = False) -> None:
    """What the chain says it has, beside what the book says."""
    with connected() as api:
        found = api.get(f"/wallets/{wallet_id}/balances")
    names = ("chain", "book", "held", "difference")
    rows = [(one["asset"], *(one[name]["amount"] for name in names)) for one in found["balances"]]
    drawn = output.table(("asset", "on chain", "in the book", "held", "difference"), rows, "No assets.")
    output.show(found, as_json, output.stacked(output.facts([("address", found["address"])]), drawn))


@app.command()
def nonce(
    wallet_id: WalletId,
    account: Annotated[
        str | None, typer.Argument(help="A nonce account with the wallet as its authority.", show_default=False)
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Use blockhashes again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a Solana wallet's payloads carry a durable nonce instead of a blockhash."""
    if (account is None) != none:
        raise typer.BadParameter("name a nonce account, or say --none")
    with connected() as api:
        wallet = api.post(f"/wallets/{wallet_id}/durable-nonce", {"account": account})
    output.show(wallet, as_json, _picture(wallet))


def _picture(wallet: dict[str, Any]) -> Any:
    return output.facts(
        [
            ("wallet", wallet["id"]),
            ("chain", wallet["chain"]),
            ("address", wallet["address"]),
            ("custodian", wallet["custodian"]),
            ("frozen", wallet["frozen"]),
            ("durable nonce", wallet["durable_nonce"] or "none"),
            ("created", output.when(wallet["created_at"])),
        ]
    )
