"""A real Postgres for tests: `with postgres_server(directory) as url: ...`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.devnet import postgres
from infra.devnet.ports import free_port
from infra.devnet.processes import Child
from tests.world.waiting import finished


@contextmanager
def postgres_server(directory: Path) -> Iterator[str]:
    """Yield the URL (`postgresql+asyncpg://...`) of an empty database `tripwire`; the server ends after."""
    place = postgres.prepare(directory)
    port = free_port()
    child = Child(postgres.program(place, port), directory / "postgres.log")
    try:
        finished(postgres.wait_ready(port))
        yield postgres.url(port)
    finally:
        child.end()
        place.discard()
