"""`tripwire key ...`"""

from typing import Annotated

import typer

from cli import output
from cli.client import connected
from cli.output import AsJson

app = typer.Typer(no_args_is_help=True, help="API keys.")


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for.")] = "made by the command line",
    scope: Annotated[list[str] | None, typer.Option(help="read, trade or admin; may be repeated.")] = None,
    owner: Annotated[str | None, typer.Option(help="For operators: whose key it is.")] = None,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is valid.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once."""
    scopes = scope or ["read"]
    body: dict[str, object] = {"name": name, "scopes": scopes, "expires_in_days": days}
    if owner:
        body["owner_id"] = owner
    with connected(operator=owner is not None or "admin" in scopes) as api:
        made = api.post("/api-keys", body)  # no key: a replay would not tell the secret again
    output.show(
        made,
        as_json,
        output.facts(
            [
                ("key", made["key"]),
                ("id", made["id"]),
                ("scopes", made["scopes"]),
                ("expires", output.when(made["expires_at"])),
                ("note", "keep it now: it is not shown again"),
            ]
        ),
    )


@app.command("list")
def list_(
    everybody: Annotated[bool, typer.Option("--everybody", help="For operators: all owners' keys.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Your keys, without their secrets."""
    with connected(operator=everybody) as api:
        found = api.every("/api-keys", limit)
    rows = [
        (
            one["id"],
            one["name"],
            one["scopes"],
            f"revoked {output.when(one['revoked_at'])}" if one["revoked_at"] else output.when(one["expires_at"]),
        )
        for one in found["items"]
    ]
    output.show(
        found, as_json, output.table(("key", "name", "scopes", "valid until"), rows, "No keys.", whole=("key",))
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, key_...", show_default=False)],
    operator: Annotated[bool, typer.Option("--operator", help="For operators: anybody's key.")] = False,
    as_json: AsJson = False,
) -> None:
    """End a key at once."""
    with connected(operator=operator) as api:
        api.delete(f"/api-keys/{key_id}")
    output.show({"id": key_id, "revoked": True}, as_json, output.text(f"{key_id} is revoked."))
