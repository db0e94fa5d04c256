"""Where everything is on the embedded chain: what mainnet has, where mainnet has it.

That the addresses of pairs and pools come out as on mainnet too (tests/integration/test_devnet_evm.py) shows that
factories, tokens and bytecode are the same. Source: Uniswap's lists of its deployments on Ethereum; Circle; the
package canonical-weth.
"""

from typing import Final

WETH: Final = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
USDC: Final = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
V2_FACTORY: Final = "0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f"
V2_ROUTER: Final = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"
V3_FACTORY: Final = "0x1F98431c8aD98523631AE4a59f267346ea31F984"
V3_POSITIONS: Final = "0xC36442b4a4522E871399CD717aBDD847Ab11FE88"
V3_ROUTER: Final = "0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"
V3_QUOTER: Final = "0x61fFE014bA17989E743c5F6cB21bF9697530B21e"

# Tokens that do what a bad token does; see `contracts/devnet`. On mainnet there is nothing at these.
TAXED: Final = "0xDE00000000000000000000000000000000000001"
STUBBORN: Final = "0xDE00000000000000000000000000000000000002"
PAUSABLE: Final = "0xDe00000000000000000000000000000000000003"

# Whose transactions made all of it; it holds the liquidity, and no ether.
DEPLOYER: Final = "0xDe000000000000000000000000000000000000dE"
