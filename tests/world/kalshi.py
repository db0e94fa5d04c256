"""A Kalshi stand-in for tests: `with kalshi_exchange(directory) as kalshi: ...`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infra.devnet.kalshi.credentials import KEY_ID, mint
from infra.devnet.ports import LOOPBACK, free_port
from infra.devnet.processes import Child, Program

READY_WITHIN_S = 30
POLL_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class KalshiExchange:
    """Where it answers, who may sign, and the door to move it."""

    port: int
    key_id: str
    private_key_file: Path

    @property
    def origin(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/trade-api/v2"

    @property
    def ws_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port}/trade-api/ws/v2"

    def move(self, ticker: str, **change: Any) -> None:
        """`move("FED-25DEC-CUT", yes_bid="0.71", yes_ask="0.73")`; see docs/devnet.md."""
        self._put(f"/_control/markets/{ticker}", change)

    def socket(self, mode: str) -> None:
        """up, down, silent or garbage."""
        self._put("/_control/socket", {"mode": mode})

    def fault(self, **fault: Any) -> None:
        self._put("/_control/faults", fault)

    def accepted(self) -> int:
        """How many sockets were opened since the start."""
        return int(self._socket_state()["accepted"])

    def followed(self) -> set[str]:
        """Markets that some socket follows by name."""
        return set(self._socket_state()["followed"])

    def _socket_state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.origin}/_control/socket", timeout=5).json()
        return state

    def _put(self, path: str, body: dict[str, Any]) -> None:
        httpx.put(self.origin + path, json=body, timeout=5).raise_for_status()


@contextmanager
def kalshi_exchange(
    directory: Path,
    *,
    port: int | None = None,
    tick_s: float = 0,
    heartbeat_s: float = 0.2,
    read_tokens_per_s: int = 4000,
) -> Iterator[KalshiExchange]:
    """Yield the stand-in, its state in `directory`; it ends after. Markets stand still unless `tick_s`."""
    directory.mkdir(parents=True, exist_ok=True)
    private, public = directory / "kalshi.pem", directory / "kalshi.pub.pem"
    mint(private, public)
    exchange = KalshiExchange(port or free_port(), KEY_ID, private)
    options = {
        "--port": exchange.port,
        "--state": directory / "kalshi.json",
        "--public-key": public,
        "--tick-s": tick_s,
        "--heartbeat-s": heartbeat_s,
        "--read-tokens-per-s": read_tokens_per_s,
    }
    said = [str(word) for option in options.items() for word in option]
    program = Program("kalshi", (sys.executable, "-m", "infra.devnet.kalshi", *said))
    child = Child(program, directory / "kalshi.log")
    try:
        _wait_ready(exchange, child)
        yield exchange
    finally:
        child.end()


def _wait_ready(exchange: KalshiExchange, child: Child) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            httpx.get(f"{exchange.url}/exchange/status", timeout=1).raise_for_status()
            return
        except httpx.HTTPError as error:
            if child.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Kalshi stand-in did not start:\n{child.last_words()}") from error
        time.sleep(POLL_EVERY_S)
