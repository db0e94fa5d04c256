"""The custodian `kms-envelope`: a wallet's key, sealed by a data key that only the key service can unwrap."""

import asyncio
import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import KeyAccessDenied, SealedKeyBroken, SigningUnavailable
from domain.identity import canonical
from domain.wallets import Wallet
from infra.custody.kms_envelope.curves import CURVES, SECRET_BYTES, Curve
from infra.custody.protocol import NewKey

if TYPE_CHECKING:
    from mypy_boto3_kms.client import KMSClient

NAME = "kms-envelope"
NONCE_BYTES = 12  # Source: NIST SP 800-38D, the length GCM is made for
TAG_BYTES = 16

# A KMS call takes tens of milliseconds; past these the service is as good as down, and Temporal tries again.
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 5

# Source: AWS KMS API reference, common and per-operation errors that a later try may not meet.
_PASSING = {
    "ThrottlingException",
    "KMSInternalException",
    "KeyUnavailableException",
    "DependencyTimeoutException",
    "InternalFailure",
    "ServiceUnavailable",
    "RequestLimitExceeded",
}


# What KMS says of a ciphertext that was changed, or sealed in another context, or by another key. Source: the same.
_BROKEN = {"InvalidCiphertextException", "IncorrectKeyException"}


class KmsEnvelope:
    """Keys exist in the clear inside one method call, in a buffer that is wiped on the way out."""

    def __init__(self, key_id: str, endpoint: str | None, region: str) -> None:
        self._key_id = key_id
        self._kms: KMSClient = boto3.client(
            "kms",
            region_name=region,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"total_max_attempts": 1, "mode": "standard"},
            ),
        )

    async def create(self, wallet_id: str, owner_id: str, family: str) -> NewKey:
        """A fresh key for a wallet. Errors: SIGNING_UNAVAILABLE (retried), KEY_ACCESS_DENIED (final)."""
        curve = _curve(family)
        return await asyncio.to_thread(self._create, curve, _context(wallet_id, owner_id, curve))

    async def sign(self, wallet: Wallet, message: bytes) -> bytes:
        """The signature of the wallet's family, the same each time: 64 bytes for `solana`, 65 for `evm`.

        Errors: SIGNING_UNAVAILABLE (retried), KEY_ACCESS_DENIED, SEALED_KEY_BROKEN (final).
        """
        # The context is rebuilt from whose wallet this is, so another wallet's sealed key does not open here.
        curve = _curve(wallet.family)
        context = _context(wallet.id, wallet.owner_id, curve)
        return await asyncio.to_thread(self._sign, curve, wallet, context, message)

    def _create(self, curve: Curve, context: dict[str, str]) -> NewKey:
        with _meaning():
            data_key = self._kms.generate_data_key(KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=context)
        nonce = secrets.token_bytes(NONCE_BYTES)
        with _wiped(SECRET_BYTES) as secret:
            curve.fill(secret)
            address = curve.address(secret)
            ciphertext = AESGCM(data_key["Plaintext"]).encrypt(nonce, secret, _associated(context))
        return NewKey(
            address=address,
            sealed={
                "v": "1",
                "kms_key": data_key["KeyId"],
                "data_key": base64.b64encode(data_key["CiphertextBlob"]).decode(),
                "nonce": base64.b64encode(nonce).decode(),
                "ciphertext": base64.b64encode(ciphertext).decode(),
            },
        )

    def _sign(self, curve: Curve, wallet: Wallet, context: dict[str, str], message: bytes) -> bytes:
        sealed = _unpacked(wallet.sealed_key)
        with _meaning():
            data_key = self._kms.decrypt(
                CiphertextBlob=sealed["data_key"], KeyId=self._key_id, EncryptionContext=context
            )
        with _wiped(SECRET_BYTES) as secret:
            try:
                AESGCM(data_key["Plaintext"]).decrypt_into(
                    sealed["nonce"], sealed["ciphertext"], _associated(context), secret
                )
            except (InvalidTag, ValueError):
                raise SealedKeyBroken(f"the sealed key of {wallet.id} was changed or belongs elsewhere") from None
            if curve.address(secret) != wallet.address:
                raise SealedKeyBroken(f"the sealed key of {wallet.id} is not the key of its address")
            return curve.sign(secret, message)


def _curve(family: str) -> Curve:
    if family not in CURVES:
        raise KeyAccessDenied(f"{NAME} holds no keys of family {family!r}: it holds {', '.join(CURVES)}")
    return CURVES[family]


def _context(wallet_id: str, owner_id: str, curve: Curve) -> dict[str, str]:
    return {"tenant": owner_id, "purpose": "wallet-key", "wallet": wallet_id, **curve.context}


def _associated(context: Mapping[str, str]) -> bytes:
    return canonical(context).encode()


def _unpacked(sealed: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return {name: base64.b64decode(sealed[name], validate=True) for name in ("data_key", "nonce", "ciphertext")}
    except (KeyError, ValueError):
        raise SealedKeyBroken("the sealed key's record is incomplete") from None


@contextmanager
def _wiped(size: int) -> Iterator[bytearray]:
    buffer = bytearray(size)
    try:
        yield buffer
    finally:
        buffer[:] = bytes(size)


@contextmanager
def _meaning() -> Iterator[None]:
    """Raise what the key service's answer means; its own text may hold what it was asked."""
    try:
        yield
    except ClientError as refusal:
        answer = cast("dict[str, Any]", refusal.response)
        code = str(answer.get("Error", {}).get("Code", ""))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _PASSING or status >= 500 or status == 429:
            raise SigningUnavailable(f"the key service answered {code or status}") from None
        if code in _BROKEN:
            raise SealedKeyBroken(f"the key service does not open the sealed key: {code}") from None
        raise KeyAccessDenied(f"the key service refused with {code or status}") from None
    except NoCredentialsError:
        raise KeyAccessDenied("no credentials for the key service: give this process an AWS role or key") from None
    except BotoCoreError as error:
        raise SigningUnavailable(f"no answer from the key service ({type(error).__name__})") from None
