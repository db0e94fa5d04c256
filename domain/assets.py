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

BY_FAMILY: dict[str, dict[str, Asset]] = {
    "solana": {"SOL": SOL, "USDC": SOLANA_USDC},
}

# Wrapped SOL is met in the books of a venue, but no rule trades it: swaps wrap and unwrap inside.
BY_ID: dict[str, Asset] = {asset.id: asset for asset in (SOL, WRAPPED_SOL, SOLANA_USDC)}


def named(symbol: str, family: str) -> Asset:
    """The asset called `symbol` on a venue family. Errors: INVALID_INPUT (final)."""
    known = BY_FAMILY.get(family, {})
    if symbol not in known:
        raise InvalidInput(f"unknown asset {symbol!r}: {family} wallets trade {', '.join(sorted(known))}")
    return known[symbol]


def by_id(asset_id: str) -> Asset:
    """The asset of a CAIP-19 id. Errors: INVALID_INPUT (final)."""
    if asset_id not in BY_ID:
        raise InvalidInput(f"unknown asset id {asset_id!r}")
    return BY_ID[asset_id]


# Priced at one US dollar for limits. A depeg makes a limit looser by its own size, and no more.
DOLLARS: frozenset[str] = frozenset({SOLANA_USDC.id})
