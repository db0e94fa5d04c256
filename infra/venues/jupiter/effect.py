"""What a simulation did to the wallet: every account that the message could write, before and after."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from domain.assets import WRAPPED_SOL_MINT
from domain.solana_intent import Effect
from infra.chains.solana.addresses import SYSTEM_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from infra.chains.solana.answers import AccountState

# Offsets within a token account. Source: spl-token `state.rs`; Token-2022 begins with the same bytes.
_TOKEN_ACCOUNT_BYTES: Final = 165
_TOKEN_PROGRAMS: Final = {str(TOKEN_PROGRAM), str(TOKEN_2022_PROGRAM)}


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A token account as bytes tell it. Amounts in base units."""

    mint: str
    owner: str
    amount: int
    delegate: str | None
    delegated: int
    close_authority: str | None


def token_account_of(state: AccountState | None) -> TokenAccount | None:
    """Nothing, unless the account is a token account."""
    if state is None or state.owner not in _TOKEN_PROGRAMS:
        return None
    data = state.data
    if len(data) < _TOKEN_ACCOUNT_BYTES:
        return None
    return TokenAccount(
        mint=str(Pubkey(data[:32])),
        owner=str(Pubkey(data[32:64])),
        amount=int.from_bytes(data[64:72], "little"),
        delegate=_option(data[72:108]),
        delegated=int.from_bytes(data[121:129], "little"),
        close_authority=_option(data[129:165]),
    )


def effect_of(
    wallet: str,
    addresses: Sequence[str],
    before: Sequence[AccountState | None],
    after: Sequence[AccountState | None],
    error: object,
) -> Effect:
    """Compare the two states of each address; `error` is what the simulation itself ended with."""
    if error is not None:
        return Effect(str(error), 0, 0, {}, ())
    lamports, deposits, taken = 0, 0, list[str]()
    tokens: defaultdict[str, int] = defaultdict(int)
    for address, old, new in zip(addresses, before, after, strict=True):
        was, now = _own(wallet, old), _own(wallet, new)
        known = was or now
        if address == wallet:
            if new is None or new.owner != str(SYSTEM_PROGRAM) or new.data:
                taken.append("the wallet itself passes to a program")
        elif known is None:
            continue
        kept = new.lamports if new and (now or address == wallet) else 0
        change = kept - (old.lamports if old else 0)
        lamports += change
        taken += _handed_over(address, was, now, token_account_of(new))
        if known and known.mint != WRAPPED_SOL_MINT:  # wrapped SOL is counted by its lamports
            deposits += change
            tokens[known.mint] += (now.amount if now else 0) - (was.amount if was else 0)
    return Effect(None, lamports, deposits, dict(tokens), tuple(taken))


def _own(wallet: str, state: AccountState | None) -> TokenAccount | None:
    account = token_account_of(state)
    return account if account and account.owner == wallet else None


def _handed_over(
    address: str, was: TokenAccount | None, now: TokenAccount | None, anyones: TokenAccount | None
) -> list[str]:
    found = []
    if was and anyones and now is None:
        found.append(f"the token account {address} passes to {anyones.owner}")
    if now is None:
        return found
    known = (was.delegate, was.delegated, was.close_authority) if was else (None, 0, None)
    if now.delegate and (now.delegate != known[0] or now.delegated > known[1]):
        found.append(f"{now.delegate} may spend from the token account {address}")
    if now.close_authority and now.close_authority != known[2]:
        found.append(f"{now.close_authority} may close the token account {address}")
    return found


def _option(data: bytes) -> str | None:
    return str(Pubkey(data[4:36])) if int.from_bytes(data[:4], "little") else None
