"""The EVM's programs and contracts, as npm packages pinned in `package-lock.json` beside this file.

anvil is the node; Uniswap and WETH come as the very bytecode that runs on mainnet; solc compiles `contracts/devnet`.
"""

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from infra.devnet.toolchain import ToolMissing, alone, cache_directory

HERE = Path(__file__).parent
OLDEST_NODE = 18  # Source: npm's own needs since its version 10, which came with Node 18
VERSION_TIMEOUT_S = 30
INSTALL_TIMEOUT_S = 600  # some 30 MB to fetch; seconds on an ordinary line
TELLING_LINES = 8  # npm says first what is wrong, and goes on for long

# Scripts of packages are not run: nothing needed here has one that does more than look around, and some
# would download. Peers are left out: they are the contracts' build tools, hundreds of packages.
INSTALL = ("ci", "--ignore-scripts", "--legacy-peer-deps", "--include=optional", "--no-audit", "--no-fund")


def evm_toolchain(say: Callable[[str], None] = lambda _: None) -> Path:
    """A directory with `node_modules`, made first if need be. `say` hears what takes long.

    Errors: ToolMissing.
    """
    lock_file = HERE / "package-lock.json"
    ready = cache_directory() / f"evm-{hashlib.sha256(lock_file.read_bytes()).hexdigest()[:12]}"
    if ready.exists():
        return ready
    ready.parent.mkdir(parents=True, exist_ok=True)
    with alone(ready.with_suffix(".lock"), say):
        if ready.exists():
            return ready  # another clone was faster
        with tempfile.TemporaryDirectory(dir=ready.parent, prefix=".getting-") as scratch:
            unfinished = Path(scratch) / ready.name
            unfinished.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, unfinished / name)
            _install(unfinished, say)
            _check(anvil_binary(unfinished))
            unfinished.rename(ready)  # in one step: nobody ever sees half of it
    return ready


def anvil_binary(toolchain: Path) -> Path:
    """The native program, not npm's wrapper around it: signals and `kill -9` then reach the node itself.

    Errors: ToolMissing.
    """
    found = next(toolchain.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"), None)
    if found is None:
        raise ToolMissing("npm has no anvil for this machine's kind: @foundry-rs/anvil knows Linux, macOS and Windows.")
    return found


def node_program() -> str:
    """`node`, which runs the compiler.

    Errors: ToolMissing.
    """
    node = shutil.which("node")
    said = _answer([node, "--version"]) if node else ""
    version = re.match(r"v(\d+)\.", said)
    if node is None or version is None or int(version[1]) < OLDEST_NODE:
        here = f"this is {said.strip()}" if said else "there is no `node` on PATH"
        raise ToolMissing(
            f"The EVM chain of the embedded world needs Node.js {OLDEST_NODE} or newer with npm, and {here}: "
            "install it (https://nodejs.org), then run `make setup` again."
        )
    return node


def _install(directory: Path, say: Callable[[str], None]) -> None:
    """`npm ci`: the lock file's versions and no other. Registry and proxies are those npm is set up with here."""
    node_program()
    npm = shutil.which("npm")
    if npm is None:
        raise ToolMissing(
            "The EVM chain of the embedded world is installed by `npm`, which is not on PATH: "
            "install it (it comes with Node.js, https://nodejs.org), then run `make setup` again."
        )
    say("fetching anvil and Uniswap's contracts (some 30 MB, once)")
    try:
        installing = subprocess.run(  # noqa: S603 - npm, by its full path
            [npm, *INSTALL],
            cwd=directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolMissing(f"`npm ci` did not end in {INSTALL_TIMEOUT_S} s: does its registry answer?") from None
    if installing.returncode != 0:
        errors = [line for line in installing.stdout.splitlines() if not line.startswith("npm warn")]
        words = "\n".join(errors[:TELLING_LINES])
        raise ToolMissing(f"anvil and Uniswap's contracts could not be installed; npm said:\n{words}")


def _check(anvil: Path) -> None:
    if "anvil" not in _answer([str(anvil), "--version"]):
        raise ToolMissing("anvil was installed and does not run: @foundry-rs/anvil is not for this machine.")


def _answer(command: list[str]) -> str:
    """Standard output, or nothing where the command fails."""
    try:
        return subprocess.run(  # noqa: S603 - the programs this module is about
            command, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _environment() -> dict[str, str]:
    """The user's, so that registry and proxies hold, less what would change what node does or npm installs."""
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    kept = {name: value for name, value in os.environ.items() if name not in ("NODE_OPTIONS", "NODE_ENV")}
    return {**kept, "HOME": home}
