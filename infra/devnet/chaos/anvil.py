"""Hands on the EVM node itself, past every proxy: its blocks, its pool, its fees, its forks, anybody's account."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from infra.devnet.chaos.scene import Scene
from infra.devnet.evm.rpc import EvmRpc, Refused
from infra.devnet.world import World

GWEI = 10**9

# More often than the world makes blocks: the node takes a fee for the next block alone, and lets it fall after that.
SET_FEE_EVERY_S = 0.1


class Anvil:
    """Hashes and addresses as the node writes them, base units and wei as integers."""

    def __init__(self, rpc: EvmRpc) -> None:
        self.rpc, self.call = rpc, rpc.call

    async def mine(self, blocks: int = 1) -> None:
        await self.call("anvil_mine", hex(blocks))

    async def go_on(self) -> None:
        """A block every second: as fast as the node makes them by itself, once it was stopped."""
        await self.call("evm_setIntervalMining", 1)

    async def height(self) -> int:
        return int(await self.call("eth_blockNumber"), 16)

    async def receipt(self, hash_: str) -> dict[str, Any] | None:
        receipt: dict[str, Any] | None = await self.call("eth_getTransactionReceipt", hash_)
        return receipt

    async def waits(self, hash_: str) -> bool:
        """Whether it is in the pool, and in no block."""
        found = await self.call("eth_getTransactionByHash", hash_)
        return found is not None and found["blockNumber"] is None

    async def raw(self, hash_: str) -> str:
        """The signed bytes, in hex."""
        return str(await self.call("eth_getRawTransactionByHash", hash_))

    async def drop(self, hash_: str) -> None:
        """Out of the pool, as if it had never come."""
        Scene.check(await self.call("anvil_dropTransaction", hash_) == hash_, f"{hash_} was not in the pool")

    async def fork(self, depth: int) -> None:
        """The newest blocks are others now, and empty; what they held is nowhere."""
        await self.call("anvil_reorg", depth, [])

    async def sign_as(self, address: str, **transaction: str) -> str:
        """Sign and send as whoever has this address's key would. Returns the hash."""
        await self.call("anvil_impersonateAccount", address)
        hash_ = await self.call("eth_sendTransaction", {"from": address, "to": address, "value": "0x0", **transaction})
        await self.call("anvil_stopImpersonatingAccount", address)
        return str(hash_)


@asynccontextmanager
async def hands(scene: Scene) -> AsyncIterator[Anvil]:
    async with EvmRpc(scene.world.url("evm")) as rpc:
        yield Anvil(rpc)


@asynccontextmanager
async def blocks_by_hand(scene: Scene) -> AsyncIterator[Anvil]:
    """No block but those that are mined here, until `go_on`.

    The node is started anew in the end: no call gives it back a pace of less than a second.
    """
    async with hands(scene) as anvil:
        await anvil.call("evm_setIntervalMining", 0)
        try:
            yield anvil
        finally:
            await _anew(scene.world)


@asynccontextmanager
async def base_fee(scene: Scene, wei: int) -> AsyncIterator[Anvil]:
    """Every block asks for this much a unit of gas; afterwards for what it asked before."""
    async with hands(scene) as anvil:
        before = (await anvil.call("eth_getBlockByNumber", "latest", False))["baseFeePerGas"]
        await anvil.call("anvil_setNextBlockBaseFeePerGas", hex(wei))
        holding = asyncio.create_task(_again(lambda: anvil.call("anvil_setNextBlockBaseFeePerGas", hex(wei))))
        try:
            yield anvil
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            await anvil.call("anvil_setNextBlockBaseFeePerGas", before)


@asynccontextmanager
async def code_at(anvil: Anvil, address: str, code: bytes) -> AsyncIterator[None]:
    """Another contract stands at an address, on the storage of the one before."""
    before = await anvil.call("eth_getCode", address, "latest")
    await anvil.call("anvil_setCode", address, "0x" + code.hex())
    try:
        yield
    finally:
        await anvil.call("anvil_setCode", address, before)


async def _again(setting: Callable[[], Awaitable[Any]]) -> None:
    while True:
        with suppress(httpx.HTTPError, Refused):
            await setting()
        await asyncio.sleep(SET_FEE_EVERY_S)


async def _anew(world: World) -> None:
    await world.stop("evm")
    await world.start("evm")


async def pooled(scene: Scene, anvil: Anvil, execution_id: str, leg_no: int = 1, attempt_no: int = 1) -> dict[str, Any]:
    """An attempt's row, once its payload waits in the node's pool. Errors: NotReached."""
    attempt = await scene.signed(execution_id, leg_no, attempt_no)
    await scene.until(lambda: anvil.waits(attempt["venue_ref"]), f"{attempt['venue_ref']} to be in the pool")
    return attempt


async def noticed(scene: Scene, hash_: str, since: int) -> None:
    """Wait until the product was shown a receipt, in an exchange after number `since`. Errors: NotReached."""

    async def shown() -> bool:
        return any(
            hash_.encode() in exchange.body and b'"status"' in (exchange.answer or b"")
            for exchange in scene.node.log.calls("eth_getTransactionReceipt", since)
        )

    await scene.until(shown, f"the product to be shown the receipt of {hash_}")
