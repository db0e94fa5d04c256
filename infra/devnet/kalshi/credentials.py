"""A key pair for the embedded world: the private half for the client, the public half for the stand-in."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from infra.devnet.state import write_private

KEY_ID = "5f0c1a52-6f0b-4a3e-9d6e-000000000001"  # the stand-in's only key unless told otherwise
BITS = 2048  # the size of the keys that the exchange hands out


def mint(private_key_file: Path, public_key_file: Path) -> None:
    """Make a pair; where both files exist already, leave them alone."""
    if private_key_file.exists() and public_key_file.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    write_private(
        private_key_file,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    write_private(
        public_key_file,
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


def public_key(file: Path) -> RSAPublicKey:
    key = serialization.load_pem_public_key(file.read_bytes())
    if not isinstance(key, RSAPublicKey):
        raise TypeError(f"{file} holds no RSA public key: the exchange knows no other kind")
    return key
