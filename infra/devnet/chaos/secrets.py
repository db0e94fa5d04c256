"""Canaries: the keys of a drill's own wallet, and a search for them in all that anything here has written."""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.identity import canonical
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.scene import Scene
from infra.devnet.kms.client import client
from infra.devnet.solana import base58

MOST_HISTORIES = 50  # of the newest workflows
AT_ONCE = 4

# What stands for the inside of the key service holds keys in plain, and `keys.json`, `dev.env` are made for people.
_LOOKED_AT = ("logs/*.log", "temporal.sqlite*")


async def opened(scene: Scene, lane: Lane) -> dict[str, bytes]:
    """The wallet's own key and the data key that sealed it, as only a harness gets them: from the key service."""
    [row] = await scene.rows("SELECT owner_id, sealed_key FROM wallet WHERE id = $1", lane.wallet_id)
    sealed = json.loads(row["sealed_key"])
    context = {"tenant": str(row["owner_id"]), "purpose": "wallet-key", "wallet": lane.wallet_id}
    if lane.records.family == "evm":
        context["curve"] = "secp256k1"
    blob = {name: base64.b64decode(sealed[name]) for name in ("data_key", "nonce", "ciphertext")}
    kms = client(scene.world.url("kms"))
    key_id = scene.world.env["TRIPWIRE_KMS_KEY_ID"]

    def decrypted() -> bytes:
        return kms.decrypt(CiphertextBlob=blob["data_key"], KeyId=key_id, EncryptionContext=context)["Plaintext"]

    data_key = await asyncio.to_thread(decrypted)
    secret = AESGCM(data_key).decrypt(blob["nonce"], blob["ciphertext"], canonical(context).encode())
    return {"wallet's key": secret, "data key": data_key}


def found(canary: bytes, places: Mapping[str, bytes]) -> list[str]:
    """The places in which it stands in any spelling, line breaks and blanks apart."""
    spellings = _spellings(canary)
    return [
        place
        for place, written in places.items()
        if any(one in written or one in _squeezed(written) for one in spellings)
    ]


async def everything_written(scene: Scene) -> dict[str, bytes]:
    """Tables, histories, logs, Temporal's own file, metrics."""
    files = [file for pattern in _LOOKED_AT for file in sorted(scene.world.state.glob(pattern))]
    written = dict(zip((file.name for file in files), await asyncio.gather(*map(_read, files)), strict=True))
    written["database"] = await _tables(scene)
    written["histories"] = await _histories(scene)
    for name in scene.world.ours:
        answer = await scene.http.get(f"{scene.world.url(name)}/metrics")
        written[f"metrics of {name}"] = answer.raise_for_status().content
    return written


def _spellings(canary: bytes) -> list[bytes]:
    """The ways in which bytes are written down. Of base64, what does not depend on what stands beside it."""
    numbers = json.dumps(list(canary), separators=(",", ":"))[1:-1].encode()
    encoded = [base64.b64encode(canary)[:40], base64.urlsafe_b64encode(canary)[:40]]
    return [
        canary,
        canary.hex().encode(),
        canary.hex().upper().encode(),
        base58.encode(canary).encode(),
        numbers,
        *encoded,
    ]


def _squeezed(written: bytes) -> bytes:
    return re.sub(rb"\s", b"", written)


async def _read(file: Path) -> bytes:
    return await asyncio.to_thread(file.read_bytes)


async def _tables(scene: Scene) -> bytes:
    names = await scene.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    rows = [
        str(row["whole"])
        for name in names
        for row in await scene.rows(f'SELECT CAST(t AS text) AS whole FROM "{name["table_name"]}" t')  # noqa: S608
    ]
    return "\n".join(rows).encode()


async def _histories(scene: Scene) -> bytes:
    listed: list[dict[str, Any]] = await scene.temporal_cli("workflow", "list", "--limit", str(MOST_HISTORIES))
    turn = asyncio.Semaphore(AT_ONCE)

    async def shown(one: dict[str, Any]) -> str:
        names = one["execution"]
        async with turn:
            told = await scene.temporal_cli(
                "workflow", "show", "--workflow-id", names["workflowId"], "--run-id", names["runId"]
            )
        return json.dumps(told) + "".join(_payloads(told))

    return "\n".join(await asyncio.gather(*(shown(one) for one in listed))).encode()


def _payloads(told: Any) -> list[str]:
    """What payloads hold, which histories show as base64."""
    if isinstance(told, list):
        return [text for one in told for text in _payloads(one)]
    if not isinstance(told, dict):
        return []
    if isinstance(told.get("data"), str):
        return [base64.b64decode(told["data"]).decode(errors="replace")]
    return [text for one in told.values() for text in _payloads(one)]
