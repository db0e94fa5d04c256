"""What the next block asks for a unit of gas, from the blocks before it."""

from collections.abc import Mapping
from statistics import median_low
from typing import Final

from domain.fees import LEAST_TIP_WEI, Market
from infra.chains.evm.answers import FEE_HISTORY, FeeHistory
from infra.chains.evm.rpc import Call, EvmRpc

GWEI: Final = 10**9
BLOCKS: Final = 10  # two minutes of Ethereum
PERCENTILE: Final = 50

# The least tip, in wei per gas, by the chain's number; elsewhere what any pool takes. Of quiet blocks the history
# tells less than a node wants. Sources: ethereum, what wallets have offered at the least since EIP-1559;
# base, op-geth's `DefaultMinSuggestedPriorityFee`; polygon, the minimum that its validators' pools ask for;
# anvil, its `MIN_SUGGESTED_PRIORITY_FEE`. Arbitrum's sequencer takes no notice of tips.
_LEAST_TIP_WEI: Final[Mapping[int, int]] = {
    1: GWEI,
    8453: GWEI // 1000,
    42161: LEAST_TIP_WEI,
    137: 30 * GWEI,
    31337: GWEI,
}

HISTORY: Final = Call("eth_feeHistory", [hex(BLOCKS), "latest", [PERCENTILE]], FEE_HISTORY)


async def market(rpc: EvmRpc) -> Market:
    """The market now, in wei per gas. Errors: CHAIN_UNAVAILABLE (retried)."""
    (history,) = await rpc.read([HISTORY])
    return read(history, rpc.chain_number)


def read(history: FeeHistory, chain_number: int) -> Market:
    """The next base fee, and the tip that half of the gas of the median block offered, or the chain's least."""
    tips_wei = [tip_wei for block in history.rewards or [] for tip_wei in block]
    least_wei = _LEAST_TIP_WEI.get(chain_number, LEAST_TIP_WEI)
    return Market(history.base_fees[-1], max([least_wei] + ([median_low(tips_wei)] if tips_wei else [])))
