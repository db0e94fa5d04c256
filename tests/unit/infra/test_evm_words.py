"""What a node says, made into a market and into sentences."""

from typing import Any

import httpx
import pytest
from eth_abi.abi import encode

from domain.fees import Market
from infra.chains.evm.answers import FEE_HISTORY
from infra.chains.evm.finality import final_height
from infra.chains.evm.market import market, read
from infra.chains.evm.reverts import refusal_reason, revert_reason
from infra.chains.json_rpc import RpcRefusal
from tests.unit.infra.evm_script import GWEI, Script, rpc_of, transport

ERROR, PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")


def history(*tips_wei: int, base_fee_wei: int = 7) -> dict[str, Any]:
    rewards = [[hex(tip)] for tip in tips_wei]
    return {"baseFeePerGas": ["0x1"] * len(tips_wei) + [hex(base_fee_wei)], "reward": rewards}


async def test_the_market_is_the_next_base_fee_and_the_median_of_the_tips() -> None:
    node = Script({"eth_feeHistory": history(9 * GWEI, 2 * GWEI, 3 * GWEI)})
    async with httpx.AsyncClient(transport=transport(one=node)) as http:
        assert await market(rpc_of(http, "one")) == Market(7, 3 * GWEI)
    assert node.asked[1:] == [("eth_feeHistory", ["0xa", "latest", [50]])]


@pytest.mark.parametrize(
    ("chain", "least"), [(1, GWEI), (8453, 1_000_000), (42161, 1), (137, 30 * GWEI), (31337, GWEI), (5, 1)]
)
@pytest.mark.parametrize(
    "told", [history(0, 0, 0), {"baseFeePerGas": ["0x7"]}, {"baseFeePerGas": ["0x7"], "reward": None}]
)
def test_quiet_blocks_do_not_bring_the_tip_below_the_chains_least(chain: int, least: int, told: Any) -> None:
    assert read(FEE_HISTORY.validate_python(told), chain) == Market(7, least)


@pytest.mark.parametrize(
    ("chain", "finalized", "latest", "final"),
    [(1, 100, 170, 100), (31337, 100, 102, 100), (137, 100, 102, 38), (137, 100, 170, 100), (999, 100, 102, 38)],
)
def test_a_block_is_final_by_the_tag_and_by_the_chains_own_depth(
    chain: int, finalized: int, latest: int, final: int
) -> None:
    assert final_height(chain, finalized, latest) == final


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (ERROR + encode(["string"], ["UniswapV2Router: EXPIRED"]), "reverted: UniswapV2Router: EXPIRED"),
        (ERROR + encode(["string"], ["two\nlines\x1b[0m"]), "reverted: two?lines?[0m"),
        (ERROR + encode(["string"], ["x" * 5_000]), "reverted: " + "x" * 200 + "…"),
        (PANIC + encode(["uint256"], [0x11]), "reverted: a number overflowed (panic 0x11)"),
        (PANIC + encode(["uint256"], [0x99]), "reverted: panic (panic 0x99)"),
        (bytes.fromhex("deadbeef") + bytes(32), "reverted with error 0xdeadbeef (36 bytes)"),
        (b"", "reverted without a reason"),
        (ERROR + b"\xff" * 40, "reverted with unreadable reason 08c379a0"),
        (ERROR + encode(["bytes"], [b"\xff\xfe"]), "reverted with unreadable reason 08c379a0"),
        (PANIC, "reverted with unreadable reason 4e487b71"),
    ],
)
def test_a_revert_is_told_in_words_of_bounded_length(data: bytes, said: str) -> None:
    assert revert_reason(data) == said


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (RpcRefusal(3, "execution reverted", "0xdeadbeef"), "reverted with error 0xdeadbeef (4 bytes)"),
        (RpcRefusal(-32000, "insufficient funds", None), "refused: insufficient funds (-32000)"),
        (RpcRefusal(3, "execution reverted", "0xzz"), "refused: execution reverted (3)"),
        (RpcRefusal(3, "execution reverted", {"of": "another form"}), "refused: execution reverted (3)"),
    ],
)
def test_a_refused_simulation_is_told_by_its_revert_or_the_nodes_words(refusal: RpcRefusal, said: str) -> None:
    assert refusal_reason(refusal) == said
