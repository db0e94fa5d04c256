"""The judge of EVM transactions, on facts alone: whatever differs from the terms is refused by its own name."""

from dataclasses import replace

import pytest

from domain.evm_intent import (
    ROUTER_ITSELF,
    Approve,
    Call,
    Payload,
    Terms,
    Unexpected,
    Unwrap,
    V2Form,
    V2Swap,
    V3Swap,
    judge,
    judge_replacement,
)
from domain.fees import Offer
from domain.intents import LegKind, Objection

WALLET, STRANGER, TOKEN, WRAPPED, V2, V3 = "wallet", "stranger", "token", "wrapped", "v2", "v3"
SOLD, LEAST, UNTIL, CAP = 1_000, 950, 1_700_000_000, 50

SELLS_NATIVE = Terms(
    kind=LegKind.SWAP,
    chain_id=1,
    nonce="7",
    valid_until=UNTIL,
    wallet=WALLET,
    sell_token=WRAPPED,
    sells_native=True,
    sell_base=SOLD,
    buy_token=TOKEN,
    buys_native=False,
    minimum_base=LEAST,
    v2_router=V2,
    v3_router=V3,
    v3_fees=(500, 3_000),
    max_gas=400,
    max_fee_wei=CAP,
    max_cost_wei=400 * CAP,
)
BUYS_NATIVE = replace(SELLS_NATIVE, sell_token=TOKEN, sells_native=False, buy_token=WRAPPED, buys_native=True)
TOKENS = replace(SELLS_NATIVE, sell_token=TOKEN, sells_native=False, buy_token="other")
APPROVES = replace(BUYS_NATIVE, kind=LegKind.APPROVE)


def payload(to: str, value: int = 0) -> Payload:
    return Payload(chain_id=1, nonce=7, to=to, value_wei=value, data=b"call", gas=400, offer=Offer(CAP, 2))


def v2(terms: Terms) -> V2Swap:
    amount = None if terms.sells_native else SOLD
    return V2Swap(terms.v2_form, amount, LEAST, (terms.sell_token, terms.buy_token), WALLET, UNTIL)


def v3(terms: Terms) -> V3Swap:
    unwrap = Unwrap(LEAST, WALLET) if terms.buys_native else None
    recipient = ROUTER_ITSELF if terms.buys_native else WALLET
    return V3Swap(UNTIL, terms.sell_token, terms.buy_token, 500, recipient, SOLD, LEAST, 0, unwrap)


def found(payload: Payload, call: Call, terms: Terms) -> set[Objection]:
    return {refusal.objection for refusal in judge(payload, call, terms)}


@pytest.mark.parametrize("terms", [SELLS_NATIVE, BUYS_NATIVE, TOKENS], ids=["sells", "buys", "tokens"])
def test_what_the_terms_say_is_signed(terms: Terms) -> None:
    value = SOLD if terms.sells_native else 0
    assert judge(payload(V2, value), v2(terms), terms) == ()
    assert judge(payload(V3, value), v3(terms), terms) == ()


@pytest.mark.parametrize("router", [V2, V3])
def test_an_approval_of_exactly_what_is_sold_is_signed(router: str) -> None:
    assert judge(payload(TOKEN), Approve(router, SOLD), APPROVES) == ()


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"chain_id": 2}, Objection.WRONG_CHAIN),
        ({"nonce": 8}, Objection.OTHER_SLOT),
        ({"to": STRANGER}, Objection.FOREIGN_PROGRAM),
        ({"to": V3}, Objection.FOREIGN_PROGRAM),  # a router, but not the one that reads this call
        ({"value_wei": SOLD + 1}, Objection.AMOUNT_TOO_LARGE),
        ({"value_wei": SOLD - 1}, Objection.BALANCES_DIFFER),
        ({"gas": 401}, Objection.FEE_TOO_HIGH),
        ({"offer": Offer(CAP + 1, 2)}, Objection.FEE_TOO_HIGH),
    ],
)
def test_a_frame_that_differs_is_refused(change: dict[str, object], objection: Objection) -> None:
    changed = replace(payload(V2, SOLD), **change)  # type: ignore[arg-type]
    assert found(changed, v2(SELLS_NATIVE), SELLS_NATIVE) == {objection}


def test_gas_and_fee_that_are_within_their_limits_may_not_exceed_the_cost_together() -> None:
    terms = replace(SELLS_NATIVE, max_cost_wei=400 * CAP - 1)
    assert found(payload(V2, SOLD), v2(terms), terms) == {Objection.FEE_TOO_HIGH}


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"form": V2Form.TO_NATIVE}, Objection.UNEXPECTED_INSTRUCTION),
        ({"amount_in": SOLD + 1}, Objection.AMOUNT_TOO_LARGE),
        ({"amount_in": SOLD - 1}, Objection.BALANCES_DIFFER),
        ({"minimum_out": LEAST - 1}, Objection.MINIMUM_TOO_LOW),
        ({"path": (TOKEN, "between", "other")}, Objection.WRONG_ASSET),
        ({"path": ("other", TOKEN)}, Objection.WRONG_ASSET),
        ({"recipient": STRANGER}, Objection.WRONG_DESTINATION),
        ({"deadline": UNTIL + 1}, Objection.OTHER_SLOT),
        ({"deadline": UNTIL - 1}, Objection.OTHER_SLOT),
    ],
)
def test_a_v2_swap_that_differs_is_refused(change: dict[str, object], objection: Objection) -> None:
    changed = replace(v2(TOKENS), **change)  # type: ignore[arg-type]
    assert found(payload(V2), changed, TOKENS) == {objection}


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"deadline": UNTIL + 1}, Objection.OTHER_SLOT),
        ({"token_in": STRANGER}, Objection.WRONG_ASSET),
        ({"token_out": STRANGER}, Objection.WRONG_ASSET),
        ({"fee": 501}, Objection.UNEXPECTED_INSTRUCTION),
        ({"recipient": STRANGER}, Objection.WRONG_DESTINATION),
        ({"recipient": WALLET}, Objection.WRONG_DESTINATION),  # the unwrapping would find nothing
        ({"amount_in": SOLD + 1}, Objection.AMOUNT_TOO_LARGE),
        ({"amount_in": SOLD - 1}, Objection.BALANCES_DIFFER),
        ({"minimum_out": LEAST - 1}, Objection.MINIMUM_TOO_LOW),
        ({"price_limit": 1}, Objection.UNEXPECTED_INSTRUCTION),
        ({"unwrap": None}, Objection.UNEXPECTED_INSTRUCTION),
        ({"unwrap": Unwrap(LEAST - 1, WALLET)}, Objection.MINIMUM_TOO_LOW),
        ({"unwrap": Unwrap(LEAST, STRANGER)}, Objection.WRONG_DESTINATION),
    ],
)
def test_a_v3_swap_that_differs_is_refused(change: dict[str, object], objection: Objection) -> None:
    changed = replace(v3(BUYS_NATIVE), **change)  # type: ignore[arg-type]
    assert found(payload(V3), changed, BUYS_NATIVE) == {objection}


def test_a_v3_swap_that_buys_a_token_unwraps_nothing_and_goes_to_the_right_router() -> None:
    unwraps = replace(v3(TOKENS), unwrap=Unwrap(LEAST, WALLET))
    assert found(payload(V3), unwraps, TOKENS) == {Objection.UNEXPECTED_INSTRUCTION}
    assert found(payload(V2), v3(TOKENS), TOKENS) == {Objection.FOREIGN_PROGRAM}


@pytest.mark.parametrize(
    ("to", "call", "value", "objection"),
    [
        (TOKEN, Approve(STRANGER, SOLD), 0, Objection.FOREIGN_PROGRAM),
        (TOKEN, Approve(V2, SOLD + 1), 0, Objection.AMOUNT_TOO_LARGE),
        (TOKEN, Approve(V2, 2**256 - 1), 0, Objection.AMOUNT_TOO_LARGE),
        (TOKEN, Approve(V2, SOLD - 1), 0, Objection.BALANCES_DIFFER),
        (STRANGER, Approve(V2, SOLD), 0, Objection.WRONG_ASSET),
        (TOKEN, Approve(V2, SOLD), 1, Objection.AMOUNT_TOO_LARGE),
        (TOKEN, Unexpected("a transfer"), 0, Objection.UNEXPECTED_INSTRUCTION),
    ],
)
def test_an_approval_that_differs_is_refused(to: str, call: Call, value: int, objection: Objection) -> None:
    assert found(payload(to, value), call, APPROVES) == {objection}


def test_each_leg_signs_only_its_own_kind_of_call() -> None:
    assert found(payload(V2), v2(BUYS_NATIVE), APPROVES) == {Objection.UNEXPECTED_INSTRUCTION}
    assert found(payload(V3), v3(BUYS_NATIVE), APPROVES) == {Objection.UNEXPECTED_INSTRUCTION}
    assert found(payload(TOKEN), Approve(V2, SOLD), BUYS_NATIVE) == {Objection.UNEXPECTED_INSTRUCTION}


BEFORE = Payload(chain_id=1, nonce=7, to=V2, value_wei=SOLD, data=b"call", gas=400, offer=Offer(21, 11))
AGAIN = replace(BEFORE, offer=Offer(24, 13))  # a tenth more, rounded up
CANCEL = replace(AGAIN, to=WALLET, value_wei=0, data=b"")


def test_the_same_for_more_and_nothing_for_more_replace_a_payload() -> None:
    assert judge_replacement(BEFORE, AGAIN, WALLET, CAP) == ()
    assert judge_replacement(BEFORE, CANCEL, WALLET, CAP) == ()


@pytest.mark.parametrize("after", [AGAIN, CANCEL], ids=["again", "cancel"])
@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"chain_id": 2}, Objection.WRONG_CHAIN),
        ({"nonce": 8}, Objection.OTHER_SLOT),
        ({"to": STRANGER}, Objection.OTHER_PAYMENT),
        ({"value_wei": 1}, Objection.OTHER_PAYMENT),
        ({"data": b"other"}, Objection.OTHER_PAYMENT),
        ({"gas": 401}, Objection.OTHER_PAYMENT),
        ({"offer": Offer(23, 13)}, Objection.FEE_TOO_LOW),
        ({"offer": Offer(24, 12)}, Objection.FEE_TOO_LOW),
        ({"offer": Offer(CAP + 1, 13)}, Objection.FEE_TOO_HIGH),
    ],
)
def test_a_replacement_that_differs_is_refused(after: Payload, change: dict[str, object], objection: Objection) -> None:
    changed = replace(after, **change)  # type: ignore[arg-type]
    assert {one.objection for one in judge_replacement(BEFORE, changed, WALLET, CAP)} == {objection}
