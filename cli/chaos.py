"""`tripwire chaos`: break an embedded world in every way of the table, and see that no money is lost or paid twice."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.chaos_show import show
from infra.config import EX_CONFIG
from infra.devnet.chaos.campaign import Report, run
from infra.devnet.chaos.document import guarantees
from infra.devnet.chaos.drill import BOTH, Drill
from infra.devnet.chaos.drills import all_drills
from infra.devnet.postgres import PostgresUnavailable
from infra.devnet.tenancy import Occupied, Tenancy
from infra.devnet.toolchain import ToolMissing
from infra.devnet.tools import get_tools
from infra.devnet.world import WorldBroken

# Only a directory that holds this file is ever emptied: a campaign made it.
MARK = "made-by-tripwire-chaos"

# Settings that name a system: whoever has them set may mean to break that one, and must not.
NAMES_A_SYSTEM = ("TRIPWIRE_DATABASE_URL", "TRIPWIRE_TEMPORAL_ADDRESS", "TRIPWIRE_API_URL", "TRIPWIRE_KMS_KEY_ID")


def chaos(
    seed: Annotated[
        int | None, typer.Option(help="Where chance begins; the seed of a failing drill replays it.", min=0)
    ] = None,
    minutes: Annotated[float, typer.Option(help="Play rounds until so much time is up; 0: one round.", min=0)] = 0,
    faults: Annotated[str, typer.Option(help="Which drills, by commas: F07,F29; `quick`; or `all`.")] = "all",
    venue: Annotated[str, typer.Option(help="solana, evm, or both.")] = "both",
    state: Annotated[Path, typer.Option(help="Where its worlds live; emptied first.")] = Path(".tripwire/chaos"),
    write: Annotated[Path | None, typer.Option(help="Write the guarantees with this run's figures there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document of the same facts.")] = False,
) -> None:
    """Strike faults in an embedded world of its own, and judge by the chains' records. Exit 0 only if all is well."""
    progress = Console(stderr=True)
    if named := [name for name in NAMES_A_SYSTEM if os.environ.get(name)]:
        progress.print(
            f"chaos breaks what it touches, and runs only in an embedded world that it starts itself; "
            f"your environment names a system ({', '.join(named)}). Unset that first.",
            markup=False,
        )
        raise typer.Exit(EX_CONFIG)
    drills, venues = _chosen(faults), BOTH if venue == "both" else (venue,)
    if not set(venues) <= set(BOTH):
        raise typer.BadParameter(f"{venue} is none of {', '.join(BOTH)}, both", param_hint="--venue")
    chosen_seed = secrets.randbelow(1_000_000) if seed is None else seed
    progress.print(f"seed {chosen_seed}: {len(drills)} drills on {', '.join(venues)}")
    try:
        get_tools(progress)
        _empty(state)
        keep, say = partial(_keep, write, drills, _commit()), partial(_say, progress)
        report = asyncio.run(run(drills, venues, chosen_seed, minutes, state, say, keep))
    except (WorldBroken, Occupied, ToolMissing, PostgresUnavailable) as failure:
        progress.print(str(failure), markup=False)
        raise typer.Exit(EX_CONFIG) from None
    if as_json:
        typer.echo(json.dumps(_document(report), indent=2))
    else:
        show(report, Console())
    if not report.good:
        raise typer.Exit(1)


def _chosen(faults: str) -> tuple[Drill, ...]:
    known = all_drills()
    if faults == "all":
        return known
    if faults == "quick":
        return tuple(one for one in known if one.quick)
    wanted = [name.strip() for name in faults.split(",")]
    if unknown := sorted(set(wanted) - {one.fault for one in known}):
        listed = ", ".join(dict.fromkeys(one.fault for one in known))
        raise typer.BadParameter(f"no drill for {', '.join(unknown)}; there are {listed}", param_hint="--faults")
    return tuple(one for one in known if one.fault in wanted)


def _empty(state: Path) -> None:
    if state.exists() and any(state.iterdir()):
        if not (state / MARK).is_file():
            raise WorldBroken(f"{state} holds something that no campaign made; give it another --state")
        for world in state.iterdir():
            if world.is_dir():
                tenancy = Tenancy(world)
                tenancy.end_leftovers()
                tenancy.release()
        shutil.rmtree(state)
    state.mkdir(parents=True, exist_ok=True)
    (state / MARK).touch()


def _keep(file: Path | None, drills: tuple[Drill, ...], commit: str, report: Report) -> None:
    if file:
        file.write_text(guarantees(report, drills, commit))


def _say(progress: Console, text: str) -> None:
    progress.print(text, markup=False, highlight=False)


def _commit() -> str:
    described = ("git", "describe", "--always", "--dirty")
    return subprocess.run(described, capture_output=True, text=True, check=False).stdout.strip() or "unknown"  # noqa: S603


def _document(report: Report) -> dict[str, object]:
    return {
        "seed": report.seed,
        "began": report.began.isoformat(),
        "seconds": round(report.seconds, 1),
        "good": report.good,
        "outcomes": [asdict(outcome) for outcome in report.outcomes],
    }
