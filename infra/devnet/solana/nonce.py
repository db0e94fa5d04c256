"""Durable nonces. LiteSVM neither compares them nor advances one when the body fails; the network does both.

Source: solana `nonce/state`, `runtime/src/bank/check_transactions.rs`.
"""

import hashlib
import os
from typing import Final

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import SYSTEM_PROGRAM
from infra.devnet.solana.envelope import Envelope

_SIZE: Final = 80  # bytes of a nonce account
_INITIALISED: Final = 1  # the state; the version that the network takes has the same number
_RENT_LAMPORTS: Final = 1_447_680  # rent exemption of 80 bytes
_SIGNATURE_FEE_LAMPORTS: Final = 5_000
_ADVANCE: Final = (4).to_bytes(4, "little")


def advanced_by(envelope: Envelope) -> Pubkey | None:
    """The nonce account that a transaction's first instruction advances."""
    message = envelope.message
    if not message.instructions:
        return None
    first = message.instructions[0]
    keys, accounts = message.account_keys, bytes(first.accounts)
    if keys[first.program_id_index] != SYSTEM_PROGRAM or first.data[:4] != _ADVANCE:
        return None
    return keys[accounts[0]] if accounts and accounts[0] < len(keys) else None


def signed_by_authority(envelope: Envelope, account: Account) -> bool:
    """Whether the authority stored in a nonce account signs the transaction."""
    signers = envelope.message.account_keys[: envelope.message.header.num_required_signatures]
    return Pubkey(account.data[8:40]) in signers


def stored(account: Account | None) -> Hash | None:
    """The value a nonce account holds; nothing, if it is no initialised nonce account."""
    if account is None or account.owner != SYSTEM_PROGRAM or len(account.data) != _SIZE:
        return None
    if int.from_bytes(account.data[4:8], "little") != _INITIALISED:
        return None
    return Hash(account.data[40:72])


def derived_from(blockhash: Hash) -> Hash:
    """The value that an advance writes while `blockhash` is the newest."""
    return Hash(hashlib.sha256(b"DURABLE_NONCE" + bytes(blockhash)).digest())


def made(authority: Pubkey) -> Account:
    """A nonce account as if it had been initialised long ago: what is written on the newest blockhash is no use yet."""
    head = _INITIALISED.to_bytes(4, "little") * 2 + bytes(authority) + os.urandom(32)
    return Account(_RENT_LAMPORTS, head + _SIGNATURE_FEE_LAMPORTS.to_bytes(8, "little"), SYSTEM_PROGRAM)


def holding(account: Account, value: Hash) -> Account:
    """The same nonce account with another value."""
    data = account.data[:40] + bytes(value) + account.data[72:]
    return Account(account.lamports, data, account.owner)
