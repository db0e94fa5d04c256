"""A slippage cap is kept to the base unit, and the last unit is the wallet's."""

from hypothesis import given
from hypothesis import strategies as st

from domain.intents import BPS, least_acceptable

expected_units = st.integers(0, 2**128)
slippages = st.integers(0, BPS)


@given(expected_units, slippages)
def test_the_least_acceptable_keeps_the_cap_and_no_smaller_amount_does(expected: int, slippage: int) -> None:
    least = least_acceptable(expected, slippage)
    assert least * BPS >= expected * (BPS - slippage)
    assert (least - 1) * BPS < expected * (BPS - slippage)


@given(expected_units, slippages)
def test_nobody_is_asked_for_more_than_was_quoted(expected: int, slippage: int) -> None:
    assert 0 <= least_acceptable(expected, slippage) <= expected
    assert least_acceptable(expected, 0) == expected


@given(expected_units, expected_units, slippages, slippages)
def test_a_better_quote_or_a_tighter_cap_never_lowers_the_least(a: int, b: int, s: int, t: int) -> None:
    assert least_acceptable(min(a, b), max(s, t)) <= least_acceptable(max(a, b), min(s, t))


def test_a_split_unit_goes_to_the_wallet() -> None:
    assert least_acceptable(199, 50) == 199  # 198.005
    assert least_acceptable(200, 50) == 199
    assert least_acceptable(1, 9_999) == 1
