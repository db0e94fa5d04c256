"""A transaction as it arrived: the bytes, the signature that names it, and the accounts it touches."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from solders.account import Account
from solders.message import Message, MessageV0, VersionedMessage
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from infra.chains.solana.addresses import COMPUTE_BUDGET_PROGRAM, LOOKUP_TABLE_PROGRAM

MAX_BYTES: Final = 1232  # IPv6 minimum MTU less headers. Source: solana `PACKET_DATA_SIZE`
_LOOKUP_TABLE_HEADER: Final = 56  # bytes before the addresses of a lookup table
_SET_PRICE: Final = 3  # compute budget instruction: u64 micro-lamports per unit


@dataclass(frozen=True, slots=True)
class Keys:
    """Every account of a transaction, in the order that instructions count them."""

    all: tuple[Pubkey, ...]
    writable: tuple[bool, ...]
    signers: int
    static: int
    loaded_writable: tuple[Pubkey, ...]
    loaded_readonly: tuple[Pubkey, ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One received transaction."""

    raw: bytes
    transaction: VersionedTransaction
    message: Message | MessageV0

    @property
    def signature(self) -> str:
        return str(self.transaction.signatures[0])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def version(self) -> int | str:
        return 0 if isinstance(self.message, MessageV0) else "legacy"

    @property
    def well_signed(self) -> bool:
        return all(self.transaction.verify_with_results())

    @property
    def lookups(self) -> list[Any]:
        return self.message.address_table_lookups if isinstance(self.message, MessageV0) else []

    @property
    def price_micro_lamports(self) -> int:
        """What the sender bids for each compute unit."""
        for instruction in self.message.instructions:
            program = self.message.account_keys[instruction.program_id_index]
            data = instruction.data
            if program == COMPUTE_BUDGET_PROGRAM and len(data) == 9 and data[0] == _SET_PRICE:
                return int.from_bytes(data[1:], "little")
        return 0

    def unsigned(self) -> "Envelope":
        """The same message with blank signatures, for a machine that does not check them."""
        blank = [Signature.default()] * self.message.header.num_required_signatures
        return Envelope(b"", VersionedTransaction.populate(self.message, blank), self.message)


def open_envelope(raw: bytes) -> Envelope:
    """Errors: ValueError, when the bytes are no legacy or v0 transaction, or carry more than one."""
    transaction = VersionedTransaction.from_bytes(raw)
    message = transaction.message
    if not isinstance(message, (Message, MessageV0)):
        raise ValueError("unsupported transaction version")  # noqa: TRY004 - the bytes are wrong, not the call
    transaction.sanitize()
    if bytes(transaction) != raw:
        raise ValueError("trailing bytes")
    return Envelope(raw, transaction, message)


def around(message: VersionedMessage) -> Envelope:
    """A message on its own, dressed up to be simulated. Errors: ValueError, as above."""
    if not isinstance(message, (Message, MessageV0)):
        raise ValueError("unsupported transaction version")  # noqa: TRY004 - the bytes are wrong, not the call
    return Envelope(b"", VersionedTransaction.populate(message, []), message).unsigned()


def keys_of(envelope: Envelope, read: Callable[[Pubkey], Account | None]) -> Keys | None:
    """Resolve the lookup tables. Nothing, if a table or an index in it does not exist."""
    message, header = envelope.message, envelope.message.header
    static = tuple(message.account_keys)
    signers = header.num_required_signatures
    last_writable_signer = signers - header.num_readonly_signed_accounts
    last_writable = len(static) - header.num_readonly_unsigned_accounts
    writable = tuple(at < last_writable_signer if at < signers else at < last_writable for at in range(len(static)))
    loaded_writable: list[Pubkey] = []
    loaded_readonly: list[Pubkey] = []
    for lookup in envelope.lookups:
        table = read(lookup.account_key)
        if table is None or table.owner != LOOKUP_TABLE_PROGRAM:
            return None
        held = table.data[_LOOKUP_TABLE_HEADER:]
        if max(bytes(lookup.writable_indexes) + bytes(lookup.readonly_indexes), default=-1) >= len(held) // 32:
            return None
        loaded_writable += [Pubkey(held[i * 32 : i * 32 + 32]) for i in bytes(lookup.writable_indexes)]
        loaded_readonly += [Pubkey(held[i * 32 : i * 32 + 32]) for i in bytes(lookup.readonly_indexes)]
    return Keys(
        all=(*static, *loaded_writable, *loaded_readonly),
        writable=(*writable, *(True for _ in loaded_writable), *(False for _ in loaded_readonly)),
        signers=signers,
        static=len(static),
        loaded_writable=tuple(loaded_writable),
        loaded_readonly=tuple(loaded_readonly),
    )
