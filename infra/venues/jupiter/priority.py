"""What a compute unit should cost now: what the network says, or what Jupiter advises, whichever is more."""

import base64
import math
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from domain.errors import ChainUnavailable
from domain.priority_fee import escalated, upper_quarter
from domain.solana_intent import MAX_FEE_LAMPORTS, MICRO, SIGNATURE_FEE_LAMPORTS
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.addresses import COMPUTE_BUDGET_PROGRAM
from infra.chains.solana.answers import RecentPrice
from infra.chains.solana.rpc import SolanaNode
from infra.venues.jupiter import api
from infra.venues.jupiter.assembly import MAX_UNITS
from infra.venues.jupiter.durable import SET_PRICE

# With all units a transaction may use, the price stays within what the examination allows.
MAX_PRICE_MICRO_LAMPORTS: Final = (MAX_FEE_LAMPORTS - SIGNATURE_FEE_LAMPORTS) * MICRO // MAX_UNITS

_MAX_ACCOUNTS: Final = 128  # Source: MAX_TX_ACCOUNT_LOCKS of the validator, which bounds both questions


class _Estimate(BaseModel):
    """Helius tells prices as fractions of a micro-lamport. Source: helius.dev, getPriorityFeeEstimate."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    price: Annotated[float, Field(alias="priorityFeeEstimate", ge=0, le=2**53, allow_inf_nan=False)]


_ESTIMATE = TypeAdapter(_Estimate)
_RECENT = TypeAdapter(list[RecentPrice])


class PriorityFees:
    """Asks Helius where there is one, else the node what blocks took lately. No answer is no reason to wait."""

    def __init__(self, helius: SolanaNode | None = None) -> None:
        self._helius = helius

    async def price(self, node: SolanaNode, places: list[str], advised: int, earlier: int) -> int:
        """Micro-lamports per unit to write to `places`, with so many payloads of the leg behind, within our bound."""
        estimate = await self._recommended(places[:_MAX_ACCOUNTS])
        if estimate is None:
            estimate = await _recent(node, places[:_MAX_ACCOUNTS])
        return escalated(max(estimate, advised), earlier, MAX_PRICE_MICRO_LAMPORTS)

    async def _recommended(self, places: list[str]) -> int | None:
        if self._helius is None:
            return None
        params: list[Any] = [{"accountKeys": places, "options": {"recommended": True}}]
        try:
            return math.ceil((await self._helius.call("getPriorityFeeEstimate", params, _ESTIMATE)).price)
        except (ChainUnavailable, RpcRefusal):
            return None


def advised_by(built: api.Built) -> int:
    """The price that Jupiter wrote into its instructions; zero, if it wrote none."""
    for instruction in built.compute_budget:
        try:
            data = base64.b64decode(instruction.data, validate=True)
        except ValueError:
            continue
        if instruction.program == str(COMPUTE_BUDGET_PROGRAM) and data[:1] == SET_PRICE and len(data) == 9:
            return int.from_bytes(data[1:], "little")
    return 0


async def _recent(node: SolanaNode, places: list[str]) -> int:
    """What got in lately among those who wrote to the same accounts; zero, if the node does not say."""
    try:
        return upper_quarter([one.price for one in await node.call("getRecentPrioritizationFees", [places], _RECENT)])
    except (ChainUnavailable, RpcRefusal):
        return 0


def written_by(built: api.Built) -> list[str]:
    """What a route writes to: blocks are full account by account."""
    calls = [*built.setup, built.swap, *([built.cleanup] if built.cleanup else [])]
    return sorted({account.pubkey for call in calls for account in call.accounts if account.writable})
