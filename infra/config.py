"""Settings, from the environment with the prefix TRIPWIRE_. All problems are told at once, and nothing starts."""

import os
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain import assets
from domain.chains import CHAINS, Chain
from domain.policy import Policy

EX_CONFIG = 78  # Source: sysexits.h


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http(s) address")
    return url.rstrip("/")


def _socket(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError(f"{url!r} is no ws(s) address")
    return url


def _postgres(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            url = "postgresql+asyncpg://" + url.removeprefix(plain)
    if not url.startswith("postgresql+asyncpg://"):
        raise ValueError("is no postgresql:// address")
    return url


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _readable(file: Path) -> Path:
    try:
        file.read_bytes()
    except OSError as error:
        raise ValueError(f"names no file that can be read ({error.strerror})") from None
    return file


def _rsa_key(file: Path) -> Path:
    try:
        load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("names a file that holds no unencrypted private key (PEM)") from None
    return file


def _known_assets(ids: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(ids) - set(assets.BY_ID)):
        raise ValueError(f"has ids that TripWire does not know: {', '.join(unknown)}")
    return ids


def _evm_chain(name: str) -> str:
    known = [chain.name for chain in CHAINS.values() if chain.family == "evm"]
    if name not in known:
        raise ValueError(f"names none of the EVM chains {', '.join(known)}")
    return name


Readable = Annotated[Path, AfterValidator(_readable)]
Http = Annotated[str, AfterValidator(_http)]
Listed = Annotated[tuple[Http, ...], NoDecode, BeforeValidator(_listed)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """Everything a process may be told."""

    model_config = SettingsConfigDict(env_prefix="TRIPWIRE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, AfterValidator(_postgres)]
    temporal_address: Annotated[str, Field(pattern=r"^[^\s/]+:\d{1,5}$")]
    temporal_namespace: Annotated[str, Field(min_length=1)] = "default"
    temporal_api_key: SecretStr | None = None
    temporal_tls_cert_file: Readable | None = None
    temporal_tls_key_file: Readable | None = None
    temporal_ui_url: Http | None = None

    kms_key_id: Annotated[str, Field(min_length=1)]
    kms_endpoint: Http | None = None
    aws_region: str = "eu-central-1"

    solana_rpc_urls: Annotated[Listed, Field(min_length=1)]
    helius_url: Http | None = None
    evm_rpc_urls: Listed = ()
    evm_chain: Annotated[str, AfterValidator(_evm_chain)] = "ethereum"
    gas_cap_gwei: Annotated[int, Field(ge=1, le=100_000)] = 50
    jupiter_url: Http = "https://api.jup.ag"
    jupiter_api_key: SecretStr | None = None

    kalshi_url: Http = "https://external-api.kalshi.com/trade-api/v2"
    kalshi_ws_url: Annotated[str, AfterValidator(_socket)] = "wss://external-api-ws.kalshi.com/trade-api/ws/v2"
    kalshi_key_id: str | None = None
    kalshi_private_key_file: Annotated[Readable, AfterValidator(_rsa_key)] | None = None

    execution_enabled: bool = False
    dry_run: bool = True
    allowed_assets: Annotated[Words, AfterValidator(_known_assets)] = ()
    max_position_usd: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] = Decimal(10)
    max_slippage_bps: Annotated[int, Field(ge=0, le=10_000)] = 50
    quote_max_age_s: Annotated[int, Field(ge=1, le=3_600)] = 10

    api_host: str = "127.0.0.1"
    api_port: Annotated[int, Field(ge=1, le=65_535)] = 7400
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otel_exporter_otlp_endpoint: Http | None = None

    @property
    def chains(self) -> dict[str, Chain]:
        """The chains served, by the venue that trades there."""
        served = [CHAINS["solana"], *([CHAINS[self.evm_chain]] if self.evm_rpc_urls else [])]
        return {chain.venue: chain for chain in served}

    @property
    def policy(self) -> Policy:
        return Policy(
            execution_enabled=self.execution_enabled,
            dry_run=self.dry_run,
            allowed_assets=frozenset(self.allowed_assets),
            max_slippage_bps=self.max_slippage_bps,
            max_position_usd=self.max_position_usd,
            max_price_age=timedelta(seconds=self.quote_max_age_s),
        )


def problems(error: ValidationError) -> list[str]:
    """One sentence for each wrong setting, by the name it has in the environment. Values are not repeated."""
    sentences = []
    for item in error.errors(include_input=False, include_url=False):
        name = "TRIPWIRE_" + str(item["loc"][0]).upper() if item["loc"] else "TRIPWIRE_*"
        said = "is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
        sentences.append(f"{name}: {said}")
    return sentences


# Settings that mean something only together. Checked on the environment itself, so that these problems are
# told beside those of single settings.
_PAIRS = (
    ("KALSHI_KEY_ID", "KALSHI_PRIVATE_KEY_FILE"),
    ("TEMPORAL_TLS_CERT_FILE", "TEMPORAL_TLS_KEY_FILE"),
)


def _half_pairs() -> list[str]:
    return [
        f"TRIPWIRE_{one} and TRIPWIRE_{other} go together: set both or neither"
        for one, other in _PAIRS
        if (f"TRIPWIRE_{one}" in os.environ) != (f"TRIPWIRE_{other}" in os.environ)
    ]


def load_settings() -> Settings:
    """The settings, or the end of the process: every problem on standard error, exit 78."""
    wrong = _half_pairs()
    settings = None
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = problems(error) + wrong
    if settings is None or wrong:
        sys.stderr.write("TripWire cannot start; these settings are wrong:\n")
        sys.stderr.writelines(f"  {sentence}\n" for sentence in wrong)
        sys.exit(EX_CONFIG)
    return settings
