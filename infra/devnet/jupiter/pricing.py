"""What the pool pays: the program's own arithmetic, contracts/jupiter-pool/pool.s."""

from dataclasses import dataclass
from typing import Final

from infra.devnet.jupiter.chain import Reserves

BPS: Final = 10_000
POOL_FEE_BPS: Final = 30


@dataclass(frozen=True, slots=True)
class Price:
    """Amounts in base units; `threshold` is the least that a slippage cap lets arrive."""

    amount_in: int
    amount_out: int
    threshold: int
    impact_bps: int
    slot: int


def exact_in(reserves: Reserves, amount: int, slippage_bps: int) -> Price:
    """The fee is rounded up, the output down."""
    kept = amount - -(-amount * POOL_FEE_BPS // BPS)
    out = reserves.bought * kept // (reserves.sold + kept)
    return _price(reserves, amount, out, -(-out * (BPS - slippage_bps) // BPS))


def _price(reserves: Reserves, amount: int, out: int, threshold: int) -> Price:
    ideal = amount * reserves.bought // max(reserves.sold, 1)
    impact_bps = (ideal - out) * BPS // ideal if ideal else 0
    return Price(amount, out, threshold, impact_bps, reserves.slot)
