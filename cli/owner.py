"""`tripwire owner ...`"""

import uuid
from typing import Annotated

import typer

from cli import output
from cli.client import connected
from cli.output import AsJson

app = typer.Typer(no_args_is_help=True, help="Owners, for operators.")


@app.callback()
def owners() -> None:
    """Keeps `create` a command of its own while it is the only one."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call this owner.", show_default=False)],
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key.", show_default="random")] = None,
    as_json: AsJson = False,
) -> None:
    """Add an owner."""
    with connected(operator=True) as api:
        owner = api.post("/owners", {"name": name}, key or str(uuid.uuid4()))
    then = f"tripwire key create --owner {owner['id']} --scope read --scope trade"
    output.show(
        owner, as_json, output.facts([("owner", owner["id"]), ("name", owner["name"]), ("give it a key", then)])
    )
