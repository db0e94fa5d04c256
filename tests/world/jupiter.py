"""A Jupiter stand-in for tests: `with jupiter_exchange(directory, solana_url) as jupiter: ...`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.devnet.ports import LOOPBACK, free_port
from infra.devnet.processes import Child, Program

READY_WITHIN_S = 30
POLL_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class JupiterExchange:
    """Where it answers, and the doors to move it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def lie(self, lie: str, calls: int | None = None) -> None:
        """See `infra.devnet.jupiter.lies` for what it can say; `none` ends it."""
        self._put("/_control/lies", {"lie": lie, "calls": calls})

    def form(self, form: str, **more: int) -> None:
        """One of the four instructions of Jupiter's program."""
        self._put("/_control/form", {"form": form, **more})

    def tables(self, *tables: object) -> None:
        """Lookup tables of the chain that its answers will name."""
        self._put("/_control/tables", {"tables": [str(table) for table in tables]})

    def fault(self, **fault: Any) -> None:
        self._put("/_control/faults", fault)

    def _put(self, path: str, body: dict[str, Any]) -> None:
        httpx.put(self.url + path, json=body, timeout=5).raise_for_status()


@contextmanager
def jupiter_exchange(directory: Path, solana_url: str, *, port: int | None = None) -> Iterator[JupiterExchange]:
    """Yield the stand-in, trading with the pool of the node at `solana_url`; it ends after."""
    directory.mkdir(parents=True, exist_ok=True)
    exchange = JupiterExchange(port or free_port())
    said = ("--port", str(exchange.port), "--solana-url", solana_url)
    program = Program("jupiter", (sys.executable, "-m", "infra.devnet.jupiter", *said))
    child = Child(program, directory / "jupiter.log")
    try:
        _wait_ready(exchange, child)
        yield exchange
    finally:
        child.end()


def _wait_ready(exchange: JupiterExchange, child: Child) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            httpx.get(f"{exchange.url}/_control/health", timeout=1).raise_for_status()
            return
        except httpx.HTTPError as error:
            if child.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Jupiter stand-in did not start:\n{child.last_words()}") from error
        time.sleep(POLL_EVERY_S)
