"""What simulations and settlements say of the wallet, read from accounts and balances."""

import base64
from typing import Any

import pytest
from solders.account import Account
from solders.pubkey import Pubkey
from solders.signature import Signature

from domain.assets import SOL, SOLANA_USDC
from domain.errors import IntegrityBroken
from domain.intents import Intent, Slot
from domain.ledger import entries
from domain.money import Amount
from domain.solana_intent import TOKEN_ACCOUNT_RENT_LAMPORTS, Effect
from infra.chains.solana.addresses import (
    JUPITER_PROGRAM,
    SYSTEM_PROGRAM,
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
)
from infra.chains.solana.answers import AccountState, FinalTransaction
from infra.devnet.jupiter.lies import stranger
from infra.devnet.solana.tokens import mint_account, token_account
from infra.venues.jupiter.effect import effect_of
from infra.venues.jupiter.settlement import settlement_of
from infra.venues.protocol import Sent
from tests.unit.infra.jupiter_bytes import WALLET, both_ways, message_of

ME = WALLET.pubkey()
RENT = TOKEN_ACCOUNT_RENT_LAMPORTS
USDC, WSOL = (associated_token_account(ME, mint) for mint in (USDC_MINT, WSOL_MINT))


def state(account: Account | None) -> AccountState | None:
    if account is None:
        return None
    data = [base64.b64encode(account.data).decode(), "base64"]
    return AccountState.model_validate({"lamports": account.lamports, "owner": str(account.owner), "data": data})


def plain(lamports: int, owner: Pubkey = SYSTEM_PROGRAM, data: bytes = b"") -> Account:
    return Account(lamports, data, owner)


def effect(*changes: tuple[Pubkey, Account | None, Account | None]) -> Effect:
    keys, before, after = zip((ME, plain(10**9), plain(10**9)), *changes, strict=True)
    old, new = [state(one) for one in before], [state(one) for one in after]
    return effect_of(str(ME), [str(key) for key in keys], old, new, None)


def with_bytes(account: Account, at: int, value: bytes) -> Account:
    data = account.data[:at] + value + account.data[at + len(value) :]
    return Account(account.lamports, data, account.owner)


def test_tokens_and_deposits_are_counted_over_all_of_the_wallets_accounts() -> None:
    other = Pubkey(bytes([3]) * 32)
    seen = effect(
        (USDC, token_account(USDC_MINT, ME, 70), token_account(USDC_MINT, ME, 20)),
        (other, None, token_account(USDC_MINT, ME, 5)),
    )
    assert (seen.tokens, seen.deposits, seen.lamports) == ({str(USDC_MINT): -45}, RENT, RENT)
    assert seen.taken == ()


def test_wrapped_sol_counts_as_its_lamports() -> None:
    seen = effect((WSOL, token_account(WSOL_MINT, ME, 500), None))
    assert (seen.tokens, seen.deposits, seen.lamports) == ({}, 0, -500 - RENT)


def test_accounts_of_others_do_not_count() -> None:
    theirs = associated_token_account(stranger(), USDC_MINT)
    seen = effect((theirs, token_account(USDC_MINT, stranger(), 1), token_account(USDC_MINT, stranger(), 9)))
    assert seen == Effect(None, 0, 0, {}, ())


def test_a_mint_is_no_token_account() -> None:
    mint = mint_account(10**9, 6)
    assert effect((USDC_MINT, mint, mint)) == Effect(None, 0, 0, {}, ())


def test_an_account_that_passes_to_another_is_lost_and_named() -> None:
    seen = effect((USDC, token_account(USDC_MINT, ME, 70), token_account(USDC_MINT, stranger(), 70)))
    assert (seen.tokens, seen.lamports) == ({str(USDC_MINT): -70}, -RENT)
    assert str(stranger()) in seen.taken[0]


@pytest.mark.parametrize("option_at", [72, 129])  # delegate, close authority
@pytest.mark.parametrize("existed", [True, False])
def test_a_new_right_over_an_account_is_named(option_at: int, existed: bool) -> None:
    held = token_account(USDC_MINT, ME, 70)
    handed = with_bytes(held, option_at, (1).to_bytes(4, "little") + bytes(stranger()))
    seen = effect((USDC, held if existed else None, handed))
    assert str(stranger()) in seen.taken[0]
    assert effect((USDC, handed, handed)).taken == ()  # an old right is not this swap's doing


def test_an_old_delegate_may_not_get_more() -> None:
    held = with_bytes(token_account(USDC_MINT, ME, 70), 72, (1).to_bytes(4, "little") + bytes(stranger()))
    more = with_bytes(held, 121, (70).to_bytes(8, "little"))
    assert effect((USDC, held, more)).taken
    assert not effect((USDC, more, held)).taken


@pytest.mark.parametrize("after", [None, plain(10**9, JUPITER_PROGRAM), plain(10**9, data=b"\1")])
def test_a_wallet_that_passes_to_a_program_is_named(after: Account | None) -> None:
    seen = effect_of(str(ME), [str(ME)], [state(plain(10**9))], [state(after)], None)
    assert seen.taken


def test_an_error_of_a_simulation_is_kept_and_nothing_else() -> None:
    seen = effect_of(str(ME), [], [], [], {"InstructionError": [3, {"Custom": 6001}]})
    assert (seen.error, seen.lamports) == ("{'InstructionError': [3, {'Custom': 6001}]}", 0)


def balance(place: int, mint: Pubkey, amount: int, owner: Pubkey = ME) -> dict[str, Any]:
    return {
        "accountIndex": place,
        "mint": str(mint),
        "owner": str(owner),
        "uiTokenAmount": {"amount": str(amount)},
    }


def final(
    lamports: list[tuple[int, int]],
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    fee: int = 7_500,
    err: Any = None,
) -> FinalTransaction:
    meta = {
        "err": err,
        "fee": fee,
        "preBalances": [was for was, _ in lamports],
        "postBalances": [now for _, now in lamports],
        "preTokenBalances": before,
        "postTokenBalances": after,
    }
    return FinalTransaction.model_validate({"slot": 77, "meta": meta})


def sent(payer: Pubkey = ME) -> Sent:
    message = message_of(both_ways("route_v2")[0].instructions(), payer=payer)
    blank = bytes([message[1]]) + bytes(64 * message[1])
    return Sent(blank + message, str(Signature.default()), Slot("blockhash", 1), str(payer))


BUY_SOL = Intent(Amount(50, SOLANA_USDC), SOL, 50, str(ME))
SELL_SOL = Intent(Amount(1_000, SOL), SOLANA_USDC, 50, str(ME))


def test_bought_sol_is_told_without_the_fee() -> None:
    seen = settlement_of(
        sent(),
        BUY_SOL,
        final(
            [(10**9, 10**9 + 900 - 7_500), (RENT, RENT)],
            [balance(1, USDC_MINT, 70)],
            [balance(1, USDC_MINT, 20)],
        ),
    )
    assert (seen.sold.base, seen.bought.base, seen.fee.base, seen.rent.base) == (50, 900, 7_500, 0)
    assert entries(seen, "w", "jupiter")


def test_an_account_opened_for_what_was_bought_is_rent() -> None:
    seen = settlement_of(
        sent(),
        SELL_SOL,
        final([(10**9, 10**9 - 1_000 - 7_500 - RENT), (0, RENT)], [], [balance(1, USDC_MINT, 199)]),
    )
    assert (seen.sold.base, seen.bought.base, seen.rent.base) == (1_000, 199, RENT)
    assert entries(seen, "w", "jupiter")


def test_wrapped_sol_that_lay_there_before_comes_back_as_rent_and_not_as_bought() -> None:
    """Whoever sends a wallet wrapped SOL must not be able to bend its book."""
    dust = 12_345
    seen = settlement_of(
        sent(),
        BUY_SOL,
        final(
            [(10**9, 10**9 + 900 + dust + RENT - 7_500), (RENT, RENT), (RENT + dust, 0)],
            [balance(1, USDC_MINT, 70), balance(2, WSOL_MINT, dust)],
            [balance(1, USDC_MINT, 20)],
        ),
    )
    assert (seen.sold.base, seen.bought.base, seen.rent.base) == (50, 900, -(RENT + dust))
    assert entries(seen, "w", "jupiter")


def test_a_failure_cost_its_fee_and_nothing_else() -> None:
    seen = settlement_of(sent(), BUY_SOL, final([(10**9, 10**9 - 7_500)], [], [], err={"InstructionError": [1, {}]}))
    assert (seen.succeeded, seen.sold.base, seen.bought.base, seen.fee.base) == (False, 0, 0, 7_500)
    assert entries(seen, "w", "jupiter")


def test_the_balances_of_others_are_not_the_wallets() -> None:
    theirs = [balance(2, USDC_MINT, 10**6, stranger())], [balance(2, USDC_MINT, 10**6 + 50, stranger())]
    seen = settlement_of(
        sent(),
        BUY_SOL,
        final(
            [(10**9, 10**9 + 900 - 7_500), (RENT, RENT), (5, 5)],
            [balance(1, USDC_MINT, 70), *theirs[0]],
            [balance(1, USDC_MINT, 20), *theirs[1]],
        ),
    )
    assert (seen.sold.base, seen.bought.base) == (50, 900)


def test_a_token_that_no_swap_explains_breaks_the_book_loudly() -> None:
    odd = final(
        [(10**9, 10**9 + 900 - 7_500), (RENT, RENT), (RENT, RENT)],
        [balance(1, USDC_MINT, 70), balance(2, JUPITER_PROGRAM, 9)],
        [balance(1, USDC_MINT, 20)],
    )
    with pytest.raises(IntegrityBroken):
        entries(settlement_of(sent(), BUY_SOL, odd), "w", "jupiter")


def test_a_swap_the_wrong_way_round_breaks_the_book_loudly() -> None:
    backwards = final([(10**9, 10**9 - 900), (RENT, RENT)], [balance(1, USDC_MINT, 20)], [balance(1, USDC_MINT, 70)])
    with pytest.raises(IntegrityBroken):
        settlement_of(sent(), BUY_SOL, backwards)


def test_a_payload_of_another_wallet_breaks_the_book_loudly() -> None:
    with pytest.raises(IntegrityBroken):
        settlement_of(sent(payer=stranger()), BUY_SOL, final([(1, 1)], [], [], fee=0))
