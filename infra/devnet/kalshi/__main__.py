"""Run the stand-in: `python -m infra.devnet.kalshi --port P --state FILE --public-key FILE`."""

import argparse
import sys
from pathlib import Path

import structlog
import uvicorn

from infra.devnet.kalshi.app import Options, build
from infra.devnet.kalshi.credentials import KEY_ID, public_key
from infra.devnet.ports import LOOPBACK

HEARTBEAT_S = 10.0  # Source: https://docs.kalshi.com/websockets/connection-keep-alive
TICK_S = 1.0  # a busy market: fresh at any moment, yet readable by eye
PRIME_READ_TOKENS_PER_S = 4000  # the Prime tier. Source: https://docs.kalshi.com/getting_started/rate_limits


def main() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    said = _arguments()
    options = Options(
        state=said.state,
        public_key=public_key(said.public_key),
        key_id=said.key_id,
        tick_s=said.tick_s,
        heartbeat_s=said.heartbeat_s,
        read_tokens_per_s=said.read_tokens_per_s,
    )
    structlog.get_logger().info("kalshi stand-in starts", port=said.port, state=str(said.state))
    uvicorn.run(
        build(options),
        host=LOOPBACK,
        port=said.port,
        log_level="warning",
        ws="websockets-sansio",
        ws_ping_interval=None,  # the stand-in pings by itself, with the exchange's own payload
        timeout_graceful_shutdown=2,
        lifespan="off",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.devnet.kalshi", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="where the markets are kept (JSON)")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM of the one key that is known")
    parser.add_argument("--key-id", default=KEY_ID)
    parser.add_argument("--tick-s", type=float, default=TICK_S, help="0: markets move only when told to")
    parser.add_argument("--heartbeat-s", type=float, default=HEARTBEAT_S)
    parser.add_argument("--read-tokens-per-s", type=int, default=PRIME_READ_TOKENS_PER_S)
    return parser.parse_args()


if __name__ == "__main__":
    main()
