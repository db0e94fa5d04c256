"""The key service for tests: `with kms_server(directory) as kms: ...`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.devnet.health import wait_healthy
from infra.devnet.kms.client import ensure_key
from infra.devnet.ports import LOOPBACK, free_port
from infra.devnet.processes import Child, Program, module
from tests.world.waiting import finished


@dataclass(frozen=True, slots=True)
class KmsDev:
    """Where it answers, and the ARN of the key to wrap with."""

    endpoint: str
    key_id: str
    pid: int


@contextmanager
def kms_server(directory: Path) -> Iterator[KmsDev]:
    """Yield a key service whose keys live in `directory`, and go on living there."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = module("infra.devnet.kms", "--port", port, "--state", directory / "kms.json")
    child = Child(Program("kms", command), directory / "kms.log")
    endpoint = f"http://{LOOPBACK}:{port}"
    try:
        finished(wait_healthy(f"{endpoint}/health"))
        yield KmsDev(endpoint, ensure_key(endpoint), child.pid)
    finally:
        child.end()
