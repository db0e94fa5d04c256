"""Offers stay under the owner's ceiling, above the market, and high enough for a node to take a replacement."""

from hypothesis import given
from hypothesis import strategies as st

from domain.fees import LEAST_TIP_WEI, Market, Offer, Wait, first_offer, next_offer

GWEI = 10**9
wei = st.integers(0, 10) | st.integers(0, 1_000 * GWEI)
markets = st.builds(Market, wei, wei)
offers = st.tuples(wei, wei).map(lambda two: Offer(max(two), min(two)))


@given(markets, wei)
def test_a_first_offer_covers_the_next_block_and_keeps_the_ceiling(market: Market, ceiling: int) -> None:
    needed = market.next_base_fee_wei + max(market.tip_wei, LEAST_TIP_WEI)
    match first_offer(market, ceiling):
        case Offer(max_fee_wei=fee, tip_wei=tip):
            assert needed <= fee <= ceiling
            assert fee == min(market.next_base_fee_wei + needed, ceiling)
            assert tip == max(market.tip_wei, LEAST_TIP_WEI)
        case Wait(needed_wei=asked):
            assert asked == needed > ceiling


@given(offers, markets, wei)
def test_a_replacement_is_a_raise_of_both_fees_within_the_ceiling(paid: Offer, market: Market, ceiling: int) -> None:
    match next_offer(paid, market, ceiling):
        case Offer(max_fee_wei=fee, tip_wei=tip):
            assert fee * 100 >= paid.max_fee_wei * 110
            assert tip * 100 >= paid.tip_wei * 110
            assert fee > paid.max_fee_wei
            assert tip > paid.tip_wei
            assert market.next_base_fee_wei + tip <= fee <= ceiling
            assert tip >= market.tip_wei
        case Wait(needed_wei=asked):
            assert asked > ceiling


@given(markets, wei)
def test_what_a_first_offer_waits_for_is_the_least_that_would_do(market: Market, ceiling: int) -> None:
    answer = first_offer(market, ceiling)
    if isinstance(answer, Wait):
        assert isinstance(first_offer(market, answer.needed_wei), Offer)
        assert isinstance(first_offer(market, answer.needed_wei - 1), Wait)


@given(offers, markets, wei)
def test_what_a_replacement_waits_for_is_the_least_that_would_do(paid: Offer, market: Market, ceiling: int) -> None:
    answer = next_offer(paid, market, ceiling)
    if isinstance(answer, Wait):
        assert isinstance(next_offer(paid, market, answer.needed_wei), Offer)
        assert isinstance(next_offer(paid, market, answer.needed_wei - 1), Wait)


def test_the_numbers_of_one_offer_and_its_replacements() -> None:
    market = Market(next_base_fee_wei=10 * GWEI, tip_wei=1 * GWEI)
    first = first_offer(market, 50 * GWEI)
    assert first == Offer(21 * GWEI, 1 * GWEI)
    assert next_offer(first, market, 50 * GWEI) == Offer(23_100_000_000, 1_100_000_000)
    assert next_offer(first, Market(20 * GWEI, 1 * GWEI), 50 * GWEI) == Offer(41_100_000_000, 1_100_000_000)
    assert next_offer(first, market, 23 * GWEI) == Wait(23_100_000_000)
    assert first_offer(market, 11 * GWEI) == Offer(11 * GWEI, 1 * GWEI)
    assert first_offer(market, 11 * GWEI - 1) == Wait(11 * GWEI)
