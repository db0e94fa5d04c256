"""The keys that the envelope can hold, one kind for each family of chains.

A key is opened into a buffer that its owner wipes, and handed to OpenSSL from there; OpenSSL clears its own copy
when the key is dropped. Only what is public passes through Python's own objects, which nothing can wipe.
"""

import secrets
from collections.abc import Mapping
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from eth_keys.datatypes import PublicKey, Signature
from eth_utils.crypto import keccak
from solders.pubkey import Pubkey

from infra.chains.evm.transaction import CURVE_ORDER

SECRET_BYTES: Final = 32

# An ECPrivateKey of version 1 with its 32 bytes in the middle, naming the curve. Source: RFC 5915, SEC 2.
_DER_BEFORE: Final = bytes.fromhex("302e0201010420")
_DER_AFTER: Final = bytes.fromhex("a00706052b8104000a")


class Curve(Protocol):
    """`context` is sealed with each key of the curve, so that none opens as a key of another."""

    context: Mapping[str, str]

    def fill(self, secret: bytearray) -> None:
        """Draw a fresh secret."""

    def address(self, secret: bytearray) -> str:
        """The account of a secret. Errors: ValueError, for what is no secret of this curve."""

    def sign(self, secret: bytearray, message: bytes) -> bytes:
        """The same signature each time. Errors: ValueError, as `address`."""


class Ed25519:
    """Solana: 64 bytes over the message itself."""

    context: Mapping[str, str] = {}  # the first curve there was: its records name none

    def fill(self, secret: bytearray) -> None:
        secret[:] = secrets.token_bytes(SECRET_BYTES)

    def address(self, secret: bytearray) -> str:
        key = Ed25519PrivateKey.from_private_bytes(secret)
        return str(Pubkey.from_bytes(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)))

    def sign(self, secret: bytearray, message: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(secret).sign(message)


class Secp256k1:
    """EVM: r, s and the parity of R's y (0 or 1), 65 bytes, over the message's Keccak-256.

    Deterministic by RFC 6979, with s in its lower half (EIP-2).
    """

    context: Mapping[str, str] = {"curve": "secp256k1"}

    def fill(self, secret: bytearray) -> None:
        secret[:] = secrets.token_bytes(SECRET_BYTES)
        while not bytes(SECRET_BYTES) < secret < CURVE_ORDER.to_bytes(SECRET_BYTES):
            secret[:] = secrets.token_bytes(SECRET_BYTES)

    def address(self, secret: bytearray) -> str:
        return _public(_secp256k1(secret)).to_checksum_address()

    def sign(self, secret: bytearray, message: bytes) -> bytes:
        key, digest = _secp256k1(secret), keccak(message)
        r, s = decode_dss_signature(key.sign(digest, ECDSA(Prehashed(SHA256()), deterministic_signing=True)))
        low_s = min(s, CURVE_ORDER - s)
        public = _public(key)
        for parity in (0, 1):
            if Signature(vrs=(parity, r, low_s)).recover_public_key_from_msg_hash(digest) == public:
                return r.to_bytes(32) + low_s.to_bytes(32) + bytes([parity])
        raise ValueError("the signature recovers to another key")


def _public(key: EllipticCurvePrivateKey) -> PublicKey:
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return PublicKey(point[1:])  # the first byte says only that the point is uncompressed


def _secp256k1(secret: bytearray) -> EllipticCurvePrivateKey:
    der = bytearray(len(_DER_BEFORE) + SECRET_BYTES + len(_DER_AFTER))
    start = len(_DER_BEFORE)
    try:
        der[:start], der[start + SECRET_BYTES :] = _DER_BEFORE, _DER_AFTER
        memoryview(der)[start : start + SECRET_BYTES] = secret
        key = load_der_private_key(der, password=None)
    finally:
        der[:] = bytes(len(der))
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256K1):
        raise TypeError("not a key of secp256k1")
    return key


CURVES: Final[Mapping[str, Curve]] = {"solana": Ed25519(), "evm": Secp256k1()}
