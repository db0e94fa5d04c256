"""One state directory, one world: who holds it, and what a killed holder left running."""

import fcntl
import json
import os
import signal
from pathlib import Path

from infra.devnet.processes import Identity, end_stranded
from infra.devnet.state import write_private

GRACE_S = 10


class Occupied(Exception):
    """Another world runs in this directory."""


class Tenancy:
    """Holds the directory until released, or until the kernel takes the lock back from the dead."""

    def __init__(self, state: Path) -> None:
        """Errors: Occupied."""
        state.mkdir(parents=True, exist_ok=True)
        self._pids = state / "pids.json"
        self._lock = (state / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            pid = self._lock.read().strip()
            self._lock.close()
            raise Occupied(
                f"another world runs in {state} (pid {pid}): end that one, or choose another place with --state"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()

    def end_leftovers(self) -> list[str]:
        """End what an earlier holder wrote down and did not live to end. Returns the names of what was."""
        if not self._pids.exists():
            return []
        noted = {name: Identity(**identity) for name, identity in json.loads(self._pids.read_bytes()).items()}
        alive = {name: process for name, identity in noted.items() if (process := identity.process())}
        end_stranded(list(alive.values()), first=signal.SIGTERM, grace_s=GRACE_S)
        return sorted(alive)

    def note(self, running: dict[str, Identity]) -> None:
        noted = {name: {"pid": known.pid, "created": known.created} for name, known in running.items()}
        write_private(self._pids, json.dumps(noted, indent=1).encode())

    def release(self) -> None:
        self._lock.close()
