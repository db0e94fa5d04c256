"""Whatever a swap's bytes are bent into: it is refused, or a real virtual machine finds the terms kept."""

from functools import cache
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from solders.account import Account
from solders.instruction import Instruction
from solders.litesvm import LiteSVM
from solders.message import from_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from domain.solana_intent import MAX_FEE_LAMPORTS, TOKEN_ACCOUNT_RENT_LAMPORTS, judge
from infra.chains.solana.addresses import (
    JUPITER_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
    jupiter_program_authority,
)
from infra.chains.solana.message import UnreadableMessage, read_message
from infra.devnet.jupiter.lies import stranger
from infra.devnet.solana.tokens import mint_account, read_token_account, token_account
from infra.venues.jupiter.decoding import payload_of
from tests.unit.infra.jupiter_bytes import FORMS, WALLET, Swap, both_ways, message_of

POOL = Path(__file__).parents[2] / "contracts" / "jupiter-pool" / "pool.so"
RESERVES = {USDC_MINT: 2_000_000 * 10**6, WSOL_MINT: 10_000 * 10**9}
HELD = {USDC_MINT: 10**10, WSOL_MINT: 10**9}
WALLET_LAMPORTS = 10**11
SWAPS = [swap for form in FORMS for swap in both_ways(form)]
# What an attacker would like to see in the place of an account: others of the wallet's, and his own.
BAIT = [
    stranger(),
    *(associated_token_account(stranger(), mint) for mint in (USDC_MINT, WSOL_MINT)),
    *(associated_token_account(WALLET.pubkey(), mint) for mint in (USDC_MINT, WSOL_MINT)),
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    JUPITER_PROGRAM,
    USDC_MINT,
    WSOL_MINT,
    Pubkey(bytes([1]) * 32),
]


@cache
def world() -> LiteSVM:
    """The pool, the wallet with money, and a thief whose accounts are ready to receive. Only simulated upon."""
    svm = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
    svm.add_program(JUPITER_PROGRAM, POOL.read_bytes())
    for mint, decimals in ((USDC_MINT, 6), (WSOL_MINT, 9)):
        svm.set_account(mint, mint_account(10**18, decimals))
        held = ((jupiter_program_authority(0), RESERVES), (WALLET.pubkey(), HELD), (stranger(), HELD))
        for owner, amounts in held:
            account = token_account(mint, owner, amounts[mint])
            svm.set_account(associated_token_account(owner, mint), account)
    svm.set_account(WALLET.pubkey(), Account(WALLET_LAMPORTS, b"", SYSTEM_PROGRAM))
    svm.set_account(stranger(), Account(10**9, b"", SYSTEM_PROGRAM))
    return svm


def gains(message: bytes) -> tuple[int, int] | None:
    """Lamports and USDC that the wallet gains by a message, its wrapped SOL included; nothing if it fails."""
    parsed = from_bytes_versioned(message)
    blank = [Signature.default()] * parsed.header.num_required_signatures
    done = world().simulate_transaction(VersionedTransaction.populate(parsed, blank))
    if isinstance(done, FailedTransactionMetadata):
        return None
    after = dict(done.post_accounts())

    def now(key: Pubkey) -> Account | None:
        return after.get(key) or world().get_account(key)

    usdc, wsol = (now(associated_token_account(WALLET.pubkey(), mint)) for mint in (USDC_MINT, WSOL_MINT))
    for held in (usdc, wsol):
        token = read_token_account(held)
        if held is not None and held.lamports and held.data:
            assert token is not None
            assert token.owner == WALLET.pubkey()
            assert held.data[72:76] == bytes(4), "a delegate was set"
            assert held.data[129:133] == bytes(4), "a close authority was set"
    wallet = now(WALLET.pubkey())
    assert wallet is not None
    assert wallet.owner == SYSTEM_PROGRAM
    lamports = wallet.lamports + (wsol.lamports if wsol else 0)
    before = WALLET_LAMPORTS + TOKEN_ACCOUNT_RENT_LAMPORTS + HELD[WSOL_MINT]
    left = read_token_account(usdc)
    return lamports - before, (left.amount if left else 0) - HELD[USDC_MINT]


def keeps_the_terms(swap: Swap, message: bytes) -> None:
    try:
        payload = payload_of(read_message(message, {}))
    except UnreadableMessage:
        return
    if judge(payload, swap.terms):
        return
    done = gains(message)
    if done is None:
        return  # it fails on the chain and costs its fee, which is bounded
    lamports, usdc = done
    sold, least = -swap.amount, swap.terms.minimum_base
    if swap.terms.sells_sol:
        assert usdc >= least
        assert lamports >= sold - MAX_FEE_LAMPORTS
    else:
        assert usdc >= sold
        assert lamports >= least - MAX_FEE_LAMPORTS


def test_the_honest_swaps_pass_the_judge_and_succeed() -> None:
    for swap in SWAPS:
        message = message_of(swap.instructions())
        assert not judge(payload_of(read_message(message, {})), swap.terms)
        assert gains(message) is not None
        keeps_the_terms(swap, message)


@settings(max_examples=2_000)
@given(
    swap=st.sampled_from(SWAPS),
    edits=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_changed_bytes_are_refused_or_keep_the_terms(swap: Swap, edits: list[tuple[int, int]]) -> None:
    message = bytearray(message_of(swap.instructions()))
    for place, value in edits:
        message[place % len(message)] = value
    keeps_the_terms(swap, bytes(message))


@settings(max_examples=1_000)
@given(
    swap=st.sampled_from(SWAPS),
    place=st.integers(0, 40),
    bait=st.sampled_from(BAIT),
)
def test_an_account_exchanged_is_refused_or_keeps_the_terms(swap: Swap, place: int, bait: Pubkey) -> None:
    message = message_of(swap.instructions())
    keys = from_bytes_versioned(message).account_keys
    keeps_the_terms(swap, message.replace(bytes(keys[place % len(keys)]), bytes(bait)))


@settings(max_examples=1_000)
@given(
    swap=st.sampled_from(SWAPS),
    order=st.lists(st.integers(0, 7), min_size=1, max_size=9),
    payer=st.sampled_from([WALLET.pubkey(), stranger()]),
)
@example(swap=SWAPS[0], order=[0, 1, 2, 3, 4], payer=WALLET.pubkey())
def test_steps_left_out_repeated_or_in_another_order_are_refused_or_keep_the_terms(
    swap: Swap, order: list[int], payer: Pubkey
) -> None:
    steps = swap.instructions()
    keeps_the_terms(swap, message_of([steps[at % len(steps)] for at in order], payer=payer))


@settings(max_examples=500)
@given(swap=st.sampled_from(SWAPS), tail=st.binary(max_size=30))
def test_a_swap_with_a_longer_tail_is_refused_or_keeps_the_terms(swap: Swap, tail: bytes) -> None:
    steps = swap.instructions()
    at = next(place for place, step in enumerate(steps) if step.program_id == JUPITER_PROGRAM)
    steps[at] = Instruction(JUPITER_PROGRAM, steps[at].data + tail, steps[at].accounts)
    keeps_the_terms(swap, message_of(steps))
