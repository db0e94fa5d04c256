"""`tripwire dev`: the embedded world in the foreground, until Ctrl-C."""

import asyncio
import contextlib
import shlex
import signal
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from infra.config import EX_CONFIG
from infra.devnet.postgres import PostgresUnavailable
from infra.devnet.tenancy import Occupied
from infra.devnet.toolchain import ToolMissing
from infra.devnet.tools import get_tools
from infra.devnet.world import World, WorldBroken


def dev(state: Path, port_base: int, without: str) -> None:
    """Run the world until SIGINT, SIGTERM or the terminal's end; `without` names parts, comma-separated."""
    console = Console(stderr=True)
    left_out = [name.strip() for name in without.split(",") if name.strip()]
    try:
        get_tools(console)
        world = World(state, port_base, without=left_out, say=lambda line: _say(console, line))
        asyncio.run(_run(world, console))
    except (WorldBroken, Occupied, ToolMissing, PostgresUnavailable) as failure:
        _say(console, str(failure))
        raise typer.Exit(EX_CONFIG) from None


async def _run(world: World, console: Console) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    up = asyncio.Event()
    living = asyncio.create_task(_live(world, console, up, told))
    stopping = asyncio.create_task(told.wait())
    await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not up.is_set():
        living.cancel()  # told to stop while still starting; nothing happens to one that failed by itself
    with contextlib.suppress(asyncio.CancelledError):
        await living
    _say(console, "everything has ended; the state stays in " + str(world.state))


async def _live(world: World, console: Console, up: asyncio.Event, told: asyncio.Event) -> None:
    _say(console, f"starting the world in {world.state}")
    async with world:
        up.set()
        console.print(_whereabouts(world))
        _say(console, _how_to_go_on(world))
        await told.wait()
        _say(console, "ending everything, our own processes first")


def _whereabouts(world: World) -> Table:
    table = Table(title="the embedded world", title_justify="left", show_header=False)
    for name, where in (
        ("API", f"{world.env['TRIPWIRE_API_URL']}/docs"),
        ("Temporal Web UI", world.env["TEMPORAL_UI_URL"]),
        ("Temporal", world.env["TEMPORAL_ADDRESS"]),
        ("Postgres", world.env["DATABASE_URL"]),
        ("KMS", world.env["KMS_ENDPOINT"]),
        ("Solana", world.env["SOLANA_RPC_URL"]),
        ("EVM", world.env["EVM_RPC_URL"]),
        ("Kalshi", world.env["KALSHI_URL"]),
        ("Jupiter", world.env["JUPITER_URL"]),
        ("all of it, with keys", str(world.state / "dev.env")),
        ("logs", str(world.state / "logs")),
    ):
        table.add_row(name, where)
    return table


def _how_to_go_on(world: World) -> str:
    told = shlex.quote(str(world.state.resolve() / "dev.env"))
    program = shlex.quote(str(Path(sys.executable).with_name("tripwire")))
    return f"Ctrl-C ends it. In another shell: set -a; . {told}; set +a; {program} --help"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
