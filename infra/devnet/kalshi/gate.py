"""Who is calling? Signatures are checked as the exchange checks them, and refused in its words."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from infra.devnet.kalshi.market import milliseconds

# Source: measured on the demo environment, June 2026: 5 s passes, 30 s does not. Other clients saw 10 s pass.
CLOCK_WINDOW = timedelta(seconds=10)
KEY, TIMESTAMP, SIGNATURE = "kalshi-access-key", "kalshi-access-timestamp", "kalshi-access-signature"
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


class Refused(Exception):
    """A 401, with the code and the details that the exchange puts in its body."""

    def __init__(self, code: str, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self._error = {"code": code, "message": message}
        if details is not None:
            self._error["details"] = details

    def body(self) -> dict[str, object]:
        return {"error": self._error}


class Gate:
    """Knows one key. Source of the bodies: captures of the demo environment, June 2026."""

    def __init__(self, key_id: str, public_key: RSAPublicKey) -> None:
        self._key_id = key_id
        self._public_key = public_key

    def check(self, method: str, path: str, headers: Mapping[str, str], required: bool) -> None:
        """Raise `Refused` unless the call is signed well; unsigned calls pass where nothing is required."""
        given = [headers.get(name) for name in (KEY, TIMESTAMP, SIGNATURE)]
        if not required and not any(given):
            return
        key_id, timestamp_ms, signature = given
        if not key_id or not timestamp_ms or not signature:
            absent = "signature_is_missing_from_headers"
            raise Refused(absent, absent.replace("_", " "))
        if key_id != self._key_id:
            raise Refused("authentication_error", "authentication_error", "NOT_FOUND")
        if not _recent(timestamp_ms):
            raise Refused("header_timestamp_expired", "header timestamp expired")
        try:
            self._public_key.verify(
                base64.b64decode(signature, validate=True),
                f"{timestamp_ms}{method}{path}".encode(),
                _PSS,
                hashes.SHA256(),
            )
        except (InvalidSignature, binascii.Error) as error:
            wrong = "INCORRECT_API_KEY_SIGNATURE"
            raise Refused("authentication_error", "authentication_error", wrong) from error


def _recent(timestamp_ms: str) -> bool:
    if not (timestamp_ms.isascii() and timestamp_ms.isdigit()) or len(timestamp_ms) > 15:
        return False
    skew_ms = abs(milliseconds(datetime.now(UTC)) - int(timestamp_ms))
    return timedelta(milliseconds=skew_ms) <= CLOCK_WINDOW
