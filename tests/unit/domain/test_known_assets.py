"""What is not in the list of assets cannot be traded, and the list's ids are the chain's own."""

import pytest

from domain import assets
from domain.chains import CHAINS
from domain.errors import InvalidInput

# Source: Circle's list of USDC addresses, SPL Token's native mint, CAIP-2 and SLIP-44 registries.
USDC_ID = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SOL_ID = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/slip44:501"


def test_a_known_asset_is_found_by_its_symbol_and_by_its_id() -> None:
    assert assets.named("USDC", "solana") is assets.by_id(USDC_ID) is assets.SOLANA_USDC
    assert assets.named("SOL", "solana") is assets.by_id(SOL_ID) is assets.SOL
    assert (assets.SOLANA_USDC.decimals, assets.SOL.decimals) == (6, 9)


@pytest.mark.parametrize(
    ("symbol", "chain"), [("DOGE", "solana"), ("sol", "solana"), ("SOL", "ethereum"), ("WETH", "base"), ("", "")]
)
def test_what_is_not_listed_cannot_be_named(symbol: str, chain: str) -> None:
    with pytest.raises(InvalidInput):
        assets.named(symbol, chain)


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(InvalidInput):
        assets.by_id(USDC_ID.lower())


def test_wrapped_sol_is_known_apart_from_sol_and_not_for_trading() -> None:
    assert assets.by_id(assets.WRAPPED_SOL.id) != assets.SOL
    with pytest.raises(InvalidInput):
        assets.named("wSOL", "solana")


def test_only_dollars_count_as_dollars() -> None:
    assert USDC_ID in assets.DOLLARS
    assert {assets.by_id(one).symbol for one in assets.DOLLARS} == {"USDC"}
    assert len(assets.DOLLARS) == len(assets.BY_CHAIN)


def test_every_chain_has_its_assets_under_its_own_number() -> None:
    assert assets.BY_CHAIN.keys() == assets.WRAPPED.keys() == CHAINS.keys()
    for name, chain in CHAINS.items():
        if chain.number is not None:
            for asset in (*assets.BY_CHAIN[name].values(), assets.WRAPPED[name]):
                assert asset.id.startswith(f"eip155:{chain.number}/")
