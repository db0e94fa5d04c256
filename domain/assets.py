"""The assets that TripWire knows. What is not here cannot be named in a rule."""

from domain.errors import InvalidInput
from domain.money import Asset

# CAIP-2 reference: the first 32 characters of mainnet's genesis hash.
# Source: https://namespaces.chainagnostic.org/solana/caip2
SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"

USDC_MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
WRAPPED_SOL_MINT = "So11111111111111111111111111111111111111112"

SOL = Asset(f"{SOLANA}/slip44:501", "SOL", 9)
WRAPPED_SOL = Asset(f"{SOLANA}/token:{WRAPPED_SOL_MINT}", "wSOL", 9)
SOLANA_USDC = Asset(f"{SOLANA}/token:{USDC_MINT}", "USDC", 6)


def _ether(chain_id: int) -> Asset:
    return Asset(f"eip155:{chain_id}/slip44:60", "ETH", 18)


def _erc20(chain_id: int, address: str, symbol: str, decimals: int) -> Asset:
    return Asset(f"eip155:{chain_id}/erc20:{address}", symbol, decimals)


_WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
_USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"

# By the name of the chain, then by the name a rule gives. The wrapped native is met in the books of a venue, but
# no rule trades it: swaps wrap and unwrap inside. Numbers of chains are those of EIP-155; of coins, of SLIP-44.
# Source of addresses: Circle's list of USDC contracts; Uniswap's sdk-core, `WETH9` and `WMATIC`.
BY_CHAIN: dict[str, dict[str, Asset]] = {
    "solana": {"SOL": SOL, "USDC": SOLANA_USDC},
    "ethereum": {"ETH": _ether(1), "USDC": _erc20(1, _USDC, "USDC", 6)},
    "base": {
        "ETH": _ether(8453),
        "USDC": _erc20(8453, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USDC", 6),
    },
    "arbitrum": {
        "ETH": _ether(42161),
        "USDC": _erc20(42161, "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", "USDC", 6),
    },
    "polygon": {
        "POL": Asset("eip155:137/slip44:966", "POL", 18),
        "USDC": _erc20(137, "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "USDC", 6),
    },
    # The embedded chain: Ethereum's contracts at Ethereum's addresses, under a number of its own, so that
    # nothing signed there is worth anything anywhere else.
    "anvil": {"ETH": _ether(31337), "USDC": _erc20(31337, _USDC, "USDC", 6)},
}

WRAPPED: dict[str, Asset] = {
    "solana": WRAPPED_SOL,
    "ethereum": _erc20(1, _WETH, "WETH", 18),
    "base": _erc20(8453, "0x4200000000000000000000000000000000000006", "WETH", 18),
    "arbitrum": _erc20(42161, "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1", "WETH", 18),
    "polygon": _erc20(137, "0x0d500B1d8E8eF31E21C99d1Db9A6444d3ADf1270", "WPOL", 18),
    "anvil": _erc20(31337, _WETH, "WETH", 18),
}

BY_ID: dict[str, Asset] = {
    asset.id: asset
    for assets in (*(named.values() for named in BY_CHAIN.values()), WRAPPED.values())
    for asset in assets
}


def named(symbol: str, chain: str) -> Asset:
    """The asset called `symbol` on a chain. Errors: INVALID_INPUT (final)."""
    known = BY_CHAIN.get(chain, {})
    if symbol not in known:
        raise InvalidInput(f"unknown asset {symbol!r}: {chain} wallets trade {', '.join(sorted(known))}")
    return known[symbol]


def by_id(asset_id: str) -> Asset:
    """The asset of a CAIP-19 id. Errors: INVALID_INPUT (final)."""
    if asset_id not in BY_ID:
        raise InvalidInput(f"unknown asset id {asset_id!r}")
    return BY_ID[asset_id]


# Priced at one US dollar for limits. A depeg makes a limit looser by its own size, and no more.
DOLLARS: frozenset[str] = frozenset(known["USDC"].id for known in BY_CHAIN.values())
