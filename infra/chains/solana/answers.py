"""The shapes of a node's answers, checked as they come in. Source: solana.com/docs/rpc."""

import base64
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

T = TypeVar("T")
Count = Annotated[int, Field(ge=0, lt=2**64)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Context(_Answer):
    slot: Count


class InContext(_Answer, Generic[T]):
    """A value, and the slot of the bank that gave it."""

    context: Context
    value: T


class LatestBlockhash(_Answer):
    blockhash: str = Field(min_length=32, max_length=44)
    last_valid_block_height: Count = Field(alias="lastValidBlockHeight")


class EpochInfo(_Answer):
    slot: Count = Field(alias="absoluteSlot")
    block_height: Count = Field(alias="blockHeight")


class SignatureStatus(_Answer):
    slot: Count
    err: Any
    confirmation: Literal["processed", "confirmed", "finalized"] | None = Field(alias="confirmationStatus")


class BlockHead(_Answer):
    block_height: Count | None = Field(alias="blockHeight")


class AccountState(_Answer):
    """An account, asked for in base64. Lamports include what a wrapped SOL account holds."""

    lamports: Count
    owner: str
    encoded: Annotated[list[str], Field(min_length=2, max_length=2, alias="data")]

    @cached_property
    def data(self) -> bytes:
        return base64.b64decode(self.encoded[0], validate=True)

    @field_validator("encoded")
    @classmethod
    def _is_base64(cls, pair: list[str]) -> list[str]:
        if pair[1] != "base64":
            raise ValueError("account data is not in base64")
        base64.b64decode(pair[0], validate=True)
        return pair


class Simulation(_Answer):
    err: Any
    logs: list[str] | None = None
    units: Count | None = Field(default=None, alias="unitsConsumed")
    accounts: list[AccountState | None] | None = None


class TokenQuantity(_Answer):
    amount: str = Field(pattern=r"^[0-9]{1,20}$")


class TokenBalance(_Answer):
    account_index: Count = Field(alias="accountIndex")
    mint: str
    owner: str | None = None
    quantity: TokenQuantity = Field(alias="uiTokenAmount")

    @property
    def base(self) -> int:
        return int(self.quantity.amount)


class Meta(_Answer):
    """What a transaction did. Balances in lamports, in the order of the message's accounts."""

    err: Any
    fee: Count
    pre_balances: list[Count] = Field(alias="preBalances")
    post_balances: list[Count] = Field(alias="postBalances")
    pre_tokens: list[TokenBalance] = Field(alias="preTokenBalances")
    post_tokens: list[TokenBalance] = Field(alias="postTokenBalances")


class FinalTransaction(_Answer):
    slot: Count
    meta: Meta


class RecentPrice(_Answer):
    """The lowest price that got into a block, in micro-lamports per unit."""

    price: Count = Field(alias="prioritizationFee")


class ListedSignature(_Answer):
    """A transaction that names an address."""

    signature: str
    slot: Count


class RecordedTransaction(_Answer):
    """A transaction's bytes, asked for in base64."""

    encoded: Annotated[list[str], Field(min_length=2, max_length=2, alias="transaction")]
