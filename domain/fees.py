"""What a transaction offers for its gas, and what a replacement has to. All numbers are wei per gas.

Source: EIP-1559: what is paid is the block's base fee and the tip, at most the offer's maximum; the base fee
moves by at most an eighth a block, so twice the next one is enough for the five full blocks after it.
"""

from dataclasses import dataclass
from typing import Final

# Nodes take a replacement only when both of its fees are higher by this. Source: geth txpool, `PriceBump`.
REPLACEMENT_BUMP_PERCENT: Final = 10

# No pool keeps what offers nothing beyond the base fee. Source: geth txpool, `PriceLimit`.
LEAST_TIP_WEI: Final = 1


@dataclass(frozen=True, slots=True)
class Offer:
    """The most that is paid for a unit of gas, and how much of it goes to the block's proposer."""

    max_fee_wei: int
    tip_wei: int

    def __post_init__(self) -> None:
        if not 0 <= self.tip_wei <= self.max_fee_wei:
            raise ValueError(f"a tip of {self.tip_wei} wei does not fit a maximum of {self.max_fee_wei} wei")


@dataclass(frozen=True, slots=True)
class Market:
    """What the next block asks for, and the tip that gets into it."""

    next_base_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is offered within the ceiling; `needed_wei` is the least maximum that would do."""

    needed_wei: int


def first_offer(market: Market, ceiling_wei: int) -> Offer | Wait:
    """The offer of a fresh transaction: room for a rising base fee, as far as the ceiling lets it."""
    tip_wei = max(market.tip_wei, LEAST_TIP_WEI)
    return _within(ceiling_wei, market.next_base_fee_wei + tip_wei, market.next_base_fee_wei, tip_wei)


def next_offer(previous: Offer, market: Market, ceiling_wei: int) -> Offer | Wait:
    """The offer that takes the place of `previous`. Rounds up, so that no node finds the raise short."""
    tip_wei = max(market.tip_wei, _raised(previous.tip_wei))
    needed_wei = max(market.next_base_fee_wei + tip_wei, _raised(previous.max_fee_wei))
    return _within(ceiling_wei, needed_wei, market.next_base_fee_wei, tip_wei)


def _within(ceiling_wei: int, needed_wei: int, base_fee_wei: int, tip_wei: int) -> Offer | Wait:
    if needed_wei > ceiling_wei:
        return Wait(needed_wei)
    return Offer(min(max(2 * base_fee_wei + tip_wei, needed_wei), ceiling_wei), tip_wei)


def _raised(fee_wei: int) -> int:
    # A fee of zero has to grow as well: nodes ask for more, not for as much.
    return max(-(-fee_wei * (100 + REPLACEMENT_BUMP_PERCENT) // 100), LEAST_TIP_WEI)
