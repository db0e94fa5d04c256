"""Reads a Solana message, legacy or v0, from its bytes alone: payer, signers, and every instruction's accounts.

The contents of lookup tables come from the caller, who read them from the chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from solders.message import Message, MessageV0, from_bytes_versioned, to_bytes_versioned
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import LOOKUP_TABLE_PROGRAM

# A transaction has to fit one IPv6 packet. Source: solana `PACKET_DATA_SIZE`.
MAX_TRANSACTION_BYTES: Final = 1232

_TABLE_HEADER: Final = 56  # Source: solana address-lookup-table interface, LOOKUP_TABLE_META_SIZE
_TABLE_KIND: Final = 1  # u32: initialised
_NEVER: Final = 2**64 - 1  # deactivation slot of a table in use
_KEY: Final = 32

Tables = Mapping[Pubkey, tuple[Pubkey, ...]]


class UnreadableMessage(ValueError):
    """The bytes are no message that the chain would run, or name what does not exist."""


@dataclass(frozen=True, slots=True)
class Use:
    """An account as one instruction uses it."""

    key: Pubkey
    signer: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One instruction with its accounts resolved."""

    program: Pubkey
    uses: tuple[Use, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """A whole message. `writable` lists every account that it could change at all."""

    payer: Pubkey
    signers: tuple[Pubkey, ...]
    blockhash: str
    calls: tuple[Call, ...]
    writable: tuple[Pubkey, ...]


def tables_named(message: bytes) -> tuple[Pubkey, ...]:
    """The lookup tables a message needs. Errors: UnreadableMessage."""
    parsed = _parsed(message)
    lookups = parsed.address_table_lookups if isinstance(parsed, MessageV0) else []
    return tuple(lookup.account_key for lookup in lookups)


def signers_named(message: bytes) -> tuple[Pubkey, ...]:
    """Who has to sign a message, the fee payer first. Errors: UnreadableMessage."""
    parsed = _parsed(message)
    return tuple(parsed.account_keys[: parsed.header.num_required_signatures])


def table_addresses(owner: str, data: bytes) -> tuple[Pubkey, ...]:
    """The contents of a lookup table account. Errors: UnreadableMessage, if it is none, or is being closed."""
    if owner != str(LOOKUP_TABLE_PROGRAM) or len(data) < _TABLE_HEADER or (len(data) - _TABLE_HEADER) % _KEY:
        raise UnreadableMessage("a lookup table is no lookup table")
    if int.from_bytes(data[:4], "little") != _TABLE_KIND or int.from_bytes(data[4:12], "little") != _NEVER:
        raise UnreadableMessage("a lookup table is not in use")
    return tuple(Pubkey(data[at : at + _KEY]) for at in range(_TABLE_HEADER, len(data), _KEY))


def read_message(message: bytes, tables: Tables) -> Read:
    """Decode a message. Errors: UnreadableMessage."""
    parsed = _parsed(message)
    header, static = parsed.header, list(parsed.account_keys)
    signers = header.num_required_signatures
    writable_signers = signers - header.num_readonly_signed_accounts
    writable_static = len(static) - header.num_readonly_unsigned_accounts
    keys = [
        Use(key, at < signers, at < writable_signers if at < signers else at < writable_static)
        for at, key in enumerate(static)
    ]
    lookups = parsed.address_table_lookups if isinstance(parsed, MessageV0) else []
    for writable in (True, False):  # the runtime appends all writable ones first, then the others
        for lookup in lookups:
            places = bytes(lookup.writable_indexes if writable else lookup.readonly_indexes)
            keys += [Use(_at(tables, lookup.account_key, place), False, writable) for place in places]
    if len({use.key for use in keys}) != len(keys):
        raise UnreadableMessage("an account is loaded twice")
    calls = []
    for instruction in parsed.instructions:
        places = bytes(instruction.accounts)
        if instruction.program_id_index >= len(static) or max(places, default=0) >= len(keys):
            raise UnreadableMessage("an instruction names an account that is not there")
        uses = tuple(keys[place] for place in places)
        calls.append(Call(static[instruction.program_id_index], uses, bytes(instruction.data)))
    return Read(
        payer=static[0],
        signers=tuple(static[:signers]),
        blockhash=str(parsed.recent_blockhash),
        calls=tuple(calls),
        writable=tuple(use.key for use in keys if use.writable),
    )


def _parsed(message: bytes) -> Message | MessageV0:
    try:
        parsed = from_bytes_versioned(message)
    except ValueError as error:
        raise UnreadableMessage(f"not a message: {error}") from error
    if not isinstance(parsed, (Message, MessageV0)):
        raise UnreadableMessage("neither a legacy nor a v0 message")
    header, keys = parsed.header, len(parsed.account_keys)
    signers = header.num_required_signatures
    if not header.num_readonly_signed_accounts < signers <= keys - header.num_readonly_unsigned_accounts:
        raise UnreadableMessage("a header that does not fit the accounts")
    if bytes(to_bytes_versioned(parsed)) != message:
        raise UnreadableMessage("bytes left over after the message, or written in another way")
    return parsed


def _at(tables: Tables, table: Pubkey, place: int) -> Pubkey:
    held = tables.get(table, ())
    if place >= len(held):
        raise UnreadableMessage(f"lookup table {table} holds no address number {place}")
    return held[place]
