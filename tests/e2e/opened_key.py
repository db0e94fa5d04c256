"""Opens a wallet's sealed key the way only a test may: with the key service's own answer."""

import base64
from collections.abc import Mapping

import boto3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from solders.keypair import Keypair

from domain.identity import canonical
from infra.db.book import Book


async def opened_key(env: Mapping[str, str], wallet_id: str) -> bytes:
    """The 32 bytes of the key's seed, checked against the wallet's address."""
    book = Book.open(env["TRIPWIRE_DATABASE_URL"])
    async with book.begin() as tx:
        row = await tx.one("SELECT owner_id, address, sealed_key FROM wallet WHERE id = :id", id=wallet_id)
    await book.close()
    assert row is not None
    context = {"tenant": row["owner_id"], "purpose": "wallet-key", "wallet": wallet_id}
    sealed = {name: base64.b64decode(row["sealed_key"][name]) for name in ("data_key", "nonce", "ciphertext")}
    kms = boto3.client(
        "kms",
        endpoint_url=env["TRIPWIRE_KMS_ENDPOINT"],
        region_name=env["TRIPWIRE_AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    data_key = kms.decrypt(
        CiphertextBlob=sealed["data_key"], KeyId=env["TRIPWIRE_KMS_KEY_ID"], EncryptionContext=context
    )
    seed = AESGCM(data_key["Plaintext"]).decrypt(sealed["nonce"], sealed["ciphertext"], canonical(context).encode())
    assert str(Keypair.from_seed(seed).pubkey()) == row["address"]
    return seed
