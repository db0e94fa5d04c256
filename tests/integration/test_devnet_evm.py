"""The embedded EVM chain trades as Ethereum does, forgets nothing, and has bad tokens to offer."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from infra.devnet.evm.addresses import (
    DEPLOYER,
    PAUSABLE,
    STUBBORN,
    TAXED,
    USDC,
    V2_FACTORY,
    V2_ROUTER,
    V3_FACTORY,
    V3_QUOTER,
    V3_ROUTER,
    WETH,
)
from infra.devnet.evm.contracts import CONTRACTS, LAST, is_there, put
from infra.devnet.evm.deploy import deploy
from infra.devnet.evm.liquidity import DOLLAR, ETHER
from infra.devnet.evm.rpc import EvmRpc, Refused
from infra.devnet.evm.toolchain import evm_toolchain
from infra.devnet.evm.transactions import call_data, read
from tests.world.anvil import Anvil, anvil
from tests.world.conditions import until
from tests.world.evm_account import EvmAccount, later

V2_SWAP = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
V2_SWAP_TAXED = "swapExactTokensForTokensSupportingFeeOnTransferTokens(uint256,uint256,address[],address,uint256)"
V3_SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"
V3_BY = "multicall(uint256,bytes[])"
FIFTY = 50 * DOLLAR


@pytest.fixture
async def trader(evm: Anvil) -> EvmAccount:
    """Has ether for gas, and 1000 USDC."""
    account = EvmAccount(evm)
    await evm.fund(account.address, ETHER)
    await evm.mint(USDC, account.address, 1000 * DOLLAR)
    return account


async def test_pairs_and_pools_are_where_mainnet_has_them(evm: Anvil) -> None:
    """Their addresses follow from factory, tokens and bytecode: so all three are mainnet's."""
    pair = await _read(evm, V2_FACTORY, "getPair(address,address)", USDC, WETH, returns="(address)")
    pools = [
        await _read(evm, V3_FACTORY, "getPool(address,address,uint24)", USDC, WETH, fee, returns="(address)")
        for fee in (500, 3000)
    ]
    assert [to_checksum_address(at) for at in (pair, *pools)] == [
        "0xB4e16d0168e52d35CaCD2c6185b44281Ec28C9Dc",
        "0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640",
        "0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8",
    ]


async def test_the_v2_router_pays_what_it_quoted(evm: Anvil, trader: EvmAccount) -> None:
    quoted = await _v2_quote(evm, FIFTY, USDC, WETH)
    await trader.send(USDC, "approve(address,uint256)", V2_ROUTER, FIFTY)
    swap = await trader.send(V2_ROUTER, V2_SWAP, FIFTY, quoted, [USDC, WETH], trader.address, later())
    assert swap["status"] == "0x1"
    assert (await trader.has(WETH), await trader.has(USDC)) == (quoted, 950 * DOLLAR)


@pytest.mark.parametrize("fee", [500, 3000])
async def test_the_v3_router_pays_what_the_quoter_said(fee: int, evm: Anvil, trader: EvmAccount) -> None:
    quoted = await _v3_quote(evm, FIFTY, USDC, WETH, fee)
    await trader.send(USDC, "approve(address,uint256)", V3_ROUTER, FIFTY)
    swap = await trader.send(V3_ROUTER, V3_BY, later(), [_v3_swap(trader, FIFTY, quoted, fee)])
    assert swap["status"] == "0x1"
    assert (await trader.has(WETH), await trader.has(USDC)) == (quoted, 950 * DOLLAR)


async def test_past_its_deadline_a_swap_can_only_revert(evm: Anvil, trader: EvmAccount) -> None:
    await trader.send(USDC, "approve(address,uint256)", V2_ROUTER, FIFTY)
    await trader.send(USDC, "approve(address,uint256)", V3_ROUTER, FIFTY)
    head = await evm.rpc("eth_getBlockByNumber", "latest", False)
    past = int(head["timestamp"], 16) - 1
    with pytest.raises(Refused, match="EXPIRED"):
        await trader.would(V2_ROUTER, V2_SWAP, FIFTY, 1, [USDC, WETH], trader.address, past)
    with pytest.raises(Refused, match="Transaction too old"):
        await trader.would(V3_ROUTER, V3_BY, past, [_v3_swap(trader, FIFTY, 1, 500)])
    assert (await trader.send(V3_ROUTER, V3_BY, past, [_v3_swap(trader, FIFTY, 1, 500)]))["status"] == "0x0"
    assert await trader.has(USDC) == 1000 * DOLLAR


async def test_which_venue_is_better_depends_on_the_direction(evm: Anvil) -> None:
    assert await _v2_quote(evm, FIFTY, USDC, WETH) > await _v3_quote(evm, FIFTY, USDC, WETH, 500)
    sold = ETHER // 60
    assert await _v3_quote(evm, sold, WETH, USDC, 500) > await _v2_quote(evm, sold, WETH, USDC)


async def test_fifty_dollars_move_no_price_by_a_basis_point(evm: Anvil, trader: EvmAccount) -> None:
    before = await _v2_quote(evm, FIFTY, USDC, WETH)
    await trader.send(USDC, "approve(address,uint256)", V2_ROUTER, FIFTY)
    await trader.send(V2_ROUTER, V2_SWAP, FIFTY, 1, [USDC, WETH], trader.address, later())
    after = await _v2_quote(evm, FIFTY, USDC, WETH)
    assert 0 < (before - after) * 10_000 < before


async def test_finalized_is_two_blocks_behind_and_its_state_can_be_read(evm: Anvil, trader: EvmAccount) -> None:
    sent = await trader.send(USDC, "transfer(address,uint256)", WETH, FIFTY)
    mined = int(sent["blockNumber"], 16)
    assert await _finalized(evm) == mined - 2
    assert await trader.has(USDC, "finalized") != await trader.has(USDC, "latest")
    await evm.mine(2)
    assert await _finalized(evm) == mined
    assert await trader.has(USDC, "finalized") == 950 * DOLLAR


async def test_a_tax_on_transfers_is_paid_and_the_plain_swap_refuses_it(evm: Anvil, trader: EvmAccount) -> None:
    await evm.mint(TAXED, trader.address, 100 * ETHER)
    await trader.send(TAXED, "approve(address,uint256)", V2_ROUTER, 100 * ETHER)
    selling = (100 * ETHER, 1, [TAXED, WETH], trader.address, later())
    with pytest.raises(Refused, match="UniswapV2: K"):
        await trader.would(V2_ROUTER, V2_SWAP, *selling)
    arriving = await _v2_quote(evm, 98 * ETHER, TAXED, WETH)
    assert (await trader.send(V2_ROUTER, V2_SWAP_TAXED, *selling))["status"] == "0x1"
    assert (await trader.has(TAXED), await trader.has(WETH)) == (0, arriving)


async def test_bought_a_taxed_token_arrives_short_of_the_quote(evm: Anvil, trader: EvmAccount) -> None:
    await evm.mint(WETH, trader.address, ETHER)
    await trader.send(WETH, "approve(address,uint256)", V2_ROUTER, ETHER)
    quoted = await _v2_quote(evm, ETHER, WETH, TAXED)
    buying = await trader.send(V2_ROUTER, V2_SWAP, ETHER, quoted, [WETH, TAXED], trader.address, later())
    assert buying["status"] == "0x1"  # the router looks at what the pair sent, not at what came
    assert await trader.has(TAXED) == quoted - quoted // 50


async def test_a_stubborn_token_takes_no_approval(evm: Anvil, trader: EvmAccount) -> None:
    with pytest.raises(Refused, match="approval refused"):
        await trader.would(STUBBORN, "approve(address,uint256)", V2_ROUTER, 1)
    assert (await trader.send(STUBBORN, "approve(address,uint256)", V2_ROUTER, 1))["status"] == "0x0"
    assert await _v2_quote(evm, ETHER, STUBBORN, WETH) > 0


async def test_a_paused_token_lets_no_swap_through_until_it_goes_on(evm: Anvil, trader: EvmAccount) -> None:
    await evm.mint(WETH, trader.address, ETHER)
    await trader.send(WETH, "approve(address,uint256)", V2_ROUTER, ETHER)
    buying = (ETHER, 1, [WETH, PAUSABLE], trader.address, later())
    await trader.send(PAUSABLE, "pause(bool)", True)
    assert (await trader.send(V2_ROUTER, V2_SWAP, *buying))["status"] == "0x0"
    assert await trader.has(WETH) == ETHER
    await trader.send(PAUSABLE, "pause(bool)", False)
    assert (await trader.send(V2_ROUTER, V2_SWAP, *buying))["status"] == "0x1"


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_chain_that_was_settled_is_there_after_a_restart(how: str, tmp_path: Path) -> None:
    async with anvil(tmp_path) as evm:
        trader = EvmAccount(evm)
        await evm.fund(trader.address, ETHER)
        await evm.mint(USDC, trader.address, FIFTY)
        await trader.send(USDC, "approve(address,uint256)", V2_ROUTER, FIFTY)
        swap = await trader.send(V2_ROUTER, V2_SWAP, FIFTY, 1, [USDC, WETH], trader.address, later())
        bought = await trader.has(WETH)
        if how == "killed":

            async def written_down() -> bool:
                return swap["transactionHash"].encode() in gzip.decompress(
                    (tmp_path / "evm" / "chain.json.gz").read_bytes()
                )

            await until(written_down)
            await evm.kill()
        else:
            await evm.stop()
        await evm.start()

        again = await evm.rpc("eth_getTransactionReceipt", swap["transactionHash"])
        assert again["blockHash"] == swap["blockHash"]
        assert await trader.has(WETH, "finalized") == bought
        head = await evm.rpc("eth_blockNumber")
        await deploy(evm.url, evm_toolchain())
        assert await evm.rpc("eth_blockNumber") == head
        assert (await trader.send(USDC, "approve(address,uint256)", V2_ROUTER, FIFTY))["status"] == "0x1"


async def test_a_deployment_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    async with anvil(tmp_path, deployed=False) as evm:
        async with EvmRpc(evm.url) as rpc:
            await rpc.call("anvil_impersonateAccount", DEPLOYER)
            await rpc.call("anvil_setBalance", DEPLOYER, hex(ETHER))
            await put(rpc, evm_toolchain(), *CONTRACTS[:2])
            assert not await is_there(rpc, LAST)
        await deploy(evm.url, evm_toolchain())
        assert await _v2_quote(evm, FIFTY, USDC, WETH) > 0
        assert await _v3_quote(evm, FIFTY, USDC, WETH, 3000) > 0


async def test_blocks_come_by_themselves_at_the_chosen_pace(tmp_path: Path) -> None:
    async with anvil(tmp_path, block_s=0.1, deployed=False) as evm:

        async def five_blocks() -> bool:
            return int(await evm.rpc("eth_blockNumber"), 16) >= 5

        await until(five_blocks)


def _v3_swap(trader: EvmAccount, amount: int, least: int, fee: int) -> bytes:
    asked = (USDC, WETH, fee, trader.address, amount, least, 0)
    return bytes.fromhex(call_data(V3_SWAP, asked).removeprefix("0x"))


async def _v2_quote(evm: Anvil, amount: int, sold: str, bought: str) -> int:
    amounts = await _read(
        evm, V2_ROUTER, "getAmountsOut(uint256,address[])", amount, [sold, bought], returns="(uint256[])"
    )
    return int(amounts[-1])


async def _v3_quote(evm: Anvil, amount: int, sold: str, bought: str, fee: int) -> int:
    quote = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
    answer = "(uint256,uint160,uint32,uint256)"
    return int(await _read(evm, V3_QUOTER, quote, (sold, bought, amount, fee, 0), returns=answer))


async def _read(evm: Anvil, to: str, signature: str, *arguments: Any, returns: str) -> Any:
    """The first of what it returns."""
    async with EvmRpc(evm.url) as rpc:
        return (await read(rpc, to, signature, *arguments, returns=returns))[0]


async def _finalized(evm: Anvil) -> int:
    return int((await evm.rpc("eth_getBlockByNumber", "finalized", False))["number"], 16)
