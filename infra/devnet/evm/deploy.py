"""`python -m infra.devnet.evm.deploy --url URL`: Uniswap, its tokens and its liquidity, on a fresh node, once."""

import argparse
import asyncio
from pathlib import Path

from infra.devnet.evm.addresses import DEPLOYER
from infra.devnet.evm.contracts import CONTRACTS, LAST, is_there, put, put_tokens
from infra.devnet.evm.liquidity import ETHER, WETH_NEEDED, pour
from infra.devnet.evm.rpc import EvmRpc, Refused
from infra.devnet.evm.toolchain import evm_toolchain
from infra.devnet.evm.transactions import TransactionFailed
from infra.devnet.toolchain import ToolMissing

FOR_GAS_WEI = 10 * ETHER  # generous: what is left is taken away again


async def deploy(url: str, toolchain: Path) -> None:
    """Put everything there, unless it is. What an earlier run did not finish is begun anew, on an empty chain.

    Errors: TransactionFailed, Refused, ToolMissing.
    """
    async with EvmRpc(url) as rpc:
        if await is_there(rpc, LAST):
            return
        if await is_there(rpc, CONTRACTS[0]):
            await rpc.call("anvil_reset")
        await rpc.call("anvil_impersonateAccount", DEPLOYER)
        await rpc.call("anvil_setBalance", DEPLOYER, hex(WETH_NEEDED + FOR_GAS_WEI))
        await put(rpc, toolchain, *CONTRACTS)
        await put_tokens(rpc, toolchain)
        await pour(rpc)
        await rpc.call("anvil_setBalance", DEPLOYER, hex(FOR_GAS_WEI))
        await put(rpc, toolchain, LAST)
        await rpc.call("anvil_setBalance", DEPLOYER, "0x0")
        await rpc.call("anvil_stopImpersonatingAccount", DEPLOYER)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.devnet.evm.deploy", description=__doc__)
    parser.add_argument("--url", required=True)
    wanted = parser.parse_args()
    try:
        asyncio.run(deploy(wanted.url, evm_toolchain()))
    except (TransactionFailed, Refused, ToolMissing) as failure:
        raise SystemExit(f"the contracts were not deployed: {failure}") from None


if __name__ == "__main__":
    main()
