"""May this EVM transaction be signed? Compares what it says it does with terms. Addresses are in checksum form.

The facts here were read from the very bytes to be signed. What is not listed as allowed is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.fees import REPLACEMENT_BUMP_PERCENT, Offer
from domain.intents import LegKind, Objection, Refusal

# What a router reads as "keep it here": the next call of the same transaction unwraps it.
# Source: Uniswap swap-router-contracts, `Constants.ADDRESS_THIS`.
ROUTER_ITSELF: Final = "0x0000000000000000000000000000000000000002"


class V2Form(StrEnum):
    """The three exact-in calls of a V2 router, by what they take and give."""

    TOKENS = "swapExactTokensForTokens"
    FROM_NATIVE = "swapExactETHForTokens"
    TO_NATIVE = "swapExactTokensForETH"


@dataclass(frozen=True, slots=True)
class Approve:
    spender: str
    base: int


@dataclass(frozen=True, slots=True)
class V2Swap:
    """Amounts in base units. `amount_in` is None where the call takes the value it comes with."""

    form: V2Form
    amount_in: int | None
    minimum_out: int
    path: tuple[str, ...]
    recipient: str
    deadline: int


@dataclass(frozen=True, slots=True)
class Unwrap:
    """The router's wrapped native, all of it, is paid out as native."""

    minimum: int
    recipient: str


@dataclass(frozen=True, slots=True)
class V3Swap:
    """One pool, in a call that carries the deadline. Amounts in base units, `fee` in millionths."""

    deadline: int
    token_in: str
    token_out: str
    fee: int
    recipient: str
    amount_in: int
    minimum_out: int
    price_limit: int
    unwrap: Unwrap | None


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Call data that is none of the above."""

    detail: str


Call = Approve | V2Swap | V3Swap | Unexpected


@dataclass(frozen=True, slots=True)
class Payload:
    """An EIP-1559 transaction without an access list, decoded."""

    chain_id: int
    nonce: int
    to: str
    value_wei: int
    data: bytes
    gas: int
    offer: Offer

    @property
    def what(self) -> tuple[str, int, bytes, int]:
        """All but its place and its price: what a replacement has to repeat."""
        return self.to, self.value_wei, self.data, self.gas


@dataclass(frozen=True, slots=True)
class Terms:
    """What a payload may do. The tokens of a native asset are its wrapped form; amounts in base units.

    `max_fee_wei` is per gas, `max_cost_wei` for the whole payload.
    """

    kind: LegKind
    chain_id: int
    nonce: str
    valid_until: int
    wallet: str
    sell_token: str
    sells_native: bool
    sell_base: int
    buy_token: str
    buys_native: bool
    minimum_base: int
    v2_router: str
    v3_router: str
    v3_fees: tuple[int, ...]
    max_gas: int
    max_fee_wei: int
    max_cost_wei: int

    @property
    def v2_form(self) -> V2Form:
        if self.sells_native:
            return V2Form.FROM_NATIVE
        return V2Form.TO_NATIVE if self.buys_native else V2Form.TOKENS


def judge(payload: Payload, call: Call, terms: Terms) -> tuple[Refusal, ...]:
    """Every reason not to sign that the bytes give. Empty: they can only do what `terms` says."""
    return (*_frame(payload, terms), *_called(payload, call, terms))


def judge_replacement(before: Payload, after: Payload, wallet: str, max_fee_wei: int) -> tuple[Refusal, ...]:
    """Every reason not to sign `after` in place of `before`. Empty: it is the same for more, or nothing for more."""
    return tuple(_replacement(before, after, wallet, max_fee_wei))


def cancels(payload: Payload, wallet: str) -> bool:
    """Whether it only uses its nonce up: a payment of nothing from the wallet to itself."""
    return (payload.to, payload.value_wei, payload.data) == (wallet, 0, b"")


def _frame(payload: Payload, terms: Terms) -> Iterator[Refusal]:
    if payload.chain_id != terms.chain_id:
        yield Refusal(Objection.WRONG_CHAIN, f"is for chain {payload.chain_id}, configured is {terms.chain_id}")
    if str(payload.nonce) != terms.nonce:
        yield Refusal(Objection.OTHER_SLOT, f"carries nonce {payload.nonce}, allocated was {terms.nonce}")
    yield from _fee(payload, terms.max_fee_wei)
    if payload.gas > terms.max_gas:
        yield Refusal(Objection.FEE_TOO_HIGH, f"may use {payload.gas} gas, allowed are {terms.max_gas}")
    if (cost := payload.gas * payload.offer.max_fee_wei) > terms.max_cost_wei:
        yield Refusal(Objection.FEE_TOO_HIGH, f"may cost {cost} wei, allowed are {terms.max_cost_wei}")


def _fee(payload: Payload, max_fee_wei: int) -> Iterator[Refusal]:
    if (fee := payload.offer.max_fee_wei) > max_fee_wei:
        yield Refusal(Objection.FEE_TOO_HIGH, f"offers {fee} wei a gas, allowed are {max_fee_wei}")


def _called(payload: Payload, call: Call, terms: Terms) -> Iterator[Refusal]:
    match terms.kind, call:
        case LegKind.APPROVE, Approve():
            yield from _approval(payload, call, terms)
        case LegKind.SWAP, V2Swap():
            yield from _value(payload, terms)
            yield from _v2(payload, call, terms)
        case LegKind.SWAP, V3Swap():
            yield from _value(payload, terms)
            yield from _v3(payload, call, terms)
        case _, Unexpected(detail):
            yield Refusal(Objection.UNEXPECTED_INSTRUCTION, f"asks {payload.to} for {detail}")
        case _:
            yield Refusal(Objection.UNEXPECTED_INSTRUCTION, f"holds {type(call).__name__}, the leg is {terms.kind}")


def _approval(payload: Payload, call: Approve, terms: Terms) -> Iterator[Refusal]:
    if payload.to != terms.sell_token:
        yield Refusal(Objection.WRONG_ASSET, f"approves {payload.to}, to be sold is {terms.sell_token}")
    if call.spender not in (terms.v2_router, terms.v3_router):
        yield Refusal(Objection.FOREIGN_PROGRAM, f"lets {call.spender} take from the wallet, which is no known router")
    yield from _exactly(call.base, terms.sell_base, "approves")
    if payload.value_wei:
        yield Refusal(Objection.AMOUNT_TOO_LARGE, f"sends {payload.value_wei} wei along with an approval")


def _value(payload: Payload, terms: Terms) -> Iterator[Refusal]:
    yield from _exactly(payload.value_wei, terms.sell_base if terms.sells_native else 0, "sends in native")


def _v2(payload: Payload, call: V2Swap, terms: Terms) -> Iterator[Refusal]:
    yield from _router(payload, terms.v2_router)
    if call.form is not terms.v2_form:
        yield Refusal(Objection.UNEXPECTED_INSTRUCTION, f"calls {call.form}, this swap is {terms.v2_form}")
    if call.path != (terms.sell_token, terms.buy_token):
        yield Refusal(
            Objection.WRONG_ASSET,
            f"goes through {', '.join(call.path)}, intended is {terms.sell_token} to {terms.buy_token}",
        )
    if call.amount_in is not None:
        yield from _exactly(call.amount_in, terms.sell_base, "sells")
    yield from _minimum(call.minimum_out, terms)
    yield from _recipient(call.recipient, terms.wallet)
    yield from _deadline(call.deadline, terms)


def _v3(payload: Payload, call: V3Swap, terms: Terms) -> Iterator[Refusal]:
    yield from _router(payload, terms.v3_router)
    for token, wanted in ((call.token_in, terms.sell_token), (call.token_out, terms.buy_token)):
        if token != wanted:
            yield Refusal(Objection.WRONG_ASSET, f"names the token {token}, intended is {wanted}")
    if call.fee not in terms.v3_fees:
        yield Refusal(
            Objection.UNEXPECTED_INSTRUCTION, f"goes through a pool of fee {call.fee}, known are {terms.v3_fees}"
        )
    if call.price_limit:
        yield Refusal(Objection.UNEXPECTED_INSTRUCTION, "stops at a price, and might sell a part only")
    yield from _exactly(call.amount_in, terms.sell_base, "sells")
    yield from _minimum(call.minimum_out, terms)
    yield from _recipient(call.recipient, ROUTER_ITSELF if terms.buys_native else terms.wallet)
    yield from _deadline(call.deadline, terms)
    if call.unwrap is None:
        if terms.buys_native:
            yield Refusal(Objection.UNEXPECTED_INSTRUCTION, "leaves what is bought wrapped, with the router")
        return
    if not terms.buys_native:
        yield Refusal(Objection.UNEXPECTED_INSTRUCTION, "unwraps, but buys a token")
    yield from _minimum(call.unwrap.minimum, terms)
    yield from _recipient(call.unwrap.recipient, terms.wallet)


def _router(payload: Payload, router: str) -> Iterator[Refusal]:
    if payload.to != router:
        yield Refusal(Objection.FOREIGN_PROGRAM, f"calls {payload.to}, the router of this call is {router}")


def _exactly(found: int, intended: int, doing: str) -> Iterator[Refusal]:
    if found > intended:
        yield Refusal(Objection.AMOUNT_TOO_LARGE, f"{doing} {found} base units, intended are {intended}")
    if found < intended:
        yield Refusal(Objection.BALANCES_DIFFER, f"{doing} only {found} base units of {intended}")


def _minimum(found: int, terms: Terms) -> Iterator[Refusal]:
    if found < terms.minimum_base:
        yield Refusal(Objection.MINIMUM_TOO_LOW, f"guarantees {found}, required are {terms.minimum_base}")


def _recipient(found: str, wanted: str) -> Iterator[Refusal]:
    if found != wanted:
        yield Refusal(Objection.WRONG_DESTINATION, f"pays to {found}, allowed is {wanted}")


def _deadline(found: int, terms: Terms) -> Iterator[Refusal]:
    if found != terms.valid_until:
        yield Refusal(Objection.OTHER_SLOT, f"is good until {found}, allocated was until {terms.valid_until}")


def _replacement(before: Payload, after: Payload, wallet: str, max_fee_wei: int) -> Iterator[Refusal]:
    if after.chain_id != before.chain_id:
        yield Refusal(Objection.WRONG_CHAIN, f"is for chain {after.chain_id}, what it replaces for {before.chain_id}")
    if after.nonce != before.nonce:
        yield Refusal(Objection.OTHER_SLOT, f"carries nonce {after.nonce}, what it replaces {before.nonce}")
    if after.what != before.what and not (cancels(after, wallet) and after.gas == before.gas):
        yield Refusal(
            Objection.OTHER_PAYMENT, "is neither what it replaces nor a payment of nothing to the wallet itself"
        )
    yield from _fee(after, max_fee_wei)
    for name, old, new in (
        ("offers", before.offer.max_fee_wei, after.offer.max_fee_wei),
        ("tips", before.offer.tip_wei, after.offer.tip_wei),
    ):
        if new * 100 < old * (100 + REPLACEMENT_BUMP_PERCENT):
            yield Refusal(
                Objection.FEE_TOO_LOW,
                f"{name} {new} wei a gas, which is not {REPLACEMENT_BUMP_PERCENT} % more than the {old} it replaces",
            )
