"""What a Solana transaction offers for a place in a block, per compute unit. Prices in micro-lamports."""

from collections.abc import Sequence

# A payload that did not land in its minute was outbid; half as much again outbids most of those, four times fivefold.
RAISE_NUMERATOR, RAISE_DENOMINATOR = 3, 2


def escalated(price: int, earlier: int, cap: int) -> int:
    """The price of the next payload: half as much again for each earlier one of its leg, and never above `cap`.

    Rounds up, so that the smallest price still rises. Errors: ValueError, for anything negative.
    """
    if min(price, earlier, cap) < 0:
        raise ValueError(f"{price} raised {earlier} times, at most {cap}: none of them can be negative")
    for _ in range(earlier):
        if price >= cap:
            break
        price = -(-price * RAISE_NUMERATOR // RAISE_DENOMINATOR)
    return min(price, cap)


def upper_quarter(paid: Sequence[int]) -> int:
    """The price that three of four recent blocks were content with; nothing known is zero."""
    if not paid:
        return 0
    return sorted(paid)[len(paid) * 3 // 4]
