"""`python -m infra.devnet.evm`: one Ethereum node of one's own, the real anvil with a memory."""

import argparse
import asyncio
import signal
from pathlib import Path

from infra.devnet.evm.node import Node, NodeEnded
from infra.devnet.tenancy import Occupied
from infra.devnet.toolchain import ToolMissing


def main() -> None:
    """Read the arguments, then serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.devnet.evm", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="directory; made if missing")
    parser.add_argument("--block-s", type=float, default=1.0, help="0: a block for every transaction, none without")
    wanted = parser.parse_args()
    if wanted.block_s < 0:
        parser.error("--block-s must not be below 0")
    try:
        asyncio.run(_serve(wanted.port, wanted.state, wanted.block_s))
    except (NodeEnded, Occupied, ToolMissing) as failure:
        raise SystemExit(str(failure)) from None


async def _serve(port: int, state: Path, block_s: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Node(port, state, block_s).run(stop)


if __name__ == "__main__":
    main()
