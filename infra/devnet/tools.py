"""Everything the embedded world needs from outside, got with signs of life.

`python -m infra.devnet.tools` is part of `make setup`.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from rich.console import Console

from infra.devnet.evm.toolchain import evm_toolchain
from infra.devnet.toolchain import ToolMissing, temporal_binary

PLAIN_NEWS_EVERY_S = 15  # a log without a terminal wants a sign of life, not an animation

Getting = Callable[[Callable[[str], None]], Path]
TOOLS: dict[str, Getting] = {"Temporal": temporal_binary, "EVM": evm_toolchain}


def get_tools(console: Console) -> dict[str, Path]:
    """Where each is, by name: a spinner on a terminal while it is got, a line now and then elsewhere.

    Errors: ToolMissing.
    """
    return {name: _shown(console, name, get) for name, get in TOOLS.items()}


def _shown(console: Console, name: str, get: Getting) -> Path:
    steps: list[str] = []
    with ThreadPoolExecutor(1) as thread:
        getting = thread.submit(get, steps.append)
        if console.is_terminal:
            _spin(console, name, getting, steps)
        else:
            _tell(console, getting, steps)
    return getting.result()


def _spin(console: Console, name: str, getting: Future[Path], steps: list[str]) -> None:
    started = time.monotonic()
    with console.status(f"looking for {name}") as status:
        while not wait([getting], timeout=0.5).done:
            if steps:
                status.update(f"{steps[-1]}, {time.monotonic() - started:.0f} s so far")


def _tell(console: Console, getting: Future[Path], steps: list[str]) -> None:
    started = told_at = time.monotonic()
    told = ""
    while not wait([getting], timeout=0.5).done:
        now = time.monotonic()
        if steps and (steps[-1] != told or now - told_at > PLAIN_NEWS_EVERY_S):
            told, told_at = steps[-1], now
            console.print(f"{told}, {now - started:.0f} s so far", soft_wrap=True)


def main() -> None:
    console = Console(stderr=True)
    try:
        for name, place in get_tools(console).items():
            console.print(f"{name}: {place}", soft_wrap=True, highlight=False)
    except ToolMissing as missing:
        console.print(str(missing), soft_wrap=True, highlight=False, markup=False)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
