"""Transactions and their bytes agree with the reference implementation, and nothing else is read as one."""

from dataclasses import replace

import pytest
import rlp
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from domain.fees import Offer
from infra.chains.evm.transaction import (
    CURVE_ORDER,
    Transaction,
    UnreadableTransaction,
    message,
    read,
    read_message,
    seal,
    transaction_hash,
)
from tests.unit.infra.evm_script import ADDRESS, KEY, ROUTER

PAYMENT = Transaction(1, 9, Offer(30 * 10**9, 10**9), 21_000, ROUTER, 10**18, b"")
UNSIGNED = message(PAYMENT)
SIGNATURE = KEY.sign_msg_hash(keccak(UNSIGNED)).to_bytes()
RAW = seal(UNSIGNED, SIGNATURE)

wei = st.integers(0, 2**100)
transactions = st.builds(
    Transaction,
    st.integers(0, 2**63),
    st.integers(0, 2**64 - 2),
    st.tuples(wei, wei).map(lambda two: Offer(max(two), min(two))),
    st.integers(0, 2**63),
    st.binary(min_size=20, max_size=20).map(lambda raw: PrivateKey(keccak(raw)).public_key.to_checksum_address()),
    st.integers(0, 2**256 - 1),
    st.binary(max_size=300),
)


@given(transactions)
def test_what_is_written_is_read_back(transaction: Transaction) -> None:
    assert read_message(message(transaction)) == transaction


@given(transactions.filter(lambda one: one.chain_number > 0))
def test_the_bytes_are_those_of_the_reference(transaction: Transaction) -> None:
    reference = Account.sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_number,
            "nonce": transaction.nonce,
            "maxFeePerGas": transaction.offer.max_fee_wei,
            "maxPriorityFeePerGas": transaction.offer.tip_wei,
            "gas": transaction.gas,
            "to": transaction.to,
            "value": transaction.value_wei,
            "data": transaction.data,
        },
        KEY.to_bytes(),
    )
    unsigned = message(transaction)
    raw = seal(unsigned, KEY.sign_msg_hash(keccak(unsigned)).to_bytes())
    assert raw == bytes(reference.raw_transaction)
    signed = read(raw)
    assert signed.transaction == transaction
    assert signed.hash == transaction_hash(raw) == "0x" + bytes(reference.hash).hex()
    assert signed.sender == ADDRESS


def test_a_payment_of_nothing_to_the_sender_cancels_and_nothing_else_does() -> None:
    cancel = replace(PAYMENT, to=ADDRESS, value_wei=0)
    assert cancel.cancels(ADDRESS)
    assert cancel.cancels(ADDRESS.lower())
    for other in (PAYMENT, replace(cancel, to=ROUTER), replace(cancel, value_wei=1), replace(cancel, data=b"\0")):
        assert not other.cancels(ADDRESS)


def test_the_most_that_a_payment_takes_is_its_value_and_all_of_its_gas() -> None:
    assert PAYMENT.most_wei == 10**18 + 21_000 * 30 * 10**9


@pytest.mark.parametrize(
    "signature",
    [
        SIGNATURE[:-1],
        SIGNATURE + b"\0",
        SIGNATURE[:64] + b"\x1b",
        bytes(32) + SIGNATURE[32:],
        SIGNATURE[:32] + bytes(32) + SIGNATURE[64:],
        CURVE_ORDER.to_bytes(32) + SIGNATURE[32:],
        SIGNATURE[:32] + (CURVE_ORDER - int.from_bytes(SIGNATURE[32:64])).to_bytes(32) + SIGNATURE[64:],
    ],
)
def test_a_signature_of_another_form_seals_nothing(signature: bytes) -> None:
    with pytest.raises(UnreadableTransaction, match="signature"):
        seal(UNSIGNED, signature)


def test_a_signature_with_a_high_s_is_not_read() -> None:
    fields = rlp.decode(RAW[1:])
    fields[11] = (CURVE_ORDER - int.from_bytes(fields[11])).to_bytes(32)
    with pytest.raises(UnreadableTransaction, match="low s"):
        read(b"\x02" + rlp.encode(fields))


def changed(no: int, value: object) -> bytes:
    fields = rlp.decode(UNSIGNED[1:])
    fields[no] = value
    return b"\x02" + bytes(rlp.encode(fields))


@pytest.mark.parametrize(
    "unsigned",
    [
        b"",
        b"\x01" + UNSIGNED[1:],
        UNSIGNED[:-1],
        UNSIGNED + b"\0",
        RAW,
        changed(0, b"\0\x01"),  # a leading zero: other bytes for the same number
        changed(1, b"\xff" * 9),
        changed(2, b"\xff" * 8),  # a tip above the maximum
        changed(5, b""),  # makes a contract
        changed(6, b"\xff" * 33),
        changed(8, [[b"\x11" * 20, []]]),  # an access list
        b"\x02" + bytes(200_000),
    ],
)
def test_what_is_not_such_a_transaction_is_not_read(unsigned: bytes) -> None:
    with pytest.raises(UnreadableTransaction):
        read_message(unsigned)


@pytest.mark.parametrize(
    "large", [replace(PAYMENT, nonce=2**64 - 1), replace(PAYMENT, value_wei=2**256), replace(PAYMENT, gas=-1)]
)
def test_what_no_chain_has_room_for_is_not_written(large: Transaction) -> None:
    with pytest.raises(UnreadableTransaction):
        message(large)


def test_a_signature_over_something_else_is_another_senders() -> None:
    other = seal(message(replace(PAYMENT, nonce=10)), SIGNATURE)
    assert read(other).sender != ADDRESS
