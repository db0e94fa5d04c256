"""Find the `temporal` program, or get it: on PATH, in the project's cache, as the SDK does, or built with Go."""

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

BUILT_VERSION = "v1.5.1"  # later ones have replace directives, with which `go install` refuses
OLDEST_CLI = (1, 5)  # Source: the flags of `server start-dev` used in infra/devnet/temporal.py
OLDEST_SERVER = (1, 29)  # what that CLI carries; a CLI built by `go install` calls itself 0.0.0-DEV
OLDEST_GO = (1, 24)  # Source: go.mod of the CLI at BUILT_VERSION
VERSION_TIMEOUT_S = 10
PROBE_TIMEOUT_S = 5  # where the download host is not to be reached, Go is the next way: do not wait long
DOWNLOAD_TIMEOUT_S = 300  # some 50 MB
BUILD_TIMEOUT_S = 1800  # about 3 minutes on two cores, with all modules still to fetch
DOWNLOAD_HOST = "https://temporal.download"  # Source: sdk-core, ephemeral_server


class ToolMissing(Exception):
    """A program the embedded world needs cannot be had here; the message says what would help."""


def cache_directory() -> Path:
    """Where downloads and builds are kept, outside the work tree. HOME may be unset or empty."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(chosen or Path(home) / ".cache") / "tripwire"


def temporal_binary(say: Callable[[str], None] = lambda _: None) -> Path:
    """Where a usable `temporal` is, getting one first if need be. `say` hears what takes long.

    Errors: ToolMissing.
    """
    on_path = shutil.which("temporal")
    if on_path and _usable(Path(on_path)):
        return Path(on_path)
    cached = cache_directory() / "bin" / "temporal"
    if cached.exists() and _usable(cached):
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with alone(cached.with_suffix(".lock"), say):
        if cached.exists() and _usable(cached):
            return cached  # another clone was faster
        with tempfile.TemporaryDirectory(dir=cached.parent, prefix=".getting-") as scratch:
            got = _downloaded(Path(scratch), say) or _built(Path(scratch), say)
            got.replace(cached)  # in one step: nobody ever sees half a program
    return cached


def _usable(binary: Path) -> bool:
    """Whether it runs here and is new enough."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program this module is about
            [binary, "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    cli = re.search(r"version v?(\d+)\.(\d+)", answer)
    server = re.search(r"Server v?(\d+)\.(\d+)", answer)
    return _at_least(cli, OLDEST_CLI) or _at_least(server, OLDEST_SERVER)


def _at_least(found: re.Match[str] | None, oldest: tuple[int, int]) -> bool:
    return found is not None and (int(found[1]), int(found[2])) >= oldest


@contextmanager
def alone(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Two clones on one machine must not build the same thing twice; the kernel frees a dead one's lock."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is getting the same; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _downloaded(scratch: Path, say: Callable[[str], None]) -> Path | None:
    """The SDK's own download, or None where that host is not to be reached.

    The SDK downloads only while it starts a server, so one is started and ended at once.
    """
    try:
        httpx.head(DOWNLOAD_HOST, timeout=PROBE_TIMEOUT_S)
    except httpx.HTTPError:
        return None
    say("downloading Temporal (some 50 MB, once)")
    script = "\n".join(
        [
            "import asyncio, sys",
            "from temporalio.testing import WorkflowEnvironment",
            "async def main():",
            "    await (await WorkflowEnvironment.start_local(download_dest_dir=sys.argv[1])).shutdown()",
            "asyncio.run(main())",
        ]
    )
    try:
        subprocess.run(  # noqa: S603 - our own lines above; a process of its own, for the time limit
            [sys.executable, "-c", script, str(scratch)],
            capture_output=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError:
        return None
    return next((file for file in scratch.iterdir() if file.is_file() and _usable(file)), None)


def _built(scratch: Path, say: Callable[[str], None]) -> Path:
    """`go install`, whose checksum database vouches for every module.

    Errors: ToolMissing.
    """
    go = shutil.which("go")
    wanted = f"Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer (https://go.dev/dl)"
    other = "or put a `temporal` of version 1.5 or newer on PATH (https://docs.temporal.io/cli)"
    if go is None:
        raise ToolMissing(f"Temporal has to be built once, and there is no `go` on PATH: install {wanted}, {other}.")
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    environment = {**os.environ, "HOME": home, "GOBIN": str(scratch)}
    version = subprocess.run(  # noqa: S603
        [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False, env=environment
    ).stdout.strip()
    if not _at_least(re.match(r"go(\d+)\.(\d+)", version), OLDEST_GO):
        raise ToolMissing(
            f"Temporal has to be built once with {wanted}; this is {version or 'unknown'}: install it, {other}."
        )
    say("building Temporal (about 3 minutes, once)")
    with tempfile.TemporaryFile("w+") as output:
        building = subprocess.run(  # noqa: S603
            [go, "install", f"github.com/temporalio/cli/cmd/temporal@{BUILT_VERSION}"],
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            check=False,
            env=environment,
        )
        output.seek(0)
        words = "\n".join(output.read().splitlines()[-8:])
    built = scratch / "temporal"
    if building.returncode != 0 or not _usable(built):
        raise ToolMissing(f"Temporal could not be built with `go install`; Go said:\n{words}\nMend that, {other}.")
    return built
