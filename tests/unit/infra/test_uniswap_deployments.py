"""Every EVM chain that a rule can name has its contracts, its fee asset and its trades."""

import pytest
from eth_utils.address import to_checksum_address

from domain.assets import BY_CHAIN, WRAPPED
from domain.chains import CHAINS, Chain
from domain.errors import InvalidInput
from domain.intents import Intent
from domain.money import Amount
from infra.venues.uniswap.deployments import BY_CHAIN_NUMBER
from infra.venues.uniswap.trade import native, trade_of

EVM = [chain for chain in CHAINS.values() if chain.venue == "uniswap"]
WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize("chain", EVM, ids=lambda chain: chain.name)
def test_a_chain_has_contracts_whose_addresses_are_spelled_right(chain: Chain) -> None:
    assert chain.number is not None
    deployment = BY_CHAIN_NUMBER[chain.number]
    for address in (deployment.v2_router, deployment.v3_router, deployment.v3_quoter):
        assert to_checksum_address(address) == address
    assert len({deployment.v2_router, deployment.v3_router, deployment.v3_quoter}) == 3


@pytest.mark.parametrize("chain", EVM, ids=lambda chain: chain.name)
def test_native_is_traded_as_its_wrapped_form(chain: Chain) -> None:
    coin, dollars = native(chain), BY_CHAIN[chain.name]["USDC"]
    assert WRAPPED[chain.name].id.endswith(trade_of(Intent(Amount(1, coin), dollars, 1, WALLET), chain).sell_token)
    sells, buys = (
        trade_of(Intent(Amount(7, sell), buy, 1, WALLET), chain) for sell, buy in ((coin, dollars), (dollars, coin))
    )
    assert (sells.sells_native, sells.buys_native, buys.sells_native, buys.buys_native) == (True, False, False, True)
    assert (sells.sell_token, sells.buy_token) == (buys.buy_token, buys.sell_token)
    assert (sells.wallet, sells.sell_base) == (WALLET, 7)


def test_assets_of_another_chain_and_of_solana_are_refused() -> None:
    for name in ("base", "solana"):
        for asset in BY_CHAIN[name].values():
            with pytest.raises(InvalidInput, match="is no asset of ethereum"):
                trade_of(Intent(Amount(1, asset), BY_CHAIN["ethereum"]["USDC"], 1, WALLET), CHAINS["ethereum"])


def test_an_asset_is_not_traded_for_itself_or_for_its_wrapped_form() -> None:
    coin = native(CHAINS["ethereum"])
    for buy in (coin, WRAPPED["ethereum"]):
        with pytest.raises(InvalidInput, match="is no trade"):
            trade_of(Intent(Amount(1, coin), buy, 1, WALLET), CHAINS["ethereum"])
