"""A wallet's sealed key never becomes text by accident."""

from datetime import UTC, datetime

from domain.wallets import Wallet


def test_a_printed_wallet_shows_nothing_of_its_key() -> None:
    wallet = Wallet(
        id="wal_one",
        owner_id="own_one",
        family="solana",
        chain="solana",
        address="7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU",
        custodian="kms-envelope",
        frozen=False,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        sealed_key={"ciphertext": "canary"},
    )
    for text in (repr(wallet), str(wallet), f"{wallet}"):
        assert "canary" not in text
        assert "sealed_key" not in text
