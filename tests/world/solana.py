"""A Solana node for tests: `with solana_node(directory) as node: ...`. A real process on free ports."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from infra.devnet.ports import LOOPBACK, free_port, is_free
from infra.devnet.processes import Child, Program

READY_WITHIN_S = 60  # the machine may be busy with other tests
POLL_EVERY_S = 0.02
CALL_DEADLINE_S = 30


@dataclass(slots=True)
class SolanaNode:
    """Where it answers, and the doors to move it. `kill` and `start` as often as you like."""

    directory: Path
    port: int
    options: dict[str, int]
    _child: Child | None = field(default=None)
    # One client, as making one costs more than a call; no connection kept, as the node may be killed.
    _http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=CALL_DEADLINE_S, limits=httpx.Limits(max_keepalive_connections=0))
    )

    @property
    def rpc_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.port + 1}"

    def call(self, method: str, *params: Any) -> Any:
        """The `result` of a call. Raises AssertionError with the `error` of one that failed."""
        reply = self.reply(method, *params)
        assert "error" not in reply, reply
        return reply["result"]

    def reply(self, method: str, *params: Any) -> dict[str, Any]:
        """The whole answer to a call, `error` and all."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._http.post(self.rpc_url, json=body)
        reply: dict[str, Any] = answer.raise_for_status().json()
        return reply

    def give_tokens(self, owner: object, mint: object, amount: int) -> None:
        """Make `amount` base units, in the owner's associated account; seen at every commitment."""
        self.control("tokens", owner=str(owner), mint=str(mint), amount=str(amount))

    def give_lamports(self, address: object, lamports: int) -> None:
        self.control("airdrop", address=str(address), lamports=str(lamports))

    def set_pool(self, usdc: int, sol: int) -> None:
        """Reserves in base units."""
        self.control("pool", usdc=str(usdc), sol=str(sol))

    def advance(self, slots: int) -> None:
        """Produce blocks at once."""
        self.control("advance", slots=slots)

    def fork(self, slots: int) -> None:
        """Lose what the newest blocks held, none of them final."""
        self.control("fork", slots=slots)

    def fault(self, match: str, mode: str, **more: Any) -> None:
        self.control("faults", match=match, mode=mode, **more)

    def control(self, door: str, **body: Any) -> Any:
        answer = self._http.put(f"{self.rpc_url}/_control/{door}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def log(self) -> list[dict[str, Any]]:
        """Every transaction received, oldest first: signature, sha256, received_at, outcome, slot."""
        entries: list[dict[str, Any]] = self._http.get(f"{self.rpc_url}/_control/log").json()
        return entries

    def start(self) -> None:
        said = [str(word) for option in self.options.items() for word in option]
        command = (sys.executable, "-m", "infra.devnet.solana", "--port", str(self.port), *said)
        state = ("--state", str(self.directory / "solana.sqlite"))
        self._child = Child(Program("solana", (*command, *state)), self.directory / "solana.log")
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                self._http.get(f"{self.rpc_url}/health", timeout=1).raise_for_status()
                return
            except httpx.HTTPError as error:
                if self._child.exit_code is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the node did not start:\n{self._child.last_words()}") from error
            time.sleep(POLL_EVERY_S)

    def kill(self) -> None:
        """kill -9, waited for."""
        assert self._child is not None
        self._child.program = Program("solana", (), stop_signal=signal.SIGKILL)
        self._child.end()

    def exit_code(self) -> int | None:
        """None while it runs."""
        assert self._child is not None
        return self._child.exit_code

    def stop(self) -> None:
        self._http.close()
        if self._child is not None:
            self._child.end()


@contextmanager
def solana_node(
    directory: Path, *, slot_ms: int = 20, confirmed_lag: int = 2, finalized_lag: int = 4
) -> Iterator[SolanaNode]:
    """Yield a node whose file lies in `directory`; it ends after."""
    directory.mkdir(parents=True, exist_ok=True)
    options = {"--slot-ms": slot_ms, "--confirmed-lag": confirmed_lag, "--finalized-lag": finalized_lag}
    node = SolanaNode(directory, _free_pair(), options)
    try:
        node.start()
        yield node
    finally:
        node.stop()


def _free_pair() -> int:
    """A free port whose next is free too: the WebSocket lives there, as on a validator."""
    while not is_free((port := free_port()) + 1):
        pass
    return port
