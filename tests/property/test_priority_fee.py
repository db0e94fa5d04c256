"""A price rises with every payload that was outbid, and never above what the examination allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.priority_fee import escalated, upper_quarter

prices = st.integers(0, 2**64)
raises = st.integers(0, 20)


@given(prices, raises, prices)
def test_no_price_is_above_the_cap(price: int, earlier: int, cap: int) -> None:
    assert escalated(price, earlier, cap) <= cap


@given(prices, prices)
def test_the_first_payload_pays_what_was_asked_or_the_cap(price: int, cap: int) -> None:
    assert escalated(price, 0, cap) == min(price, cap)


@given(st.integers(1, 2**64), raises)
def test_each_payload_pays_at_least_half_as_much_again_as_the_one_before(price: int, earlier: int) -> None:
    before, after = (escalated(price, times, 2**200) for times in (earlier, earlier + 1))
    assert before * 3 <= after * 2 < before * 3 + 2


@given(prices, raises, prices)
def test_a_later_payload_never_pays_less(price: int, earlier: int, cap: int) -> None:
    assert escalated(price, earlier, cap) <= escalated(price, earlier + 1, cap)


@given(st.integers(1, 2**64))
def test_however_many_came_before_the_cap_is_reached_and_kept(cap: int) -> None:
    assert escalated(1, 10**9, cap) == cap


@pytest.mark.parametrize("wrong", [(-1, 0, 1), (1, -1, 1), (1, 0, -1)])
def test_nothing_negative_is_a_price(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        escalated(*wrong)


@given(st.lists(prices, min_size=1))
def test_three_of_four_blocks_were_content_with_the_upper_quarter(paid: list[int]) -> None:
    found = upper_quarter(paid)
    assert found in paid
    assert sum(price <= found for price in paid) * 4 >= len(paid) * 3
    assert sum(price >= found for price in paid) * 4 >= len(paid)


def test_blocks_of_which_nothing_is_known_ask_nothing() -> None:
    assert upper_quarter([]) == 0
