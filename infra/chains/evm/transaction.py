"""EIP-1559 transactions and their bytes. Only plain ones: to an account, without an access list.

Source: EIP-2718 and EIP-1559 for the layout, EIP-2 for the low half of s, EIP-55 for addresses.
"""

from dataclasses import dataclass
from typing import Any, Final

import rlp
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from rlp.exceptions import DecodingError, DeserializationError, SerializationError
from rlp.sedes import Binary, List, big_endian_int, binary

from domain.fees import Offer

TYPE: Final = b"\x02"
SIGNATURE_BYTES: Final = 65  # r, s, and the parity of R's y as one byte, 0 or 1
TRANSFER_GAS: Final = 21_000  # a payment without data. Source: Yellow Paper, G_transaction; rollups ask for more

# A pool refuses what is longer. Source: geth txpool, `txMaxSize`.
MAX_BYTES: Final = 128 * 1024

# Source: SEC 2, order of secp256k1.
CURVE_ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

_N: Final = big_endian_int
_UNSIGNED: Final = (_N, _N, _N, _N, _N, Binary.fixed_length(20), _N, binary, List([]))
_SIGNATURE: Final = (_N, _N, _N)


class UnreadableTransaction(ValueError):
    """The bytes are no transaction that the chain would take, or one of a form that is never built here."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """`to` is EIP-55, `gas` the limit in units of gas, `offer` and `value_wei` in wei."""

    chain_number: int
    nonce: int
    offer: Offer
    gas: int
    to: str
    value_wei: int
    data: bytes

    def cancels(self, sender: str) -> bool:
        """Is it a payment of nothing to the sender, which only uses up a nonce?"""
        return self.to == to_checksum_address(sender) and not self.value_wei and not self.data

    @property
    def most_wei(self) -> int:
        """The most that it can take from its sender."""
        return self.gas * self.offer.max_fee_wei + self.value_wei


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction with what makes it valid. `hash` is 0x and 64 hex digits."""

    transaction: Transaction
    hash: str
    parity: int
    r: int
    s: int

    @property
    def sender(self) -> str:
        """Whose key has signed it, EIP-55. Errors: UnreadableTransaction."""
        signing_hash = keccak(message(self.transaction))
        try:
            signature = Signature(vrs=(self.parity, self.r, self.s))
            return signature.recover_public_key_from_msg_hash(signing_hash).to_checksum_address()
        except (BadSignature, ValidationError) as error:
            raise UnreadableTransaction("the signature is nobody's") from error


def message(transaction: Transaction) -> bytes:
    """The bytes whose Keccak-256 is signed. Errors: UnreadableTransaction, for numbers no chain has room for."""
    fields = [
        transaction.chain_number,
        transaction.nonce,
        transaction.offer.tip_wei,
        transaction.offer.max_fee_wei,
        transaction.gas,
        to_canonical_address(transaction.to),
        transaction.value_wei,
        transaction.data,
        [],
    ]
    _check_ranges(transaction)
    return _encoded(fields, List(_UNSIGNED))


def read_message(unsigned: bytes) -> Transaction:
    """What is to be signed. Errors: UnreadableTransaction."""
    return _transaction(_decoded(unsigned, List(_UNSIGNED)))


def seal(unsigned: bytes, signature: bytes) -> bytes:
    """Message and signature as the bytes that are sent. Errors: UnreadableTransaction."""
    fields = _decoded(unsigned, List(_UNSIGNED))
    if len(signature) != SIGNATURE_BYTES:
        raise UnreadableTransaction(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    r, s, parity = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]
    _check_signature(parity, r, s)
    return _encoded([*fields, parity, r, s], List(_UNSIGNED + _SIGNATURE))


def read(raw: bytes) -> SignedTransaction:
    """A signed transaction. Its signature has the right form; `sender` says whose it is.

    Errors: UnreadableTransaction.
    """
    fields = _decoded(raw, List(_UNSIGNED + _SIGNATURE))
    parity, r, s = fields[9:]
    _check_signature(parity, r, s)
    return SignedTransaction(_transaction(fields[:9]), transaction_hash(raw), parity, r, s)


def transaction_hash(raw: bytes) -> str:
    """The chain's id of the bytes, known before they are sent."""
    return "0x" + keccak(raw).hex()


def _transaction(fields: Any) -> Transaction:
    chain_number, nonce, tip_wei, max_fee_wei, gas, to, value_wei, data, _ = fields
    try:
        offer = Offer(max_fee_wei, tip_wei)
    except ValueError as error:
        raise UnreadableTransaction(str(error)) from error
    transaction = Transaction(chain_number, nonce, offer, gas, to_checksum_address(to), value_wei, bytes(data))
    _check_ranges(transaction)
    return transaction


def _check_ranges(transaction: Transaction) -> None:
    small = (transaction.chain_number, transaction.nonce, transaction.gas)
    large = (transaction.offer.max_fee_wei, transaction.value_wei)
    # Source: EIP-2681 for the nonce; the others as geth keeps them.
    if not all(0 <= number < 2**64 - 1 for number in small) or not all(0 <= number < 2**256 for number in large):
        raise UnreadableTransaction("a number of the transaction is larger than any chain takes")


def _check_signature(parity: int, r: int, s: int) -> None:
    if parity not in {0, 1} or not 0 < r < CURVE_ORDER or not 0 < s <= CURVE_ORDER // 2:
        raise UnreadableTransaction("the signature is not of the form r, low s, parity")


def _encoded(fields: list[Any], sedes: List) -> bytes:
    try:
        return TYPE + bytes(rlp.encode(fields, sedes))
    except SerializationError as error:
        raise UnreadableTransaction("a field of the transaction is of the wrong form") from error


def _decoded(raw: bytes, sedes: List) -> Any:
    if raw[:1] != TYPE or len(raw) > MAX_BYTES:
        raise UnreadableTransaction("the bytes are no EIP-1559 transaction")
    try:
        return rlp.decode(raw[1:], sedes, strict=True)
    except (DecodingError, DeserializationError) as error:
        raise UnreadableTransaction("the bytes are no EIP-1559 transaction") from error
