"""The judge of payloads on a durable nonce, and of the cancellations that kill them, on facts alone."""

from dataclasses import replace

import pytest

from domain.intents import Objection
from domain.solana_intent import (
    AdvanceNonce,
    ComputeLimit,
    ComputePrice,
    Payload,
    Step,
    Transfer,
    judge,
    judge_cancellation,
)
from tests.unit.domain.test_solana_intent import BUYS_SOL, STRANGER, WALLET, payload

ACCOUNT = "nonce account"
ADVANCE = AdvanceNonce(ACCOUNT, WALLET)
LIMIT, PRICE = ComputeLimit(1_000), ComputePrice(50_000)
DURABLE = replace(BUYS_SOL, nonce_account=ACCOUNT)


def durable(*first: Step) -> Payload:
    plain = payload(DURABLE)
    return replace(plain, steps=(*first, *plain.steps))


def test_a_swap_that_begins_by_advancing_the_allocated_nonce_is_good() -> None:
    assert judge(durable(ADVANCE), DURABLE) == ()


@pytest.mark.parametrize(
    "first",
    [
        (),
        (LIMIT, ADVANCE),
        (ADVANCE, ADVANCE),
        (AdvanceNonce("another", WALLET),),
        (AdvanceNonce(ACCOUNT, STRANGER),),
        (ADVANCE, AdvanceNonce("another", WALLET)),
    ],
)
def test_any_other_beginning_is_refused(first: tuple[Step, ...]) -> None:
    assert Objection.OTHER_SLOT in {one.objection for one in judge(durable(*first), DURABLE)}


def test_no_nonce_is_advanced_where_none_was_allocated() -> None:
    (refusal,) = judge(durable(ADVANCE), BUYS_SOL)
    assert refusal.objection is Objection.OTHER_SLOT
    assert ACCOUNT in refusal.detail


def test_another_value_than_the_allocated_is_refused() -> None:
    refusals = judge(replace(durable(ADVANCE), blockhash="older"), DURABLE)
    assert {one.objection for one in refusals} == {Objection.OTHER_SLOT}


CANCELLATION = Payload(WALLET, (WALLET,), "value", (ADVANCE, LIMIT, PRICE))


def objections(cancellation: Payload) -> set[Objection]:
    return {one.objection for one in judge_cancellation(cancellation, WALLET, ACCOUNT, "value")}


def test_a_cancellation_that_only_uses_the_nonce_up_is_good() -> None:
    assert objections(CANCELLATION) == set()


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"fee_payer": STRANGER}, Objection.FOREIGN_FEE_PAYER),
        ({"signers": (WALLET, STRANGER)}, Objection.FOREIGN_SIGNER),
        ({"blockhash": "another"}, Objection.OTHER_SLOT),
        ({"steps": (LIMIT, PRICE)}, Objection.OTHER_SLOT),
        ({"steps": (AdvanceNonce("another", WALLET), LIMIT, PRICE)}, Objection.OTHER_SLOT),
        ({"steps": (AdvanceNonce(ACCOUNT, STRANGER), LIMIT, PRICE)}, Objection.OTHER_SLOT),
        ({"steps": (ADVANCE, LIMIT, PRICE, Transfer(WALLET, STRANGER, 1))}, Objection.UNEXPECTED_INSTRUCTION),
        ({"steps": payload(DURABLE).steps}, Objection.UNEXPECTED_INSTRUCTION),
        ({"steps": (ADVANCE,)}, Objection.UNEXPECTED_INSTRUCTION),
        ({"steps": (ADVANCE, LIMIT, ComputePrice(2 * 10**9))}, Objection.FEE_TOO_HIGH),
    ],
)
def test_a_cancellation_that_does_anything_else_is_refused(change: dict[str, object], objection: Objection) -> None:
    assert objection in objections(replace(CANCELLATION, **change))  # type: ignore[arg-type]
