"""A real Temporal server for tests: `with temporal_server(directory) as temporal: ...`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.devnet import temporal
from infra.devnet.ports import free_port
from infra.devnet.processes import Child
from infra.devnet.temporal import TemporalDev
from infra.devnet.toolchain import temporal_binary
from tests.world.waiting import finished


@contextmanager
def temporal_server(directory: Path) -> Iterator[TemporalDev]:
    """Yield where a server configured by `temporal-dev.yaml` answers; it ends after."""
    directory.mkdir(parents=True, exist_ok=True)
    chosen = temporal.settings()
    port, ui_port = free_port(), free_port()
    server = temporal.at(port, ui_port, chosen)
    program = temporal.program(temporal_binary(), directory, port, ui_port, chosen)
    child = Child(program, directory / "temporal.log")
    try:
        finished(temporal.wait_ready(server))
        yield server
    finally:
        child.end()
