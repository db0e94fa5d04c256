"""`python -m infra.devnet.solana`: one Solana node of one's own."""

import argparse
import sys
from pathlib import Path

import structlog

from infra.devnet.solana.chain import MAX_LAG, Pace
from infra.devnet.solana.server import run


def main() -> None:
    """Read the arguments, then serve."""
    parser = argparse.ArgumentParser(prog="python -m infra.devnet.solana", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ws-port", type=int, help="default: the port after --port")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file; made if missing")
    parser.add_argument("--slot-ms", type=int, default=400)
    parser.add_argument("--confirmed-lag", type=int, default=2, help="slots")
    parser.add_argument("--finalized-lag", type=int, default=32, help="slots")
    wanted = parser.parse_args()
    if not 0 <= wanted.confirmed_lag <= wanted.finalized_lag <= MAX_LAG or wanted.slot_ms < 1:
        parser.error(f"want 0 <= confirmed-lag <= finalized-lag <= {MAX_LAG}, and slot-ms above 0")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    pace = Pace(wanted.slot_ms, wanted.confirmed_lag, wanted.finalized_lag)
    run(wanted.host, wanted.port, wanted.ws_port or wanted.port + 1, wanted.state, pace)


if __name__ == "__main__":
    main()
