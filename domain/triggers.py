"""When does a market's probability fire a rule? Judged by the source's own clock, never by ours alone."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

# Sources' clocks run a little ahead of ours; a stamp from further in the future is nonsense, not news.
MAX_CLOCK_LEAD = timedelta(seconds=10)


class MarketStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"
    SETTLED = "settled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MarketObservation:
    """One data point of one market. Prices are of the YES side, in [0, 1]; times are aware UTC.

    `source_time` is what the source said, `received_time` when it reached us; only the first tells age.
    """

    source: str
    market: str
    status: MarketStatus
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    close_time: datetime | None
    source_time: datetime
    received_time: datetime
    raw_sha256: str


_PROBABILITY = re.compile(r"[01](?:\.[0-9]{1,18})?", re.ASCII)


def _probability(value: object) -> Decimal:
    if not isinstance(value, str) or not _PROBABILITY.fullmatch(value):
        raise ValueError('write a probability as a decimal string between "0" and "1", as in "0.70"')
    return Decimal(value)


def _plain(value: Decimal) -> str:
    # str() writes small numbers as 1E-7, which is no probability when it is read back.
    return f"{value:f}"


Probability = Annotated[Decimal, BeforeValidator(_probability), PlainSerializer(_plain, when_used="json")]
Outcome = Literal["yes", "no"]
Price = Literal["mid", "bid", "ask", "last"]


class MarketProbability(BaseModel):
    """The trigger `market_probability`: a market's probability crosses a threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["market_probability"]
    venue: Literal["kalshi"]
    market: Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9.\-]{0,99}$")]
    outcome: Outcome = "yes"
    price: Price = "mid"
    when: Literal["at_or_above", "at_or_below"]
    threshold: Annotated[Probability, Field(gt=0, lt=1)]
    max_spread: Annotated[Probability, Field(gt=0, le=1)] = Decimal("0.10")
    fire_if_already_true: bool = False


class Answer(StrEnum):
    TRUE = "true"
    FALSE = "false"
    REFUSED = "refused"  # the observation cannot answer; neither fires nor arms


@dataclass(frozen=True, slots=True)
class Reading:
    """What one observation says of one trigger. `code` names the reason of a refusal."""

    answer: Answer
    code: str = ""
    probability: Decimal | None = None


def probability(outcome: Outcome, price: Price, seen: MarketObservation) -> Decimal | None:
    """The probability of an outcome, read from a price; None where the book has no such price."""
    bid, ask, last = seen.bid, seen.ask, seen.last
    if outcome == "no":  # a NO price is the complement of the other side's YES price
        bid, ask = (None if ask is None else 1 - ask), (None if bid is None else 1 - bid)
        last = None if last is None else 1 - last
    match price:
        case "bid":
            return bid
        case "ask":
            return ask
        case "last":
            return last
        case "mid":
            return None if bid is None or ask is None else (bid + ask) / 2


def read(trigger: MarketProbability, seen: MarketObservation, now: datetime, max_age: timedelta) -> Reading:
    """Does this observation say that the condition holds, that it does not, or nothing at all?

    `now` is compared with the source's own time, so a dead feed whose last frame was received
    a moment ago is as old as its source says it is.
    """
    if seen.status is not MarketStatus.ACTIVE:
        return Reading(Answer.REFUSED, "MARKET_NOT_ACTIVE")
    if seen.close_time is not None and now >= seen.close_time:
        return Reading(Answer.REFUSED, "MARKET_CLOSED")
    if seen.source_time - now > MAX_CLOCK_LEAD:
        return Reading(Answer.REFUSED, "PRICE_FROM_THE_FUTURE")
    if now - seen.source_time > max_age:
        return Reading(Answer.REFUSED, "PRICE_STALE")
    if (
        trigger.price == "mid"
        and seen.bid is not None
        and seen.ask is not None
        and seen.ask - seen.bid > trigger.max_spread
    ):
        return Reading(Answer.REFUSED, "SPREAD_TOO_WIDE")
    value = probability(trigger.outcome, trigger.price, seen)
    if value is None:
        return Reading(Answer.REFUSED, "NO_PRICE")
    holds = value >= trigger.threshold if trigger.when == "at_or_above" else value <= trigger.threshold
    return Reading(Answer.TRUE if holds else Answer.FALSE, probability=value)
