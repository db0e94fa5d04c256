"""What the processes of the embedded world are told, and `dev.env`, which tells it to anyone else."""

import shlex
from pathlib import Path

from domain import assets
from infra.devnet import postgres, temporal
from infra.devnet.kms.client import CREDENTIALS, REGION
from infra.devnet.ports import LOOPBACK
from infra.devnet.state import write_private

# Added to the port base; Temporal's two stand in `temporal-dev.yaml`. The workers' are for their metrics.
_OFFSETS = {
    "api": 0,
    "postgres": 3,
    "kms": 4,
    "solana": 5,
    "solana websocket": 6,
    "kalshi": 7,
    "kalshi websocket": 7,  # the same server; a proxy before it is another one
    "jupiter": 8,
    "evm": 9,
    "executor": 10,
    "signer": 11,
    "watcher": 12,
}


def offsets() -> dict[str, int]:
    """What each part's port is beyond the port base."""
    chosen = temporal.settings().ports
    return {**_OFFSETS, "temporal": chosen.frontend, "temporal ui": chosen.ui}


# The product is switched on here, which no default ever does: everything it can lose is play money.
SWITCHED_ON = {
    "TRIPWIRE_EXECUTION_ENABLED": "true",
    "TRIPWIRE_DRY_RUN": "false",
    # What the stand-ins trade.
    "TRIPWIRE_ALLOWED_ASSETS": ",".join(
        asset.id for chain in ("solana", "anvil") for asset in assets.BY_CHAIN[chain].values()
    ),
    "TRIPWIRE_MAX_POSITION_USD": "1000",  # the usual limit of 10 would refuse the example in the README
}


def settings(ports: dict[str, int], state: Path, kms_key_id: str, kalshi_key_id: str) -> dict[str, str]:
    """By the very names the processes read, so that any of them can be run alone."""
    return {
        "TRIPWIRE_DATABASE_URL": postgres.url(ports["postgres"]),
        "TRIPWIRE_TEMPORAL_ADDRESS": f"{LOOPBACK}:{ports['temporal']}",
        "TRIPWIRE_TEMPORAL_NAMESPACE": "default",
        "TRIPWIRE_TEMPORAL_UI_URL": f"http://{LOOPBACK}:{ports['temporal ui']}",
        "TRIPWIRE_KMS_ENDPOINT": f"http://{LOOPBACK}:{ports['kms']}",
        "TRIPWIRE_KMS_KEY_ID": kms_key_id,
        "TRIPWIRE_AWS_REGION": REGION,
        "TRIPWIRE_SOLANA_RPC_URLS": f"http://{LOOPBACK}:{ports['solana']}",
        "TRIPWIRE_EVM_RPC_URLS": f"http://{LOOPBACK}:{ports['evm']}",
        "TRIPWIRE_EVM_CHAIN": "anvil",
        "TRIPWIRE_JUPITER_URL": f"http://{LOOPBACK}:{ports['jupiter']}",
        "TRIPWIRE_KALSHI_URL": f"http://{LOOPBACK}:{ports['kalshi']}/trade-api/v2",
        "TRIPWIRE_KALSHI_WS_URL": f"ws://{LOOPBACK}:{ports['kalshi websocket']}/trade-api/ws/v2",
        "TRIPWIRE_KALSHI_KEY_ID": kalshi_key_id,
        "TRIPWIRE_KALSHI_PRIVATE_KEY_FILE": str(state / "kalshi.pem"),
        "TRIPWIRE_API_HOST": LOOPBACK,
        "TRIPWIRE_API_PORT": str(ports["api"]),
        "TRIPWIRE_API_URL": f"http://{LOOPBACK}:{ports['api']}",
        **SWITCHED_ON,
        **CREDENTIALS,
    }


def for_other_tools(ports: dict[str, int], told: dict[str, str]) -> dict[str, str]:
    """The same addresses by the names that other programs read (`temporal`, `psql`, `aws`, test suites)."""
    return {
        "TEMPORAL_ADDRESS": told["TRIPWIRE_TEMPORAL_ADDRESS"],
        "TEMPORAL_NAMESPACE": told["TRIPWIRE_TEMPORAL_NAMESPACE"],
        "TEMPORAL_UI_URL": told["TRIPWIRE_TEMPORAL_UI_URL"],
        "DATABASE_URL": postgres.url(ports["postgres"], driver="postgresql"),
        "KMS_ENDPOINT": told["TRIPWIRE_KMS_ENDPOINT"],
        "KMS_KEY_ID": told["TRIPWIRE_KMS_KEY_ID"],
        "AWS_ENDPOINT_URL_KMS": told["TRIPWIRE_KMS_ENDPOINT"],
        "SOLANA_RPC_URL": told["TRIPWIRE_SOLANA_RPC_URLS"],
        "SOLANA_WS_URL": f"ws://{LOOPBACK}:{ports['solana websocket']}",
        "EVM_RPC_URL": told["TRIPWIRE_EVM_RPC_URLS"],
        "JUPITER_URL": told["TRIPWIRE_JUPITER_URL"],
        "KALSHI_URL": told["TRIPWIRE_KALSHI_URL"],
        "KALSHI_WS_URL": told["TRIPWIRE_KALSHI_WS_URL"],
    }


def write_dev_env(file: Path, told: dict[str, str], other_tools: dict[str, str]) -> None:
    """For `set -a; . dev.env`. It holds keys to the API, so it is for its owner's eyes."""
    lines = ["# Written by the embedded world once everything answered. Play money, real programs.", ""]
    for note, values in (
        ("What our own processes read. Replace any address by another, e.g. that of a proxy.", told),
        ("The same for other programs.", other_tools),
    ):
        lines += [f"# {note}", *(f"{name}={shlex.quote(value)}" for name, value in values.items()), ""]
    write_private(file, "\n".join(lines).encode())
