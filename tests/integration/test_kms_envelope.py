"""Keys made and used through a key service that keeps what AWS promises."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey, Signature
from eth_utils.crypto import keccak
from solders.pubkey import Pubkey
from solders.signature import Signature as SolanaSignature

from domain.errors import KeyAccessDenied, SealedKeyBroken
from domain.fees import Offer
from domain.wallets import Wallet
from infra.chains.evm.transaction import CURVE_ORDER, Transaction, message, read, seal
from infra.custody.kms_envelope.curves import CURVES, SECRET_BYTES
from infra.custody.kms_envelope.custodian import KmsEnvelope
from tests.world.kms import kms_server

PAYMENT = Transaction(31337, 7, Offer(3 * 10**9, 10**9), 21_000, "0x" + "11" * 20, 5, b"")


@pytest.fixture(scope="module")
def custodian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KmsEnvelope]:
    with kms_server(tmp_path_factory.mktemp("kms")) as kms, pytest.MonkeyPatch.context() as env:
        env.setenv("AWS_ACCESS_KEY_ID", "testing")
        env.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield KmsEnvelope(kms.key_id, kms.endpoint, "eu-central-1")


async def made(custodian: KmsEnvelope, family: str, wallet_id: str = "wal_one") -> Wallet:
    key = await custodian.create(wallet_id, "own_one", family)
    return Wallet(
        id=wallet_id,
        owner_id="own_one",
        family=family,
        chain={"solana": "solana", "evm": "anvil"}[family],
        address=key.address,
        custodian="kms-envelope",
        frozen=False,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        sealed_key=key.sealed,
    )


async def test_an_evm_signature_makes_a_transaction_of_the_wallets_own(custodian: KmsEnvelope) -> None:
    wallet = await made(custodian, "evm")
    unsigned = message(PAYMENT)
    raw = seal(unsigned, await custodian.sign(wallet, unsigned))
    assert read(raw).sender == wallet.address
    assert Account.recover_transaction(raw) == wallet.address


async def test_a_solana_signature_is_over_the_message_itself(custodian: KmsEnvelope) -> None:
    wallet = await made(custodian, "solana")
    signature = await custodian.sign(wallet, b"message")
    assert SolanaSignature.from_bytes(signature).verify(Pubkey.from_string(wallet.address), b"message")


@pytest.mark.parametrize("family", ["evm", "solana"])
async def test_signing_again_gives_the_same_signature(custodian: KmsEnvelope, family: str) -> None:
    wallet = await made(custodian, family)
    assert await custodian.sign(wallet, b"message") == await custodian.sign(wallet, b"message")


@pytest.mark.parametrize(("family", "other"), [("evm", "solana"), ("solana", "evm")])
async def test_a_record_of_one_family_opens_as_no_other(custodian: KmsEnvelope, family: str, other: str) -> None:
    wallet = await made(custodian, family)
    with pytest.raises(SealedKeyBroken):
        await custodian.sign(replace(wallet, family=other), b"message")


def exchanged(one: Mapping[str, str], other: Mapping[str, str], *names: str) -> Mapping[str, str]:
    return {**one, **{name: other[name] for name in names}}


@pytest.mark.parametrize("names", [("ciphertext", "nonce"), ("data_key",), ("ciphertext", "nonce", "data_key")])
async def test_the_record_of_another_wallet_does_not_open(custodian: KmsEnvelope, names: tuple[str, ...]) -> None:
    wallet, other = await made(custodian, "evm"), await made(custodian, "evm", "wal_two")
    mixed = exchanged(wallet.sealed_key, other.sealed_key, *names)
    with pytest.raises(SealedKeyBroken):
        await custodian.sign(replace(wallet, sealed_key=mixed), b"message")


async def test_a_key_that_is_not_its_addresss_signs_nothing(custodian: KmsEnvelope) -> None:
    wallet = replace(await made(custodian, "evm"), address=PAYMENT.to)
    with pytest.raises(SealedKeyBroken, match="not the key of its address"):
        await custodian.sign(wallet, b"message")


async def test_a_family_without_a_curve_gets_no_key(custodian: KmsEnvelope) -> None:
    with pytest.raises(KeyAccessDenied, match="solana, evm"):
        await custodian.create("wal_one", "own_one", "exchange")


def test_evm_signatures_are_those_of_the_reference_and_leave_the_secret_alone() -> None:
    curve = CURVES["evm"]
    parities = set()
    for number in range(1, 17):
        secret = bytearray(keccak(bytes([number])))
        key = PrivateKey(bytes(secret))
        signature = curve.sign(secret, b"message %d" % number)
        expected = key.sign_msg_hash(keccak(b"message %d" % number))
        assert Signature(signature) == expected
        assert 0 < int.from_bytes(signature[32:64]) <= CURVE_ORDER // 2
        assert curve.address(secret) == key.public_key.to_checksum_address()
        assert bytes(secret) == key.to_bytes()
        parities.add(signature[64])
    assert parities == {0, 1}


@pytest.mark.parametrize("number", [0, CURVE_ORDER, 2**256 - 1])
def test_a_number_off_the_curve_is_no_key(number: int) -> None:
    with pytest.raises(ValueError):
        CURVES["evm"].address(bytearray(number.to_bytes(SECRET_BYTES)))


@pytest.mark.parametrize("family", ["evm", "solana"])
def test_every_fresh_secret_is_another(family: str) -> None:
    secrets = [bytearray(SECRET_BYTES) for _ in range(8)]
    for secret in secrets:
        CURVES[family].fill(secret)
    assert len({bytes(secret) for secret in secrets}) == 8
