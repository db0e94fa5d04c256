"""`tripwire demo`: the main job from nothing, on an embedded world of its own, and what happened in it."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from cli.demo_chains import DemoFailed
from cli.demo_show import good, show
from cli.demo_story import Facts, Places, play
from infra.config import EX_CONFIG
from infra.devnet.postgres import PostgresUnavailable
from infra.devnet.tenancy import Occupied, Tenancy
from infra.devnet.toolchain import ToolMissing
from infra.devnet.tools import get_tools
from infra.devnet.world import PORT_BASE, World, WorldBroken

# Beside the ports of `tripwire dev`, so that both may run.
DEMO_PORT_BASE = PORT_BASE + 100

# Only a directory that holds this file is ever emptied: a demo made it, and nothing in it is anybody's.
MARK = "made-by-tripwire-demo"


class Shown(StrEnum):
    """Whose wallets and venues are shown."""

    SOLANA = "solana"
    EVM = "evm"
    BOTH = "both"


def demo(
    venue: Annotated[Shown, typer.Option(help="Jupiter on Solana, Uniswap on an EVM chain, or both.")] = Shown.BOTH,
    state: Annotated[Path, typer.Option(help="Where the demo's world lives; emptied first.")] = Path(".tripwire/demo"),
    port_base: Annotated[int, typer.Option(help="Its ports: this one and the twelve after it.")] = DEMO_PORT_BASE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document of the same facts.")] = False,
) -> None:
    """Watch a rule become settled money. Exit 0 only if each swap settled and chain and book are equal to the unit."""
    progress = Console(stderr=True)
    try:
        get_tools(progress)
        families = [Shown.SOLANA, Shown.EVM] if venue is Shown.BOTH else [venue]
        facts = asyncio.run(_run(state, port_base, families, progress))
    except (WorldBroken, Occupied, ToolMissing, PostgresUnavailable) as failure:
        progress.print(str(failure), markup=False)
        raise typer.Exit(EX_CONFIG) from None
    except (DemoFailed, httpx.HTTPError) as failure:
        progress.print(f"The demo stopped: {failure}", markup=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        show(facts, Console())
        typer.echo(f"Look around in it, Web UI included: tripwire dev --state {state} --port-base {port_base}")
    if not all(good(story) for story in facts.values()):
        raise typer.Exit(1)


async def _run(state: Path, port_base: int, families: Sequence[str], progress: Console) -> dict[str, Facts]:
    with progress.status("starting the embedded world") as status:
        await asyncio.to_thread(empty, state)
        async with World(state, port_base, say=status.update) as world:
            places = Places(
                api=world.env["TRIPWIRE_API_URL"],
                admin_key=world.env["TRIPWIRE_ADMIN_KEY"],
                solana=world.url("solana"),
                evm=world.url("evm"),
                kalshi=world.url("kalshi"),
            )
            return await play(places, families, status.update)


def empty(state: Path) -> None:
    """Only what a demo made is removed: a directory that holds anything else is left alone."""
    if state.exists() and any(state.iterdir()):
        if not (state / MARK).is_file():
            raise WorldBroken(f"{state} holds something that no demo made; give the demo another --state")
        tenancy = Tenancy(state)
        tenancy.end_leftovers()  # of a demo that was killed: they still hold ports and files
        tenancy.release()
        shutil.rmtree(state)
    state.mkdir(parents=True, exist_ok=True)
    (state / MARK).touch()
