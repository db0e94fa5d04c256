"""The `tripwire` command. What runs parts of the product itself is imported only when it is asked for."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import execution, key, owner, rule, task, wallet
from cli.kill_switch import kill_switch
from cli.reconcile import reconcile, recover, restored
from cli.status import status

app = typer.Typer(
    name="tripwire",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its pictures of a traceback show local values, keys among them
    help="Moves money by rule, exactly once. Reads TRIPWIRE_API_URL and TRIPWIRE_API_KEY (or TRIPWIRE_OWNER_KEY).",
)
app.add_typer(rule.app, name="rule")
app.add_typer(execution.app, name="execution")
app.add_typer(wallet.app, name="wallet")
app.add_typer(task.app, name="task")
app.add_typer(owner.app, name="owner")
app.add_typer(key.app, name="key")
app.command()(status)
app.command("kill-switch")(kill_switch)
app.command()(reconcile)
app.command()(restored)
app.command()(recover)


class Worker(StrEnum):
    EXECUTOR = "executor"
    SIGNER = "signer"
    WATCHER = "watcher"


@app.command()
def api() -> None:
    """Serve the HTTP API in this process, by the TRIPWIRE_ settings."""
    from api.server import main as serve  # noqa: PLC0415

    serve()


@app.command()
def worker(kind: Annotated[Worker, typer.Argument(show_default=False)]) -> None:
    """Run a worker in this process, by the TRIPWIRE_ settings."""
    match kind:
        case Worker.EXECUTOR:
            from workers.executor import main as work  # noqa: PLC0415
        case Worker.SIGNER:
            from workers.signer import main as work  # noqa: PLC0415
        case Worker.WATCHER:
            from workers.watcher import main as work  # noqa: PLC0415
    work()


@app.command()
def dev(
    state: Annotated[
        Path, typer.Option(help="Everything is kept here, so a second start goes on where the first stopped.")
    ] = Path(".tripwire"),
    port_base: Annotated[int, typer.Option(min=1_024, max=65_000, help="The API's port; the parts follow it.")] = 7400,
    without: Annotated[
        str, typer.Option(help="Leave out, comma-separated: executor, signer, watcher, api.", show_default=False)
    ] = "",
) -> None:
    """Run the whole embedded world: every part, on this machine, until Ctrl-C."""
    from cli.dev import dev as run  # noqa: PLC0415

    run(state, port_base, without)


# Its options are its own, help included: all that stands behind the word is handed on.
_HANDED_ON: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
}


@app.command(**_HANDED_ON)
def demo(context: typer.Context) -> None:
    """See a rule fire and settle, step by step. `tripwire demo --help` has more."""
    from cli.demo import demo as run  # noqa: PLC0415

    _hand_on(run, "demo", context)


@app.command(**_HANDED_ON)
def chaos(context: typer.Context) -> None:
    """Break an embedded world in every way there is a drill for. `tripwire chaos --help` has more."""
    from cli.chaos import chaos as run  # noqa: PLC0415

    _hand_on(run, "chaos", context)


def _hand_on(command: Callable[..., Any], name: str, context: typer.Context) -> None:
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(command)
    alone(args=context.args, prog_name=f"tripwire {name}")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
