"""Hands on the Solana stand-in itself, past every proxy: its time, its forks, its pool, and what it received."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.devnet.chaos.scene import Scene

BLOCKHASH_LIFE = 150  # blocks. Source: MAX_PROCESSING_AGE of the validator
POOL = {"usdc": "2000000000000", "sol": "10000000000000"}  # the stand-in's own reserves, in base units


async def door(scene: Scene, name: str, **body: Any) -> Any:
    answer = await scene.http.put(f"{scene.world.url('solana')}/_control/{name}", json=body)
    return answer.raise_for_status().json()


async def ask(scene: Scene, method: str, *params: Any) -> Any:
    """The node's answer, past its proxy."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return (await scene.http.post(scene.world.url("solana"), json=body)).raise_for_status().json()["result"]


@asynccontextmanager
async def pace(scene: Scene, **wanted: int) -> AsyncIterator[None]:
    """Another slot time or other lags, for a while."""
    before = await door(scene, "clock")
    await door(scene, "clock", **wanted)
    try:
        yield
    finally:
        await door(scene, "clock", **before)


@asynccontextmanager
async def pool(scene: Scene) -> AsyncIterator[None]:
    """Afterwards it holds again what it held at first."""
    try:
        yield
    finally:
        await door(scene, "pool", **POOL)


async def dearer(scene: Scene, percent: int) -> None:
    """SOL costs this much more dollars than at first."""
    await door(scene, "pool", usdc=str(int(POOL["usdc"]) * (100 + percent) // 100), sol=POOL["sol"])


async def expire(scene: Scene) -> None:
    """Make so many blocks that whatever was signed before them is too old for the newest."""
    await door(scene, "advance", slots=BLOCKHASH_LIFE + 5)


async def received(scene: Scene, signature: str) -> list[str]:
    """What became of each arrival of a transaction, oldest first, by the chain's own record."""
    answer = await scene.http.get(f"{scene.world.url('solana')}/_control/log")
    return [one["outcome"] for one in answer.raise_for_status().json() if one["signature"] == signature]


async def landed(scene: Scene, signature: str) -> bool:
    """Whether it is in a block, whatever it did there."""
    return bool({"landed", "failed"} & set(await received(scene, signature)))
