"""Real contracts at the addresses they have on mainnet, on a node that lets us put code anywhere.

A constructor is run where the contract shall be: its creation code is put at the address and called, once to learn
what code it returns, with this address in its immutables (Uniswap V3's pools compare themselves with it), and once
in a transaction, so that what it writes to storage stays. Then that code takes the place of the creation code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from infra.devnet.evm.addresses import (
    DEPLOYER,
    PAUSABLE,
    STUBBORN,
    TAXED,
    USDC,
    V2_FACTORY,
    V2_ROUTER,
    V3_FACTORY,
    V3_POSITIONS,
    V3_QUOTER,
    V3_ROUTER,
    WETH,
)
from infra.devnet.evm.artifacts import creation_code, own_tokens
from infra.devnet.evm.rpc import EvmRpc
from infra.devnet.evm.transactions import transact

NOBODY = "0x" + 40 * "0"


@dataclass(frozen=True, slots=True)
class Contract:
    """An artifact, where it goes, and what its constructor is told: addresses only."""

    name: str
    address: str
    told: tuple[str, ...] = ()

    def creation(self, toolchain: Path) -> str:
        arguments: list[Any] = list(self.told)
        return "0x" + (creation_code(toolchain, self.name) + encode(["address"] * len(arguments), arguments)).hex()


CONTRACTS = (
    Contract("WETH9", WETH),
    Contract("UniswapV2Factory", V2_FACTORY, (DEPLOYER,)),  # who may switch V2's protocol fee on; it stays off
    Contract("UniswapV2Router02", V2_ROUTER, (V2_FACTORY, WETH)),
    Contract("UniswapV3Factory", V3_FACTORY),
    Contract("NonfungiblePositionManager", V3_POSITIONS, (V3_FACTORY, WETH, NOBODY)),  # positions have no picture
    Contract("SwapRouter02", V3_ROUTER, (V2_FACTORY, V3_FACTORY, V3_POSITIONS, WETH)),
)
# Put there when all else is done, so that its code says "everything is there".
LAST = Contract("QuoterV2", V3_QUOTER, (V3_FACTORY, WETH))

TOKENS = {"DevDollar": USDC, "TaxedToken": TAXED, "StubbornToken": STUBBORN, "PausableToken": PAUSABLE}


async def put(rpc: EvmRpc, toolchain: Path, *contracts: Contract) -> None:
    """Errors: TransactionFailed, Refused."""
    codes = {}
    for contract in contracts:
        await rpc.call("anvil_setCode", contract.address, contract.creation(toolchain))
        codes[contract.address] = await rpc.call("eth_call", {"from": DEPLOYER, "to": contract.address}, "latest")
    await transact(rpc, DEPLOYER, *({"to": address} for address in codes))
    for address, code in codes.items():
        await rpc.call("anvil_setCode", address, code)
        await rpc.call("anvil_setNonce", address, "0x1")  # as a created contract has


async def put_tokens(rpc: EvmRpc, toolchain: Path) -> None:
    """They have no constructors. Errors: ToolMissing."""
    code = own_tokens(toolchain)
    for name, address in TOKENS.items():
        await rpc.call("anvil_setCode", address, "0x" + code[name].hex())
        await rpc.call("anvil_setNonce", address, "0x1")


async def is_there(rpc: EvmRpc, contract: Contract) -> bool:
    return bool(await rpc.call("eth_getCode", contract.address, "latest") != "0x")
