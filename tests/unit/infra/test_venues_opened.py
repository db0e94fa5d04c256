"""Which venues an installation serves, from its settings alone."""

import pytest

from infra.parts import open_venues
from infra.venues.uniswap.venue import UniswapVenue
from tests.unit.infra.test_settings import settings

EVM = "TRIPWIRE_EVM_RPC_URLS"


async def test_without_a_node_of_an_evm_chain_there_is_no_uniswap(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_venues(settings(monkeypatch)) as venues:
        assert set(venues) == {"jupiter"}


@pytest.mark.parametrize(
    ("chain", "cap_gwei", "reserve"),
    [("ethereum", "50", "0.025 ETH"), ("polygon", "200", "0.1 POL"), ("anvil", "1", "0.0005 ETH")],
)
async def test_uniswap_is_opened_on_the_chain_and_with_the_cap_that_are_set(
    monkeypatch: pytest.MonkeyPatch, chain: str, cap_gwei: str, reserve: str
) -> None:
    told = {EVM: "http://127.0.0.1:8545", "TRIPWIRE_EVM_CHAIN": chain, "TRIPWIRE_GAS_CAP_GWEI": cap_gwei}
    async with open_venues(settings(monkeypatch, **told)) as venues:
        assert set(venues) == {"jupiter", "uniswap"}
        uniswap = venues["uniswap"]
        assert isinstance(uniswap, UniswapVenue)
        assert uniswap.fee_reserve().spoken() == reserve
