"""`tripwire status`"""

import typer

from cli import output
from cli.client import REFUSED, connected
from cli.output import AsJson


def status(as_json: AsJson = False) -> None:
    """Every dependency and every process. Exit 0 only if all that is needed is there."""
    with connected() as api:
        found = api.get("/system/status")
    mode = (
        "dry run: nothing is signed" if found["dry_run"] else "live" if found["execution_enabled"] else "switched off"
    )
    dependencies = [
        (one["name"], "up" if one["up"] else "DOWN", f"{one['latency_ms']} ms", one["detail"])
        for one in found["dependencies"]
    ]
    processes = [
        (one["kind"], one["process"], "alive" if one["alive"] else "GONE", f"{one['age_s']} s ago")
        for one in found["processes"]
    ]
    missing = [f"{kind}: start one with `tripwire worker {kind}`" for kind in found["missing"]]
    output.show(
        found,
        as_json,
        output.stacked(
            output.facts(
                [
                    ("status", found["status"]),
                    ("missing", missing),
                    ("execution", mode),
                    ("kill switch", "ON: nothing is signed" if found["kill_switch"] else "off"),
                    ("halted", [f"{halt['name']}: {halt['reason']}" for halt in found["halts"]]),
                    ("open tasks", str(found["open_tasks"])),
                ]
            ),
            output.heading("Dependencies"),
            output.table(("name", "", "latency", "detail"), dependencies, "None."),
            output.heading("Processes"),
            output.table(("kind", "process", "", "last heartbeat"), processes, "No process has a heartbeat."),
        ),
    )
    if found["status"] != "ok":
        raise typer.Exit(REFUSED)
