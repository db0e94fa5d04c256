"""Call data: what was written is what is read, and nothing else is read as one of our calls."""

from eth_utils.address import to_checksum_address
from hypothesis import example, given
from hypothesis import strategies as st

from domain.evm_intent import Approve, Unexpected, Unwrap, V2Form, V2Swap, V3Swap
from infra.venues.uniswap.calldata import decode, encode

words = st.integers(0, 2**256 - 1)
addresses = st.binary(min_size=20, max_size=20).map(to_checksum_address)
paths = st.lists(addresses, max_size=4).map(tuple)
approvals = st.builds(Approve, addresses, words)
v2_swaps = st.one_of(
    st.builds(V2Swap, st.just(V2Form.FROM_NATIVE), st.none(), words, paths, addresses, words),
    st.builds(V2Swap, st.sampled_from([V2Form.TOKENS, V2Form.TO_NATIVE]), words, words, paths, addresses, words),
)
v3_swaps = st.builds(
    V3Swap,
    deadline=words,
    token_in=addresses,
    token_out=addresses,
    fee=st.integers(0, 2**24 - 1),
    recipient=addresses,
    amount_in=words,
    minimum_out=words,
    price_limit=st.integers(0, 2**160 - 1),
    unwrap=st.none() | st.builds(Unwrap, words, addresses),
)
calls = approvals | v2_swaps | v3_swaps


@given(calls)
def test_what_was_written_is_what_is_read(call: Approve | V2Swap | V3Swap) -> None:
    assert decode(encode(call)) == call


@given(calls, st.binary(min_size=1, max_size=40))
def test_a_call_with_more_behind_it_is_not_ours(call: Approve | V2Swap | V3Swap, more: bytes) -> None:
    assert isinstance(decode(encode(call) + more), Unexpected)


@given(calls, st.data())
def test_a_call_with_another_byte_is_another_call(call: Approve | V2Swap | V3Swap, data: st.DataObject) -> None:
    written = bytearray(encode(call))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    assert decode(bytes(written)) != call


@given(st.binary(max_size=300))
@example(b"")
def test_any_bytes_are_read_or_called_unexpected(data: bytes) -> None:
    decode(data)


@given(st.sampled_from(["095ea7b3", "38ed1739", "7ff36ab5", "18cbafe5", "5ae401dc"]), st.binary(max_size=300))
@example("7ff36ab5", bytes(32) + b"\xff" * 32 + bytes(64))  # an offset beyond any machine's numbers
@example("5ae401dc", bytes(32) + bytes(31) + b"\x40" + b"\x7f" + b"\xff" * 31)  # a list longer than any
def test_any_values_behind_a_known_selector_are_read_or_called_unexpected(known: str, values: bytes) -> None:
    decode(bytes.fromhex(known) + values)
