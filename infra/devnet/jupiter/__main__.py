"""Run the stand-in: `python -m infra.devnet.jupiter --port P --solana-url URL`."""

import argparse
import sys

import httpx
import structlog
import uvicorn

from infra.chains.solana.rpc import SolanaNode
from infra.devnet.faults import Faults
from infra.devnet.jupiter.app import application
from infra.devnet.jupiter.chain import Chain
from infra.devnet.jupiter.script import Script
from infra.devnet.ports import LOOPBACK


def main() -> None:
    """Read the arguments, then serve until told to stop."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    parser = argparse.ArgumentParser(prog="python -m infra.devnet.jupiter", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--solana-url", required=True, help="JSON-RPC of the node that holds the pool")
    said = parser.parse_args()
    structlog.get_logger().info("jupiter stand-in starts", port=said.port, solana_url=said.solana_url)
    chain = Chain(SolanaNode(said.solana_url, httpx.AsyncClient()))
    uvicorn.run(
        Faults(application(chain, Script())),
        host=said.host,
        port=said.port,
        log_level="warning",
        timeout_graceful_shutdown=2,  # a fault that delays a call for minutes must not delay the end
        lifespan="off",
    )


if __name__ == "__main__":
    main()
