"""The pools of the embedded chain and what is in them, in base units.

An ether costs 3000 USDC on V3 and 2985 on V2, and V2 keeps 0.3 % where V3's cheapest pool keeps 0.05 %. So bought
with USDC ether is cheaper on V2 (2994 with the fee, against 3001.5), and sold for USDC it fetches more on V3
(2998.5 against 2976): who always takes the same venue is wrong in one direction.
"""

from dataclasses import dataclass
from math import isqrt

from infra.devnet.evm.addresses import (
    DEPLOYER,
    PAUSABLE,
    STUBBORN,
    TAXED,
    USDC,
    V2_FACTORY,
    V3_POSITIONS,
    WETH,
)
from infra.devnet.evm.rpc import EvmRpc
from infra.devnet.evm.transactions import call_data, read, transact

ETHER = 10**18
DOLLAR = 10**6
FOREVER = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A V2 pair of a token with WETH."""

    token: str
    token_base: int
    weth_base: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A V3 pool of USDC with WETH, its liquidity spread over every price. Fee in hundredths of a basis point."""

    fee: int
    tick_bound: int  # the outermost tick (887272) rounded to this fee's spacing. Source: v3-core, TickMath, enableFee
    usdc_base: int
    weth_base: int


PAIRS = (
    Pair(USDC, 2_985_000 * DOLLAR, 1000 * ETHER),
    Pair(TAXED, 100_000 * ETHER, 100 * ETHER),
    Pair(STUBBORN, 100_000 * ETHER, 100 * ETHER),
    Pair(PAUSABLE, 100_000 * ETHER, 100 * ETHER),
)
POOLS = (
    Pool(500, 887_270, 3_000_000 * DOLLAR, 1000 * ETHER),
    Pool(3000, 887_220, 3_000_000 * DOLLAR, 1000 * ETHER),
)
WETH_NEEDED = sum(pool.weth_base for pool in (*PAIRS, *POOLS))


async def pour(rpc: EvmRpc) -> None:
    """Make all pools and fill them, from an impersonated deployer with enough ether.

    Errors: TransactionFailed, Refused.
    """
    usdc_needed = sum(pool.usdc_base for pool in POOLS)
    await transact(
        rpc,
        DEPLOYER,
        {"to": WETH, "data": call_data("deposit()"), "value": hex(WETH_NEEDED)},
        _mint(USDC, DEPLOYER, usdc_needed),
        *(_call(V2_FACTORY, "createPair(address,address)", pair.token, WETH) for pair in PAIRS),
        *(_call(token, "approve(address,uint256)", V3_POSITIONS, FOREVER) for token in (WETH, USDC)),
    )
    fill = []
    for pair in PAIRS:
        at = await pair_address(rpc, pair.token)
        fill += [
            _mint(pair.token, at, pair.token_base),  # straight to the pair: some of these tokens cannot be approved
            _call(WETH, "transfer(address,uint256)", at, pair.weth_base),
            _call(at, "mint(address)", DEPLOYER),
        ]
    await transact(rpc, DEPLOYER, *fill, *(call for pool in POOLS for call in _opened(pool)))


async def pair_address(rpc: EvmRpc, token: str) -> str:
    """The V2 pair of `token` with WETH."""
    (address,) = await read(rpc, V2_FACTORY, "getPair(address,address)", token, WETH, returns="(address)")
    return str(address)


def _opened(pool: Pool) -> list[dict[str, str]]:
    # USDC's address is the lower one, so it is token0, as on mainnet; the price is token1 in token0, in base units.
    price = isqrt((pool.weth_base << 192) // pool.usdc_base)  # as the square root, with 96 binary places
    create = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)"
    position = (USDC, WETH, pool.fee, -pool.tick_bound, pool.tick_bound)
    amounts = (pool.usdc_base, pool.weth_base, 0, 0)
    mint = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
    return [
        _call(V3_POSITIONS, create, USDC, WETH, pool.fee, price),
        _call(V3_POSITIONS, mint, (*position, *amounts, DEPLOYER, FOREVER)),
    ]


def _mint(token: str, to: str, amount: int) -> dict[str, str]:
    return _call(token, "mint(address,uint256)", to, amount)


def _call(to: str, signature: str, *arguments: object) -> dict[str, str]:
    return {"to": to, "data": call_data(signature, *arguments)}
