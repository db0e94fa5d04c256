"""The judge of Solana swaps, on facts alone."""

from dataclasses import replace

import pytest

from domain.assets import USDC_MINT, WRAPPED_SOL_MINT
from domain.intents import Objection
from domain.solana_intent import (
    MAX_OPENED_ACCOUNTS,
    TOKEN_ACCOUNT_RENT_LAMPORTS,
    TOKEN_PROGRAM,
    CloseAccount,
    ComputeLimit,
    ComputePrice,
    Effect,
    Foreign,
    OpenAccount,
    Payload,
    Step,
    Swap,
    SyncNative,
    Terms,
    Transfer,
    Unexpected,
    judge,
    judge_effect,
)

WALLET, STRANGER = "wallet", "stranger"
WRAPPED = f"{WALLET}/{WRAPPED_SOL_MINT}"
FEE = 8_000


def own(mint: str) -> str:
    return f"{WALLET}/{mint}"


BUYS_SOL = Terms(WALLET, "hash", USDC_MINT, 1_000, WRAPPED_SOL_MINT, 950, 500, own)
SELLS_SOL = Terms(WALLET, "hash", WRAPPED_SOL_MINT, 1_000, USDC_MINT, 950, 500, own)


def swap(terms: Terms) -> Swap:
    return Swap(
        form="route",
        user=WALLET,
        source=own(terms.sell_mint),
        destination=own(terms.buy_mint),
        destination_mint=terms.buy_mint,
        amount_in=1_000,
        quoted_out=1_000,
        slippage_bps=500,
        platform_fee_bps=0,
        positive_slippage_bps=0,
        token_programs=(TOKEN_PROGRAM,),
        source_mint=terms.sell_mint,
    )


def payload(terms: Terms, *more: Step, sold: Swap | None = None) -> Payload:
    wrap: tuple[Step, ...] = (Transfer(WALLET, WRAPPED, 1_000), SyncNative(WRAPPED)) if terms.sells_sol else ()
    opening = OpenAccount(WALLET, own(terms.buy_mint), WALLET, terms.buy_mint, TOKEN_PROGRAM)
    steps = (ComputeLimit(60_000), ComputePrice(50_000), opening, *wrap, sold or swap(terms), *more)
    return Payload(WALLET, (WALLET,), "hash", (*steps, CloseAccount(WRAPPED, WALLET, WALLET)))


def found(given: Payload, terms: Terms) -> set[Objection]:
    return {refusal.objection for refusal in judge(given, terms)}


@pytest.mark.parametrize("terms", [BUYS_SOL, SELLS_SOL])
def test_a_swap_that_keeps_its_terms_to_the_unit_is_signed(terms: Terms) -> None:
    assert found(payload(terms), terms) == set()


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"user": STRANGER}, Objection.FOREIGN_SIGNER),
        ({"source": "another account"}, Objection.FOREIGN_ACCOUNT),
        ({"destination": "another account"}, Objection.WRONG_DESTINATION),
        ({"other_destination": "another account"}, Objection.WRONG_DESTINATION),
        ({"source_mint": "another mint"}, Objection.WRONG_ASSET),
        ({"destination_mint": "another mint"}, Objection.WRONG_ASSET),
        ({"amount_in": 1_001}, Objection.AMOUNT_TOO_LARGE),
        ({"amount_in": 999}, Objection.BALANCES_DIFFER),
        ({"quoted_out": 999}, Objection.MINIMUM_TOO_LOW),
        ({"slippage_bps": 501, "quoted_out": 9_999}, Objection.MINIMUM_TOO_LOW),
        ({"platform_fee_bps": 1}, Objection.FEE_TOO_HIGH),
        ({"positive_slippage_bps": 1}, Objection.FEE_TOO_HIGH),
        ({"platform_fee_account": STRANGER}, Objection.FOREIGN_ACCOUNT),
        ({"token_programs": (TOKEN_PROGRAM, "Token-2022")}, Objection.FOREIGN_PROGRAM),
    ],
)
@pytest.mark.parametrize("terms", [BUYS_SOL, SELLS_SOL])
def test_a_swap_that_differs_in_one_thing_is_refused_for_it(
    terms: Terms, change: dict[str, object], objection: Objection
) -> None:
    changed = replace(swap(terms), **change)  # type: ignore[arg-type]  # each row names its own field
    assert found(payload(terms, sold=changed), terms) == {objection}


@pytest.mark.parametrize(
    ("extra", "objection"),
    [
        (OpenAccount(STRANGER, own("m"), WALLET, "m", TOKEN_PROGRAM), Objection.FOREIGN_ACCOUNT),
        (OpenAccount(WALLET, own("m"), STRANGER, "m", TOKEN_PROGRAM), Objection.FOREIGN_ACCOUNT),
        (OpenAccount(WALLET, "elsewhere", WALLET, "m", TOKEN_PROGRAM), Objection.FOREIGN_ACCOUNT),
        (OpenAccount(WALLET, own("m"), WALLET, "m", "Token-2022"), Objection.FOREIGN_PROGRAM),
        (SyncNative(own(USDC_MINT)), Objection.FOREIGN_ACCOUNT),
        (CloseAccount(own(USDC_MINT), WALLET, WALLET), Objection.FOREIGN_ACCOUNT),
        (CloseAccount(WRAPPED, STRANGER, WALLET), Objection.WRONG_DESTINATION),
        (CloseAccount(WRAPPED, WALLET, STRANGER), Objection.FOREIGN_SIGNER),
        (Foreign("another program"), Objection.FOREIGN_PROGRAM),
        (Unexpected(TOKEN_PROGRAM, "an approval"), Objection.UNEXPECTED_INSTRUCTION),
        (ComputeLimit(1), Objection.UNEXPECTED_INSTRUCTION),
        (ComputePrice(1), Objection.UNEXPECTED_INSTRUCTION),
        (swap(SELLS_SOL), Objection.UNEXPECTED_INSTRUCTION),
        (Transfer(WALLET, WRAPPED, 1), Objection.AMOUNT_TOO_LARGE),
        (Transfer(WALLET, STRANGER, 0), Objection.WRONG_DESTINATION),
        (Transfer(STRANGER, WRAPPED, 0), Objection.FOREIGN_SIGNER),
    ],
)
def test_a_step_too_many_is_refused_for_what_it_is(extra: Step, objection: Objection) -> None:
    assert found(payload(SELLS_SOL, extra), SELLS_SOL) == {objection}


def test_lamports_are_not_transferred_when_no_sol_is_sold() -> None:
    assert found(payload(BUYS_SOL, Transfer(WALLET, WRAPPED, 1)), BUYS_SOL) == {Objection.UNEXPECTED_INSTRUCTION}


def test_the_frame_has_to_be_the_wallets_and_the_slots() -> None:
    good = payload(BUYS_SOL)
    assert found(replace(good, fee_payer=STRANGER), BUYS_SOL) == {Objection.FOREIGN_FEE_PAYER}
    assert found(replace(good, signers=(WALLET, STRANGER)), BUYS_SOL) == {Objection.FOREIGN_SIGNER}
    assert found(replace(good, blockhash="older"), BUYS_SOL) == {Objection.OTHER_SLOT}


def effect(lamports: int, usdc: int) -> Effect:
    return Effect(None, lamports, 0, {USDC_MINT: usdc}, ())


@pytest.mark.parametrize(
    ("terms", "lamports", "usdc"),
    [(BUYS_SOL, 950 - FEE, -1_000), (SELLS_SOL, -1_000 - FEE, 950)],
)
def test_a_simulation_may_cost_the_terms_and_not_a_unit_more(terms: Terms, lamports: int, usdc: int) -> None:
    assert judge_effect(effect(lamports, usdc), terms, FEE) == ()
    for worse in (effect(lamports - 1, usdc), effect(lamports, usdc - 1)):
        assert [one.objection for one in judge_effect(worse, terms, FEE)] == [Objection.BALANCES_DIFFER]


def test_a_simulation_that_touches_another_token_is_refused() -> None:
    other = replace(effect(950 - FEE, -1_000), tokens={USDC_MINT: -1_000, "other": -1})
    assert [one.objection for one in judge_effect(other, BUYS_SOL, FEE)] == [Objection.BALANCES_DIFFER]


def test_a_simulation_that_pays_nothing_at_all_is_refused() -> None:
    nothing = Effect(None, 0, 0, {}, ())
    assert {one.objection for one in judge_effect(nothing, SELLS_SOL, FEE)} == {Objection.BALANCES_DIFFER}


def test_a_simulation_that_gives_control_away_is_refused() -> None:
    given = replace(effect(950 - FEE, -1_000), taken=("an approval",))
    assert [one.objection for one in judge_effect(given, BUYS_SOL, FEE)] == [Objection.BALANCES_DIFFER]


def test_a_simulation_that_fails_is_refused_with_its_own_words() -> None:
    failed = Effect("{'InstructionError': [3, {'Custom': 6001}]}", 0, 0, {}, ())
    (refusal,) = judge_effect(failed, BUYS_SOL, FEE)
    assert refusal.objection is Objection.SIMULATION_FAILED
    assert "6001" in refusal.detail


def test_deposits_are_bounded_by_what_a_swap_may_open() -> None:
    most = MAX_OPENED_ACCOUNTS * TOKEN_ACCOUNT_RENT_LAMPORTS
    for deposits, expected in ((most, []), (most + 1, [Objection.FEE_TOO_HIGH])):
        given = replace(effect(950 - FEE, -1_000), deposits=deposits)
        assert [one.objection for one in judge_effect(given, BUYS_SOL, FEE)] == expected
