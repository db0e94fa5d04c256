"""SPL token mints and accounts as bytes. Source: spl-token `state.rs`, Mint 82 bytes and Account 165."""

import struct
from dataclasses import dataclass
from typing import Final

from solders.account import Account
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import TOKEN_PROGRAM, WSOL_MINT

ACCOUNT_RENT_LAMPORTS: Final = 2_039_280  # rent exemption of 165 bytes
MINT_RENT_LAMPORTS: Final = 1_461_600  # rent exemption of 82 bytes
_ACCOUNT: Final = struct.Struct("<32s32sQI32sBIQQI32s")
_MINT: Final = struct.Struct("<I32sQBBI32s")
_INITIALISED: Final = 1


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """Whose it is, of what, and how much. `amount` in base units of the mint."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    frozen: bool = False


def read_token_account(account: Account | None) -> TokenAccount | None:
    """Nothing, unless the account is an initialised SPL token account."""
    if account is None or account.owner != TOKEN_PROGRAM or len(account.data) != _ACCOUNT.size:
        return None
    mint, owner, amount, _, _, state, *_ = _ACCOUNT.unpack(account.data)
    if not state:
        return None
    return TokenAccount(Pubkey(mint), Pubkey(owner), amount, frozen=state == 2)


def read_decimals(account: Account | None) -> int | None:
    """Decimals of a mint, nothing if the account is no initialised mint."""
    if account is None or account.owner != TOKEN_PROGRAM or len(account.data) != _MINT.size:
        return None
    _, _, _, decimals, state, *_ = _MINT.unpack(account.data)
    return int(decimals) if state else None


def read_supply(account: Account) -> int:
    """Base units in existence of a mint that `read_decimals` recognised."""
    return int(_MINT.unpack(account.data)[2])


def mint_account(supply: int, decimals: int) -> Account:
    """A mint nobody can mint from by transaction: its authorities are empty."""
    data = _MINT.pack(0, b"", supply, decimals, _INITIALISED, 0, b"")
    return Account(MINT_RENT_LAMPORTS, data, TOKEN_PROGRAM)


def token_account(mint: Pubkey, owner: Pubkey, amount: int) -> Account:
    """A token account; a wrapped SOL account holds its amount in lamports as well."""
    native = mint == WSOL_MINT
    rent_part = ACCOUNT_RENT_LAMPORTS if native else 0
    data = _ACCOUNT.pack(bytes(mint), bytes(owner), amount, 0, b"", _INITIALISED, int(native), rent_part, 0, 0, b"")
    return Account(ACCOUNT_RENT_LAMPORTS + (amount if native else 0), data, TOKEN_PROGRAM)


def with_amount(account: Account, amount: int) -> Account:
    """The same token account holding another amount, lamports moved along when it is wrapped SOL."""
    held = read_token_account(account)
    if held is None:
        raise ValueError("not a token account")
    lamports = account.lamports + (amount - held.amount if held.mint == WSOL_MINT else 0)
    data = account.data[:64] + amount.to_bytes(8, "little") + account.data[72:]
    return Account(lamports, data, account.owner)
