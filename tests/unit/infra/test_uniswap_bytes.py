"""The bytes of our calls, against selectors and layouts that the deployed contracts are known to read."""

from eth_abi.abi import encode as abi_encode

from domain.evm_intent import ROUTER_ITSELF, Approve, Unexpected, Unwrap, V2Form, V2Swap, V3Swap
from infra.venues.uniswap.calldata import decode, encode

WALLET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
ROUTER = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"
WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
USDC = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"


def word(value: object) -> str:
    return f"{value:064x}" if isinstance(value, int) else str(value).removeprefix("0x").lower().rjust(64, "0")


def test_an_approval_names_the_router_and_the_amount() -> None:
    assert encode(Approve(ROUTER, 5_000_000)).hex() == "095ea7b3" + word(ROUTER) + word(5_000_000)


def test_a_v2_sale_of_native_takes_its_amount_from_the_value() -> None:
    swap = V2Swap(V2Form.FROM_NATIVE, None, 950, (WETH, USDC), WALLET, 1_700_000_000)
    path = word(2) + word(WETH) + word(USDC)
    expected = "7ff36ab5" + word(950) + word(0x80) + word(WALLET) + word(1_700_000_000) + path
    assert encode(swap).hex() == expected


def test_v2_swaps_of_tokens_carry_the_selectors_of_router02() -> None:
    for form, known in ((V2Form.TOKENS, "38ed1739"), (V2Form.TO_NATIVE, "18cbafe5")):
        path = word(2) + word(USDC) + word(WETH)
        expected = known + word(1_000) + word(950) + word(0xA0) + word(WALLET) + word(9) + path
        assert encode(V2Swap(form, 1_000, 950, (USDC, WETH), WALLET, 9)).hex() == expected


def test_a_v3_swap_that_buys_native_is_a_multicall_with_a_deadline_that_unwraps() -> None:
    swap = V3Swap(9, USDC, WETH, 500, ROUTER_ITSELF, 1_000, 950, 0, Unwrap(950, WALLET))
    single = "04e45aaf" + "".join(map(word, (USDC, WETH, 500, ROUTER_ITSELF, 1_000, 950, 0)))
    unwrap = "49404b7c" + word(950) + word(WALLET)
    outer = abi_encode(("uint256", "bytes[]"), (9, [bytes.fromhex(single), bytes.fromhex(unwrap)]))
    assert encode(swap).hex() == "5ae401dc" + outer.hex()


def test_a_swap_of_v3_without_a_deadline_around_it_is_unexpected() -> None:
    inner = bytes.fromhex("04e45aaf" + "".join(map(word, (USDC, WETH, 500, WALLET, 1_000, 950, 0))))
    assert decode(inner) == Unexpected("exactInputSingle without a deadline around it")


def test_a_multicall_of_anything_but_one_swap_is_unexpected() -> None:
    single = bytes.fromhex("04e45aaf" + "".join(map(word, (USDC, WETH, 500, WALLET, 1_000, 950, 0))))
    approval = encode(Approve(ROUTER, 1))
    for steps in ([], [single, single], [approval], [approval, single], [b"\x00\x00\x00\x00"]):
        data = bytes.fromhex("5ae401dc") + abi_encode(("uint256", "bytes[]"), (9, steps))
        assert isinstance(decode(data), Unexpected)


def test_a_plain_transfer_of_a_token_is_unexpected() -> None:
    data = bytes.fromhex("a9059cbb" + word(WALLET) + word(1))
    assert decode(data) == Unexpected("the unknown call 0xa9059cbb")
