"""A child process of the embedded world: started, watched, ended, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LAUNCHER = Path(__file__).parent / "launch.py"
KILL_WAIT_S = 5  # what SIGKILL does not end within this hangs in the kernel: nothing more can be done


# Settings of the shell we were started from may name a live system: no part gets to see them.
FOREIGN = ("TRIPWIRE_", "AWS_", "TEMPORAL_")


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how it likes to be ended."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # added to a neutral one
    user: str | None = None  # an unprivileged account; None: the supervisor's
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL  # sent by the kernel when the supervisor dies
    grace_s: float = 10  # from the stop signal to SIGKILL


@dataclass(frozen=True, slots=True)
class Identity:
    """A pid alone may come to mean a stranger; with the time of its creation it cannot."""

    pid: int
    created: float  # seconds since the epoch, as the kernel counts them

    def process(self) -> psutil.Process | None:
        """The very process this was written down for, if it still lives."""
        try:
            process = psutil.Process(self.pid)
            alive = process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


class Child:
    """One running program. Start it from a thread that lives on: Linux ends it together with that thread."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self.log = log
        self._log_begins = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - commands come from the supervisor's own table
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(LAUNCHER),
                    str(os.getpid()),
                    str(int(program.orphan_signal)),
                    program.user or "-",
                    *program.command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**_neutral(os.environ), **program.environment},
                cwd="/" if program.user else None,  # another user may not be able to stand where we stand
                start_new_session=True,  # Ctrl-C is the supervisor's: it ends the parts in order
            )
        self._paused: list[psutil.Process] = []
        self.identity = Identity(self._process.pid, psutil.Process(self._process.pid).create_time())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def said(self) -> list[str]:
        """The lines it has logged since it started; the file goes on from earlier runs."""
        with self.log.open("rb") as file:
            file.seek(self._log_begins)
            return file.read().decode(errors="replace").splitlines()

    def last_words(self, lines: int = 12) -> str:
        """The end of its log, for a message about why it is not there any more."""
        return "\n".join(self.said()[-lines:])

    def pause(self) -> None:
        """SIGSTOP to it and to all it started; none of them runs when this returns. Errors: psutil.NoSuchProcess.

        Not by process group: each of Postgres's own children leads another.
        """
        root = psutil.Process(self._process.pid)
        self._paused = [root]
        _stop(root)  # first, and really: from here on it starts no more children
        for process in root.children(recursive=True):
            self._paused.append(process)
            _stop(process)

    def resume(self) -> None:
        """SIGCONT to all that was paused. Not paused is fine."""
        for process in self._paused:
            _send(process, signal.SIGCONT)
        self._paused = []

    def end(self) -> None:
        """Ask it to stop, wait for its grace, then kill it and what it started. Ended or paused already is fine."""
        if self.exit_code is None:
            self._process.send_signal(self.program.stop_signal)
            self.resume()  # after the signal, which is what it finds first
            try:
                self._process.wait(self.program.grace_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """kill -9, and wait for the kernel to take it away."""
        if self.exit_code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.resume()  # children outside its group see that it has gone, and go; paused they cannot
            self._process.wait(KILL_WAIT_S)


def module(name: str, *arguments: object) -> tuple[str, ...]:
    """The command that runs one of our modules; `-P` keeps the directory we stand in out of its imports."""
    return (sys.executable, "-P", "-m", name, *map(str, arguments))


def _neutral(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if not name.startswith(FOREIGN)}
    direct = [kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1", "localhost"]
    kept["NO_PROXY"] = kept["no_proxy"] = ",".join(host for host in direct if host)
    return kept


def end_stranded(processes: list[psutil.Process], first: signal.Signals, grace_s: float) -> None:
    """End processes that are not our children: leftovers of a supervisor that was killed."""
    for process in processes:
        _send(process, first)
        for paused in (process, *_children(process)):
            _send(paused, signal.SIGCONT)
    _, deaf = psutil.wait_procs(processes, timeout=grace_s)
    for process in deaf:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(deaf, timeout=KILL_WAIT_S)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _stop(process: psutil.Process) -> None:
    """SIGSTOP, and wait until the kernel has stopped it, which a call to the disk may delay."""
    deadline = time.monotonic() + KILL_WAIT_S
    _send(process, signal.SIGSTOP)
    with suppress(psutil.NoSuchProcess):
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE) and time.monotonic() < deadline:
            time.sleep(0.005)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil compares the creation time first: never a stranger
    except psutil.NoSuchProcess:
        return
