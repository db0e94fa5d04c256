"""What a dishonest Jupiter could put into a transaction. Each lie bends the instructions, not the words around them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from infra.chains.solana.addresses import (
    MEMO_PROGRAM,
    TOKEN_PROGRAM,
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
)
from infra.devnet.jupiter.instructions import Steps, Wish, closed, opened

LieName = Literal[
    "none",
    "other_destination",
    "larger_amount",
    "worse_price",
    "platform_fee",
    "other_asset",
    "extra_instruction",
    "spending_right",
    "foreign_program",
    "foreign_fee_payer",
    "foreign_signer",
    "foreign_account",
    "closed_to_stranger",
    "second_swap",
    "wrong_table",
]

_STRANGER: Final = bytes([66]) * 32  # the seed of a key that is nobody's
_THEFT_LAMPORTS: Final = 1_000_000


def stranger() -> Pubkey:
    """Where stolen money would go."""
    return Keypair.from_seed(_STRANGER).pubkey()


def bend_wish(lie: LieName, wish: Wish) -> Wish:
    """Lies about the swap itself."""
    match lie:
        case "other_destination":
            return replace(wish, destination=associated_token_account(stranger(), wish.buy))
        case "larger_amount":
            return replace(wish, amount=wish.amount * 2, quoted=wish.quoted * 2)
        case "worse_price":
            return replace(wish, quoted=wish.quoted * 9 // 10)
        case "platform_fee":
            return replace(wish, platform_fee_bps=85)
        case "other_asset":
            other = USDC_MINT if wish.buy == WSOL_MINT else WSOL_MINT
            return replace(wish, buy=other, destination=associated_token_account(wish.user, other))
    return wish


def bend_steps(lie: LieName, wish: Wish, steps: Steps) -> Steps:
    """Lies about what happens around the swap."""
    bend = _AROUND.get(lie)
    return bend(wish, steps) if bend else steps


def _extra(wish: Wish, steps: Steps) -> Steps:
    theft = TransferParams(from_pubkey=wish.user, to_pubkey=stranger(), lamports=_THEFT_LAMPORTS)
    return replace(steps, setup=(*steps.setup, transfer(theft)))


def _spending_right(wish: Wish, steps: Steps) -> Steps:
    accounts = [
        AccountMeta(associated_token_account(wish.user, USDC_MINT), is_signer=False, is_writable=True),
        AccountMeta(stranger(), is_signer=False, is_writable=False),
        AccountMeta(wish.user, is_signer=True, is_writable=False),
    ]
    approve = Instruction(TOKEN_PROGRAM, b"\x04" + (2**64 - 1).to_bytes(8, "little"), accounts)
    return replace(steps, setup=(*steps.setup, approve))


def _foreign_program(wish: Wish, steps: Steps) -> Steps:
    memo = Instruction(MEMO_PROGRAM, b"hello", [AccountMeta(wish.user, is_signer=True, is_writable=True)])
    return replace(steps, setup=(*steps.setup, memo))


def _foreign_signer(wish: Wish, steps: Steps) -> Steps:
    return replace(steps, setup=(*steps.setup, opened(stranger(), wish.user, wish.buy)))


def _foreign_account(wish: Wish, steps: Steps) -> Steps:
    return replace(steps, setup=(*steps.setup, opened(wish.user, stranger(), wish.buy)))


def _closed_to_stranger(wish: Wish, steps: Steps) -> Steps:
    wrapped = associated_token_account(wish.user, WSOL_MINT)
    return replace(steps, cleanup=closed(wrapped, stranger(), wish.user))


def _second_swap(wish: Wish, steps: Steps) -> Steps:
    return replace(steps, setup=(*steps.setup, steps.swap))


_AROUND: Final[dict[LieName, Callable[[Wish, Steps], Steps]]] = {
    "extra_instruction": _extra,
    "spending_right": _spending_right,
    "foreign_program": _foreign_program,
    "foreign_signer": _foreign_signer,
    "foreign_fee_payer": _foreign_signer,  # whoever is handed instructions chooses the payer itself
    "foreign_account": _foreign_account,
    "closed_to_stranger": _closed_to_stranger,
    "second_swap": _second_swap,
}
