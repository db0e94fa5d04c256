"""The three headers of a signed call, checked with the public half of the key."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.devnet.kalshi.credentials import KEY_ID, mint, public_key
from infra.devnet.kalshi.gate import Gate, Refused
from infra.feeds.kalshi.signing import Signer

AT = datetime(2023, 12, 21, 14, 18, 43, 456789, tzinfo=UTC)
PATH = "/trade-api/v2/portfolio/orders"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("keys")
    private, public = directory / "key.pem", directory / "key.pub.pem"
    mint(private, public)
    return private, public


def gate(public: Path) -> Gate:
    return Gate(KEY_ID, public_key(public))


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_the_text_that_is_signed_is_time_method_and_path(keys: tuple[Path, Path]) -> None:
    private, public = keys
    headers = Signer.from_file(KEY_ID, private).headers("GET", PATH, AT)
    assert headers["KALSHI-ACCESS-KEY"] == KEY_ID
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1703168323456"
    public_key(public).verify(
        base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]),
        b"1703168323456GET/trade-api/v2/portfolio/orders",
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
        hashes.SHA256(),
    )


def test_a_signature_is_good_for_its_own_text_only(keys: tuple[Path, Path]) -> None:
    private, public = keys
    signature = Signer.from_file(KEY_ID, private).headers("GET", PATH, AT)["KALSHI-ACCESS-SIGNATURE"]
    with pytest.raises(InvalidSignature):
        public_key(public).verify(
            base64.b64decode(signature),
            b"1703168323456POST/trade-api/v2/portfolio/orders",
            padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
            hashes.SHA256(),
        )


def test_the_exchange_takes_a_signature_made_now(keys: tuple[Path, Path]) -> None:
    private, public = keys
    headers = Signer.from_file(KEY_ID, private).headers("GET", PATH, datetime.now(UTC))
    gate(public).check("GET", PATH, lower(headers), required=True)


@pytest.mark.parametrize("skew_s", [-30, 30, 300])
def test_a_clock_half_a_minute_off_is_refused_by_name(keys: tuple[Path, Path], skew_s: int) -> None:
    private, public = keys
    at = datetime.now(UTC) + timedelta(seconds=skew_s)
    headers = Signer.from_file(KEY_ID, private).headers("GET", PATH, at)
    with pytest.raises(Refused) as refused:
        gate(public).check("GET", PATH, lower(headers), required=True)
    assert refused.value.body() == {
        "error": {"code": "header_timestamp_expired", "message": "header timestamp expired"}
    }


def test_another_accounts_key_is_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    _, public = keys
    mint(tmp_path / "other.pem", tmp_path / "other.pub.pem")
    headers = Signer.from_file(KEY_ID, tmp_path / "other.pem").headers("GET", PATH, datetime.now(UTC))
    with pytest.raises(Refused) as refused:
        gate(public).check("GET", PATH, lower(headers), required=False)
    assert "INCORRECT_API_KEY_SIGNATURE" in str(refused.value.body())


def test_a_key_of_another_kind_is_not_accepted(tmp_path: Path) -> None:
    file = tmp_path / "ec.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(TypeError):
        Signer.from_file(KEY_ID, file)


def test_a_signer_does_not_show_its_key(keys: tuple[Path, Path]) -> None:
    private, _ = keys
    secret = private.read_text().splitlines()[1]
    signer = Signer.from_file(KEY_ID, private)
    assert secret not in repr(signer)
    assert KEY_ID not in repr(signer)
