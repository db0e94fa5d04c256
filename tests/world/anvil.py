"""An EVM node for tests, with contracts and liquidity: `async with anvil(directory) as node: ...`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.devnet.evm.addresses import DEPLOYER, WETH
from infra.devnet.evm.deploy import deploy
from infra.devnet.evm.liquidity import ETHER
from infra.devnet.evm.rpc import EvmRpc, settled_state_is_readable
from infra.devnet.evm.toolchain import evm_toolchain
from infra.devnet.evm.transactions import call_data, transact
from infra.devnet.ports import LOOPBACK, free_port
from infra.devnet.processes import Child, Program, module
from tests.world.conditions import until

READY_WITHIN_S = 60  # the machine may be busy with other tests


@dataclass(slots=True)
class Anvil:
    """Where it answers, and ways to move it. `kill`, `stop` and `start` as often as you like.

    With `block_s` 0 every transaction makes a block at once, and there are no others: `mine(2)` makes it final.
    """

    directory: Path
    port: int
    block_s: float
    _child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def rpc(self, method: str, *params: Any) -> Any:
        """The `result` of a call. Errors: infra.devnet.evm.rpc.Refused."""
        async with EvmRpc(self.url) as rpc:
            return await rpc.call(method, *params)

    async def fund(self, address: str, wei: int) -> None:
        """Add ether out of nothing, at once."""
        has = int(await self.rpc("eth_getBalance", address, "latest"), 16)
        await self.rpc("anvil_setBalance", address, hex(has + wei))

    async def mint(self, token: str, owner: str, amount: int) -> None:
        """Make base units of a token, WETH included. Mines a block or two."""
        backed = amount if token == WETH else 0
        async with EvmRpc(self.url) as rpc:
            await rpc.call("anvil_impersonateAccount", DEPLOYER)
            await rpc.call("anvil_setBalance", DEPLOYER, hex(ETHER + backed))
            if backed:
                deposit = {"to": WETH, "data": call_data("deposit()"), "value": hex(amount)}
                transfer = {"to": WETH, "data": call_data("transfer(address,uint256)", owner, amount)}
                await transact(rpc, DEPLOYER, deposit, transfer)
            else:
                mint = {"to": token, "data": call_data("mint(address,uint256)", owner, amount)}
                await transact(rpc, DEPLOYER, mint)

    async def mine(self, blocks: int) -> None:
        await self.rpc("anvil_mine", hex(blocks))

    async def snapshot(self) -> str:
        """Remember the chain as it is now; `revert` goes back to it, once."""
        return str(await self.rpc("evm_snapshot"))

    async def revert(self, snapshot: str) -> None:
        assert await self.rpc("evm_revert", snapshot)

    async def start(self) -> None:
        """Errors: TimeoutError."""
        options = ("--port", self.port, "--state", self.directory / "evm", "--block-s", self.block_s)
        self._child = Child(Program("evm", module("infra.devnet.evm", *options)), self.directory / "evm.log")
        await until(lambda: settled_state_is_readable(self.url), READY_WITHIN_S)

    async def kill(self) -> None:
        """kill -9, waited for."""
        assert self._child is not None
        await asyncio.to_thread(self._child.kill)

    async def stop(self) -> None:
        """Its own way to end."""
        assert self._child is not None
        await asyncio.to_thread(self._child.end)


@asynccontextmanager
async def anvil(directory: Path, *, block_s: float = 0, deployed: bool = True) -> AsyncIterator[Anvil]:
    """Yield a node whose chain lies in `directory`, which exists; it ends after. `deployed` False: an empty chain."""
    node = Anvil(directory, free_port(), block_s)
    try:
        await node.start()
        if deployed:
            await deploy(node.url, evm_toolchain())
        yield node
    finally:
        await node.stop()
