"""Requests as they come in, checked as Jupiter checks them."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator
from solders.pubkey import Pubkey

U64_MAX = 2**64 - 1


class _Asked(BaseModel):
    """Unknown parameters are let through, as the service does."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class SwapAsked(_Asked):
    """The query of `/quote`, `/order` and `/build`. `amount` in base units."""

    sell: str = Field(alias="inputMint")
    buy: str = Field(alias="outputMint")
    amount: Annotated[int, Field(gt=0, le=U64_MAX)]
    slippage_bps: Annotated[int, Field(ge=0, le=10_000)] = Field(alias="slippageBps", default=50)
    swap_mode: Literal["ExactIn"] = Field(alias="swapMode", default="ExactIn")
    taker: str | None = None
    wrap: bool = Field(alias="wrapAndUnwrapSol", default=True)

    @field_validator("sell", "buy", "taker")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        if text is not None:
            Pubkey.from_string(text)
        return text


class QuoteGiven(_Asked):
    """A V1 quote, handed back with `/swap`."""

    sell: str = Field(alias="inputMint")
    buy: str = Field(alias="outputMint")
    amount: Annotated[int, Field(gt=0, le=U64_MAX)] = Field(alias="inAmount")
    slippage_bps: Annotated[int, Field(ge=0, le=10_000)] = Field(alias="slippageBps")


class V1SwapAsked(_Asked):
    """The body of `/swap` and `/swap-instructions`."""

    user: str = Field(alias="userPublicKey")
    quote: QuoteGiven = Field(alias="quoteResponse")
    wrap: bool = Field(alias="wrapAndUnwrapSol", default=True)

    def as_swap(self) -> SwapAsked:
        """The same wish, in the words of V2. Errors: ValidationError, for an address that is none."""
        given: dict[str, Any] = {
            "sell": self.quote.sell,
            "buy": self.quote.buy,
            "amount": self.quote.amount,
            "slippage_bps": self.quote.slippage_bps,
            "taker": self.user,
            "wrap": self.wrap,
        }
        return SwapAsked.model_validate(given)


class ExecuteAsked(_Asked):
    """The body of `/execute`."""

    signed: str = Field(alias="signedTransaction", min_length=1, max_length=4096)
    request_id: str = Field(alias="requestId", min_length=1, max_length=100)


class Problem(Exception):
    """An answer other than 200, with the body that Jupiter would give."""

    def __init__(self, status: int, **body: Any) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body

    @classmethod
    def no_route(cls) -> Self:
        return cls(400, error="No routes found", errorCode="NO_ROUTES_FOUND")
