"""Where Uniswap lives, by chain number. Another chain is a line here.

Source: docs.uniswap.org, "V2 Deployment Addresses" and the V3 deployment page of each chain. Ethereum's V2 and V3
routers are those of Uniswap's own sdk package too. The embedded chain has Ethereum's contracts at Ethereum's
addresses, and there they are called in the tests; on Base, Arbitrum and Polygon no call was ever tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deployment:
    """`v3_router` is a SwapRouter02: the older SwapRouter knows other calls under the same names."""

    v2_router: str
    v3_router: str
    v3_quoter: str
    v3_fees: tuple[int, ...] = (100, 500, 3_000, 10_000)  # millionths. Source: the V3 factory's enabled fees


_ETHEREUM: Final = Deployment(
    v2_router="0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D",
    v3_router="0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45",
    v3_quoter="0x61fFE014bA17989E743c5F6cB21bF9697530B21e",
)

BY_CHAIN_NUMBER: Final[Mapping[int, Deployment]] = {
    1: _ETHEREUM,
    31337: _ETHEREUM,
    8453: Deployment(
        v2_router="0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
        v3_router="0x2626664c2603336E57B271c5C0b26F421741e481",
        v3_quoter="0x3d4e44Eb1374240CE5F1B871ab261CD16335B76a",
    ),
    42161: Deployment(
        v2_router="0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
        v3_router="0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45",
        v3_quoter="0x61fFE014bA17989E743c5F6cB21bF9697530B21e",
    ),
    137: Deployment(
        v2_router="0xedf6066a2b290C185783862C7F4776A2C8077AD1",
        v3_router="0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45",
        v3_quoter="0x61fFE014bA17989E743c5F6cB21bF9697530B21e",
    ),
}
