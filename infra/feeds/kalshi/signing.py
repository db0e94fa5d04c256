"""Proof of who is calling Kalshi: three headers, signed with the account's RSA key."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_EPOCH = datetime.fromtimestamp(0, UTC)
# Source: https://docs.kalshi.com/getting_started/api_keys; a PKCS#1 v1.5 signature is answered with 401.
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


class Signer:
    """Holds an API key. Has no text form that would show it."""

    __slots__ = ("_key_id", "_private_key")

    def __init__(self, key_id: str, private_key: RSAPrivateKey) -> None:
        self._key_id = key_id
        self._private_key = private_key

    @classmethod
    def from_file(cls, key_id: str, private_key_file: Path) -> Self:
        """Read an unencrypted PEM. Raises ValueError or TypeError when it holds no RSA private key."""
        key = serialization.load_pem_private_key(private_key_file.read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError(f"{private_key_file} holds no RSA key: Kalshi takes no other kind")
        return cls(key_id, key)

    def headers(self, method: str, path: str, at: datetime) -> dict[str, str]:
        """Headers for one call. `path` is the whole path, without the query; `at` must be our time now.

        Source: https://docs.kalshi.com/getting_started/quick_start_authenticated_requests.
        """
        timestamp_ms = str((at - _EPOCH) // timedelta(milliseconds=1))
        text = f"{timestamp_ms}{method}{path}".encode()
        signature = self._private_key.sign(text, _PSS, hashes.SHA256())
        return {
            "KALSHI-ACCESS-KEY": self._key_id,
            "KALSHI-ACCESS-TIMESTAMP": timestamp_ms,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }
