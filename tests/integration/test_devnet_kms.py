"""The key service keeps what AWS promises, where moto alone would not. boto3 as everybody has it."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from infra.devnet.kms.client import client
from tests.world.kms import KmsDev, kms_server

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

CONTEXT = {"owner": "own_1", "purpose": "wallet"}


@pytest.fixture(scope="module")
def kms_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KmsDev]:
    with kms_server(tmp_path_factory.mktemp("kms")) as running:
        yield running


@pytest.fixture(scope="module")
def kms(kms_dev: KmsDev) -> "KMSClient":
    return client(kms_dev.endpoint)


@pytest.fixture
def key_id(kms: "KMSClient") -> str:
    return kms.create_key()["KeyMetadata"]["KeyId"]


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


def test_a_data_key_unwraps_under_its_own_context(kms: "KMSClient", key_id: str) -> None:
    made = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256", EncryptionContext=CONTEXT)
    reordered = dict(reversed(CONTEXT.items()))
    back = kms.decrypt(KeyId=key_id, CiphertextBlob=made["CiphertextBlob"], EncryptionContext=reordered)
    assert back["Plaintext"] == made["Plaintext"]
    assert len(made["Plaintext"]) == 32
    assert back["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"


@pytest.mark.parametrize("wrong", [{"a": "bc"}, {"abc": ""}, {"AB": "c"}, {"ab": "c", "d": "e"}, {}])
def test_a_context_that_is_not_the_very_same_is_refused(kms: "KMSClient", key_id: str, wrong: dict[str, str]) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext={"ab": "c"})["CiphertextBlob"]
    with pytest.raises(ClientError) as refused:
        kms.decrypt(KeyId=key_id, CiphertextBlob=blob, EncryptionContext=wrong)
    assert code(refused) == "InvalidCiphertextException"


def test_re_encryption_holds_both_contexts_apart(kms: "KMSClient", key_id: str) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext={"ab": "c"})["CiphertextBlob"]
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext={"ab": "c"},
        DestinationKeyId=other,
        DestinationEncryptionContext={"x": "y"},
    )["CiphertextBlob"]
    plain = kms.decrypt(KeyId=other, CiphertextBlob=moved, EncryptionContext={"x": "y"})["Plaintext"]
    assert plain == b"secret"
    with pytest.raises(ClientError) as refused:
        kms.re_encrypt(CiphertextBlob=blob, SourceEncryptionContext={"a": "bc"}, DestinationKeyId=other)
    assert code(refused) == "InvalidCiphertextException"


def test_a_ciphertext_of_another_key_is_refused_by_its_true_name(kms: "KMSClient", key_id: str) -> None:
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=other, Plaintext=b"secret")["CiphertextBlob"]
    with pytest.raises(ClientError) as refused:
        kms.decrypt(KeyId=key_id, CiphertextBlob=blob)
    assert code(refused) == "IncorrectKeyException"


def test_a_tampered_ciphertext_is_refused(kms: "KMSClient", key_id: str) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
    for tampered in (blob[:-1] + bytes([blob[-1] ^ 1]), b"short", bytes(200)):
        with pytest.raises(ClientError) as refused:
            kms.decrypt(KeyId=key_id, CiphertextBlob=tampered)
        assert code(refused) == "InvalidCiphertextException"


@pytest.mark.parametrize("by", ["KeyId", "Arn"])
def test_a_disabled_key_does_nothing_until_it_is_enabled(
    kms: "KMSClient", key_id: str, by: Literal["KeyId", "Arn"]
) -> None:
    named = kms.describe_key(KeyId=key_id)["KeyMetadata"][by]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
    kms.disable_key(KeyId=named)
    with pytest.raises(ClientError) as refused:
        kms.decrypt(KeyId=key_id, CiphertextBlob=blob)
    assert code(refused) == "DisabledException"
    with pytest.raises(ClientError) as refused:
        kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    assert code(refused) == "DisabledException"
    kms.enable_key(KeyId=named)
    assert kms.decrypt(KeyId=key_id, CiphertextBlob=blob)["Plaintext"] == b"secret"


def test_a_key_pending_deletion_does_nothing(kms: "KMSClient", key_id: str) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    uses: list[Callable[[], object]] = [
        lambda: kms.decrypt(KeyId=key_id, CiphertextBlob=blob),
        lambda: kms.encrypt(KeyId=key_id, Plaintext=b"x"),
        lambda: kms.enable_key(KeyId=key_id),
    ]
    for use in uses:
        with pytest.raises(ClientError) as refused:
            use()
        assert code(refused) == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key_id)
    kms.enable_key(KeyId=key_id)
    assert kms.decrypt(KeyId=key_id, CiphertextBlob=blob)["Plaintext"] == b"secret"


def test_a_dry_run_ends_without_an_answer(kms: "KMSClient", key_id: str) -> None:
    with pytest.raises(ClientError) as refused:
        kms.generate_data_key(KeyId=key_id, KeySpec="AES_256", DryRun=True)
    assert code(refused) == "DryRunOperationException"


def test_a_digest_is_signed_as_it_is(kms: "KMSClient") -> None:
    made = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_SECG_P256K1")["KeyMetadata"]["KeyId"]
    public = load_der_public_key(kms.get_public_key(KeyId=made)["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    digest = bytes(range(32))
    signed = kms.sign(KeyId=made, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    public.verify(signed, digest, ec.ECDSA(Prehashed(hashes.SHA256())))  # raises when it does not fit
    with pytest.raises(ClientError) as refused:
        kms.sign(KeyId=made, Message=digest[:31], MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")
    assert code(refused) == "ValidationException"
    with pytest.raises(ClientError) as refused:
        kms.verify(KeyId=made, Message=digest, Signature=signed, SigningAlgorithm="ECDSA_SHA_256")
    assert code(refused) == "KMSInvalidSignatureException"


def test_a_key_is_used_for_its_own_purpose_only(kms: "KMSClient", key_id: str) -> None:
    with pytest.raises(ClientError) as refused:
        kms.sign(KeyId=key_id, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    assert code(refused) == "InvalidKeyUsageException"


def test_an_unsigned_request_is_refused(kms_dev: KmsDev) -> None:
    answer = httpx.post(kms_dev.endpoint, json={}, headers={"X-Amz-Target": "TrentService.ListKeys"}, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["__type"] == "MissingAuthenticationTokenException"


def test_an_armed_fault_meets_the_named_operation_once(kms: "KMSClient", kms_dev: KmsDev, key_id: str) -> None:
    fault = {"match": "Decrypt", "mode": "status", "status": 500, "calls": 1}
    httpx.put(f"{kms_dev.endpoint}/_control/faults", json=fault, trust_env=False).raise_for_status()
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"secret")["CiphertextBlob"]
    with pytest.raises(ClientError) as refused:
        kms.decrypt(KeyId=key_id, CiphertextBlob=blob)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert kms.decrypt(KeyId=key_id, CiphertextBlob=blob)["Plaintext"] == b"secret"


def test_keys_outlive_kill_9_with_their_state(tmp_path: Path) -> None:
    with kms_server(tmp_path) as first:
        before = client(first.endpoint)
        curve = before.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_SECG_P256K1")["KeyMetadata"]["KeyId"]
        public = before.get_public_key(KeyId=curve)["PublicKey"]
        off = before.create_key()["KeyMetadata"]["KeyId"]
        before.disable_key(KeyId=off)
        blob = before.encrypt(KeyId=first.key_id, Plaintext=b"secret", EncryptionContext=CONTEXT)["CiphertextBlob"]
        os.kill(first.pid, signal.SIGKILL)
    assert (tmp_path / "kms.json").stat().st_mode & 0o777 == 0o600
    with kms_server(tmp_path) as second:
        after = client(second.endpoint)
        assert second.key_id == first.key_id
        plain = after.decrypt(KeyId=first.key_id, CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"]
        assert plain == b"secret"
        assert after.get_public_key(KeyId=curve)["PublicKey"] == public
        assert after.describe_key(KeyId=off)["KeyMetadata"]["KeyState"] == "Disabled"
