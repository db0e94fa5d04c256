"""Writes the instructions of a swap as Jupiter's backend does. Source: Jupiter's Anchor IDL, spl-token, system."""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from solders.compute_budget import set_compute_unit_price
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from infra.chains.solana.addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    JUPITER_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    WSOL_MINT,
    associated_token_account,
    jupiter_event_authority,
    jupiter_program_authority,
)
from infra.devnet.jupiter.chain import POOL_ID
from infra.devnet.jupiter.pricing import BPS

FormName = Literal["route", "route_v2", "shared_accounts_route", "shared_accounts_route_v2"]

_RAYDIUM: Final = 7  # the number of the venue that the one pool plays in a route plan
_PLAN_V1: Final = struct.pack("<IBBBB", 1, _RAYDIUM, 100, 0, 1)
_PLAN_V2: Final = struct.pack("<IBHBB", 1, _RAYDIUM, BPS, 0, 1)


@dataclass(frozen=True, slots=True)
class Wish:
    """A swap as it will be written down. Every field is what the instruction says, true or not."""

    user: Pubkey
    sell: Pubkey
    buy: Pubkey
    amount: int
    quoted: int
    slippage_bps: int
    form: FormName
    destination: Pubkey
    platform_fee_bps: int = 0


@dataclass(frozen=True, slots=True)
class Steps:
    """The instructions around and of a swap, in Jupiter's own groups."""

    compute_budget: tuple[Instruction, ...]
    setup: tuple[Instruction, ...]
    swap: Instruction
    cleanup: Instruction | None

    @property
    def all(self) -> list[Instruction]:
        return [*self.compute_budget, *self.setup, self.swap, *([self.cleanup] if self.cleanup else [])]


def steps(wish: Wish, price_micro_lamports: int, wrap: bool) -> Steps:
    """Everything that has to happen, SOL wrapped and unwrapped if `wrap`."""
    wrapped = associated_token_account(wish.user, WSOL_MINT)
    setup: list[Instruction] = []
    if wrap and wish.sell == WSOL_MINT:
        sent = TransferParams(from_pubkey=wish.user, to_pubkey=wrapped, lamports=wish.amount)
        setup += [opened(wish.user, wish.user, WSOL_MINT), transfer(sent), synced(wrapped)]
    setup.append(opened(wish.user, wish.user, wish.buy))
    touches_sol = wrap and WSOL_MINT in (wish.sell, wish.buy)
    return Steps(
        compute_budget=(set_compute_unit_price(price_micro_lamports),),
        setup=tuple(setup),
        swap=swap(wish),
        cleanup=closed(wrapped, wish.user, wish.user) if touches_sol else None,
    )


def opened(payer: Pubkey, owner: Pubkey, mint: Pubkey) -> Instruction:
    """Make the owner's token account unless it is there."""
    accounts = [
        AccountMeta(payer, is_signer=True, is_writable=True),
        AccountMeta(associated_token_account(owner, mint), is_signer=False, is_writable=True),
        *(AccountMeta(key, False, False) for key in (owner, mint, SYSTEM_PROGRAM, TOKEN_PROGRAM)),
    ]
    return Instruction(ASSOCIATED_TOKEN_PROGRAM, b"\x01", accounts)


def synced(account: Pubkey) -> Instruction:
    """Let a wrapped SOL account notice its lamports."""
    return Instruction(TOKEN_PROGRAM, b"\x11", [AccountMeta(account, is_signer=False, is_writable=True)])


def closed(account: Pubkey, destination: Pubkey, owner: Pubkey) -> Instruction:
    """Unwrap a wrapped SOL account."""
    accounts = [
        AccountMeta(account, is_signer=False, is_writable=True),
        AccountMeta(destination, is_signer=False, is_writable=True),
        AccountMeta(owner, is_signer=True, is_writable=False),
    ]
    return Instruction(TOKEN_PROGRAM, b"\x09", accounts)


def swap(wish: Wish) -> Instruction:
    """Jupiter's instruction in the wished form."""
    return Instruction(JUPITER_PROGRAM, _data(wish), _ACCOUNTS[wish.form](wish))


def _data(wish: Wish) -> bytes:
    head = hashlib.sha256(f"global:{wish.form}".encode()).digest()[:8]
    if wish.form.startswith("shared"):
        head += bytes([POOL_ID])
    amounts = (wish.amount, wish.quoted, wish.slippage_bps, wish.platform_fee_bps)
    if wish.form.endswith("v2"):
        return head + struct.pack("<QQHHH", *amounts, 0) + _PLAN_V2
    return head + _PLAN_V1 + struct.pack("<QQHB", *amounts)


def _read(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=False)


def _write(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=True)


def _user(wish: Wish) -> list[AccountMeta]:
    source = associated_token_account(wish.user, wish.sell)
    return [AccountMeta(wish.user, is_signer=True, is_writable=False), _write(source)]


def _vaults(wish: Wish) -> list[AccountMeta]:
    authority = jupiter_program_authority(POOL_ID)
    return [_write(associated_token_account(authority, mint)) for mint in (wish.sell, wish.buy)]


def _pool(wish: Wish) -> list[AccountMeta]:
    return [_read(jupiter_program_authority(POOL_ID)), *_vaults(wish)]


def _tail() -> list[AccountMeta]:
    return [_read(jupiter_event_authority()), _read(JUPITER_PROGRAM)]


def _absent() -> AccountMeta:
    """Anchor's "none": the program itself."""
    return _read(JUPITER_PROGRAM)


def _route(wish: Wish) -> list[AccountMeta]:
    own = [_read(TOKEN_PROGRAM), *_user(wish), _write(wish.destination)]
    return [*own, _absent(), _read(wish.buy), _absent(), *_tail(), *_pool(wish)]


def _route_v2(wish: Wish) -> list[AccountMeta]:
    mints = [_read(wish.sell), _read(wish.buy), _read(TOKEN_PROGRAM), _read(TOKEN_PROGRAM)]
    return [*_user(wish), _write(wish.destination), *mints, _absent(), *_tail(), *_pool(wish)]


def _shared(wish: Wish) -> list[AccountMeta]:
    return [
        _read(jupiter_program_authority(POOL_ID)),
        *_user(wish),
        *_vaults(wish),
        _write(wish.destination),
        _read(wish.sell),
        _read(wish.buy),
    ]


def _shared_route(wish: Wish) -> list[AccountMeta]:
    return [_read(TOKEN_PROGRAM), *_shared(wish), _absent(), _absent(), *_tail()]


def _shared_route_v2(wish: Wish) -> list[AccountMeta]:
    return [*_shared(wish), _read(TOKEN_PROGRAM), _read(TOKEN_PROGRAM), *_tail()]


_ACCOUNTS: Final[dict[FormName, Callable[[Wish], list[AccountMeta]]]] = {
    "route": _route,
    "route_v2": _route_v2,
    "shared_accounts_route": _shared_route,
    "shared_accounts_route_v2": _shared_route_v2,
}
