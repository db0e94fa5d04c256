"""An observation fires a rule only if its own source says that it is fresh, open and priced."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.triggers import (
    MAX_CLOCK_LEAD,
    Answer,
    MarketObservation,
    MarketProbability,
    MarketStatus,
    Reading,
    probability,
    read,
)
from tests.property.draws import (
    NOW,
    directions,
    moments,
    observations,
    observed,
    outcomes,
    price_kinds,
    prices,
    thresholds,
    trigger,
    triggers,
)

MAX_AGE = timedelta(seconds=30)
TICK = timedelta(microseconds=1)
ages = st.integers(0, 3_600_000_000).map(lambda us: timedelta(microseconds=us))

REFUSALS = {
    "MARKET_NOT_ACTIVE",
    "MARKET_CLOSED",
    "PRICE_FROM_THE_FUTURE",
    "PRICE_STALE",
    "SPREAD_TOO_WIDE",
    "NO_PRICE",
}


def price_by_hand(asked: MarketProbability, seen: MarketObservation) -> Fraction | None:
    """The probability, worked out anew in exact fractions."""
    yes_bid, yes_ask, last = (None if p is None else Fraction(p) for p in (seen.bid, seen.ask, seen.last))
    if asked.price == "last":
        value = last
    elif asked.price == "mid":
        value = None if yes_bid is None or yes_ask is None else (yes_bid + yes_ask) / 2
    else:  # a bid for NO is an offer of YES
        value = yes_bid if (asked.price == "bid") == (asked.outcome == "yes") else yes_ask
    return value if value is None or asked.outcome == "yes" else 1 - value


@given(triggers, observations, st.just(NOW) | moments, ages)
def test_an_answer_means_open_fresh_and_priced(
    asked: MarketProbability, seen: MarketObservation, now: datetime, max_age: timedelta
) -> None:
    reading = read(asked, seen, now, max_age)
    if reading.answer is Answer.REFUSED:
        assert reading.code in REFUSALS
        assert reading.probability is None
        return
    assert seen.status is MarketStatus.ACTIVE
    assert seen.close_time is None or now < seen.close_time
    assert -MAX_CLOCK_LEAD <= now - seen.source_time <= max_age
    value = price_by_hand(asked, seen)
    assert value is not None
    assert reading.probability is not None
    assert Fraction(reading.probability) == value
    threshold = Fraction(asked.threshold)
    holds = value >= threshold if asked.when == "at_or_above" else value <= threshold
    assert reading == Reading(Answer.TRUE if holds else Answer.FALSE, "", reading.probability)


@given(triggers, observations, moments, moments, ages)
def test_when_a_frame_reached_us_says_nothing(
    asked: MarketProbability, seen: MarketObservation, received: datetime, now: datetime, max_age: timedelta
) -> None:
    again = replace(seen, received_time=received)
    assert read(asked, again, now, max_age) == read(asked, seen, now, max_age)


@given(triggers, ages.filter(lambda age: age > MAX_AGE))
def test_an_old_price_received_this_moment_is_stale(asked: MarketProbability, age: timedelta) -> None:
    seen = observed(source_time=NOW - age, received_time=NOW)
    assert read(asked, seen, NOW, MAX_AGE) == Reading(Answer.REFUSED, "PRICE_STALE")


@given(triggers, ages.filter(lambda age: age <= MAX_AGE))
def test_a_price_within_its_age_answers(asked: MarketProbability, age: timedelta) -> None:
    asked = asked.model_copy(update={"max_spread": Decimal(1)})
    assert read(asked, observed(source_time=NOW - age), NOW, MAX_AGE).answer is not Answer.REFUSED


def test_the_age_limit_is_exact() -> None:
    assert read(trigger(), observed(source_time=NOW - MAX_AGE), NOW, MAX_AGE).answer is Answer.TRUE
    assert read(trigger(), observed(source_time=NOW - MAX_AGE - TICK), NOW, MAX_AGE).code == "PRICE_STALE"


def test_a_price_from_the_future_is_refused_beyond_the_clocks_lead() -> None:
    assert read(trigger(), observed(source_time=NOW + MAX_CLOCK_LEAD), NOW, MAX_AGE).answer is Answer.TRUE
    late = observed(source_time=NOW + MAX_CLOCK_LEAD + TICK)
    assert read(trigger(), late, NOW, timedelta.max).code == "PRICE_FROM_THE_FUTURE"


@given(triggers, st.sampled_from([s for s in MarketStatus if s is not MarketStatus.ACTIVE]))
def test_a_market_in_any_other_state_fires_nothing(asked: MarketProbability, status: MarketStatus) -> None:
    assert read(asked, observed(status=status), NOW, MAX_AGE) == Reading(Answer.REFUSED, "MARKET_NOT_ACTIVE")


@given(triggers)
def test_a_market_is_closed_from_its_closing_time_on_whatever_its_status_says(asked: MarketProbability) -> None:
    assert read(asked, observed(close_time=NOW), NOW, MAX_AGE) == Reading(Answer.REFUSED, "MARKET_CLOSED")
    assert read(asked, observed(close_time=NOW - TICK), NOW, MAX_AGE).code == "MARKET_CLOSED"
    assert read(asked, observed(close_time=NOW + TICK), NOW, MAX_AGE).code != "MARKET_CLOSED"


@given(prices, prices, st.sampled_from(["0.05", "0.10", "0.50"]).map(Decimal), outcomes, directions)
def test_a_mid_price_needs_a_narrow_spread(
    one: Decimal, other: Decimal, widest: Decimal, outcome: str, when: str
) -> None:
    bid, ask = min(one, other), max(one, other)
    asked = trigger(outcome=outcome, when=when, max_spread=widest)
    refused = read(asked, observed(bid=bid, ask=ask), NOW, MAX_AGE).code == "SPREAD_TOO_WIDE"
    assert refused == (ask - bid > widest)


def test_the_widest_spread_is_still_allowed() -> None:
    asked = trigger(threshold=Decimal("0.5"), max_spread=Decimal("0.10"))
    assert read(asked, observed(bid=Decimal("0.65"), ask=Decimal("0.75")), NOW, MAX_AGE).answer is Answer.TRUE
    wider = observed(bid=Decimal("0.6499"), ask=Decimal("0.75"))
    assert read(asked, wider, NOW, MAX_AGE) == Reading(Answer.REFUSED, "SPREAD_TOO_WIDE")


@given(prices, prices, st.sampled_from(["bid", "ask", "last"]))
def test_a_spread_matters_to_the_mid_price_only(bid: Decimal, ask: Decimal, price: str) -> None:
    asked = trigger(price=price, max_spread=Decimal("0.0001"))
    assert read(asked, observed(bid=bid, ask=ask), NOW, MAX_AGE).answer is not Answer.REFUSED


@pytest.mark.parametrize("outcome", ["yes", "no"])
@pytest.mark.parametrize(
    ("price", "seen"),
    [
        ("mid", observed(bid=None)),
        ("mid", observed(ask=None)),
        ("last", observed(last=None)),
        ("bid", observed(bid=None, ask=None)),
        ("ask", observed(bid=None, ask=None)),
    ],
)
def test_a_price_that_the_book_does_not_hold_is_no_answer(outcome: str, price: str, seen: MarketObservation) -> None:
    assert read(trigger(outcome=outcome, price=price), seen, NOW, MAX_AGE) == Reading(Answer.REFUSED, "NO_PRICE")


@given(observations)
def test_yes_and_no_complement_each_other(seen: MarketObservation) -> None:
    yes_bid, no_ask = probability("yes", "bid", seen), probability("no", "ask", seen)
    yes_ask, no_bid = probability("yes", "ask", seen), probability("no", "bid", seen)
    yes_mid, no_mid = probability("yes", "mid", seen), probability("no", "mid", seen)
    yes_last, no_last = probability("yes", "last", seen), probability("no", "last", seen)
    for yes, no in ((yes_bid, no_ask), (yes_ask, no_bid), (yes_mid, no_mid), (yes_last, no_last)):
        assert (yes is None and no is None) or (yes is not None and no is not None and yes + no == 1)


@given(observations, thresholds, price_kinds)
def test_no_at_or_above_is_yes_at_or_below_the_complement(
    seen: MarketObservation, threshold: Decimal, price: str
) -> None:
    mirrored = {"bid": "ask", "ask": "bid"}.get(price, price)
    no = trigger(outcome="no", price=price, when="at_or_above", threshold=threshold)
    yes = trigger(outcome="yes", price=mirrored, when="at_or_below", threshold=1 - threshold)
    left, right = read(no, seen, NOW, MAX_AGE), read(yes, seen, NOW, MAX_AGE)
    assert (left.answer, left.code) == (right.answer, right.code)


@given(prices, prices, thresholds, outcomes, price_kinds)
def test_above_and_below_both_hold_at_the_threshold_alone(
    one: Decimal, other: Decimal, threshold: Decimal, outcome: str, price: str
) -> None:
    seen = observed(bid=min(one, other), ask=max(one, other), last=one)
    above, below = (
        read(trigger(outcome, price, when, threshold, max_spread=Decimal(1)), seen, NOW, MAX_AGE)
        for when in ("at_or_above", "at_or_below")
    )
    assert {above.answer, below.answer} <= {Answer.TRUE, Answer.FALSE}
    assert Answer.TRUE in (above.answer, below.answer)
    assert (above.answer is below.answer) == (above.probability == threshold)
