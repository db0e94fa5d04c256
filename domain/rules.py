"""A rule as its owner writes it: trigger, action and limits."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain import assets
from domain.errors import InvalidInput
from domain.intents import Intent
from domain.money import Amount
from domain.triggers import MarketProbability

Symbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,12}$")]


def printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name holds printable characters only")
    return name


# How owners, keys and rules are called.
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]


class Swap(BaseModel):
    """The action `swap`: sell an exact amount of one asset for another, at a bounded slippage."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["swap"]
    sell: Symbol
    buy: Symbol
    amount: Annotated[str, Field(max_length=80)]
    max_slippage_bps: Annotated[int, Field(ge=0, le=10_000)] = 50


class Limits(BaseModel):
    """How often a rule may act. A rule of more than one execution becomes active again after its cooldown."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cooldown_hours: Annotated[int, Field(ge=0, le=8_760)] = 24
    max_executions: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @property
    def cooldown(self) -> timedelta:
        return timedelta(hours=self.cooldown_hours)


class RuleSpec(BaseModel):
    """What an owner posts. Another trigger or action is another member of its union."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    wallet_id: Annotated[str, Field(pattern=r"^wal_[a-z0-9]{1,40}$")]
    trigger: MarketProbability
    action: Swap
    limits: Limits = Limits()

    def intent(self, chain: str, destination: str) -> Intent:
        """The action in exact base units, for a wallet on `chain` at address `destination`.

        Errors: INVALID_INPUT (final), with the path of the field.
        """
        try:
            sell = assets.named(self.action.sell, chain)
        except InvalidInput as error:
            raise InvalidInput(str(error), "action.sell") from None
        try:
            buy = assets.named(self.action.buy, chain)
        except InvalidInput as error:
            raise InvalidInput(str(error), "action.buy") from None
        if sell == buy:
            raise InvalidInput("a swap needs two different assets", "action.buy")
        try:
            amount = Amount.parse(self.action.amount, sell)
        except InvalidInput as error:
            raise InvalidInput(str(error), "action.amount") from None
        if amount.base == 0:
            raise InvalidInput("an amount has to be more than zero", "action.amount")
        if amount.base > (MAX_SWAP_BASE_UNITS if chain == "solana" else MAX_PAIR_BASE_UNITS):
            raise InvalidInput("that is more than a token account can hold", "action.amount")
        return Intent(sell=amount, buy=buy, max_slippage_bps=self.action.max_slippage_bps, destination=destination)


# What the smallest counter on the way can hold. An SPL token account counts in u64, a Uniswap V2 pair in
# uint112. Source: SPL Token program, `Account.amount`; UniswapV2Pair, `reserve0`.
MAX_SWAP_BASE_UNITS = 2**64 - 1
MAX_PAIR_BASE_UNITS = 2**112 - 1
