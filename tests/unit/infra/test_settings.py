"""Settings that are wrong or missing are told all at once, and nothing starts."""

import os
import subprocess
import sys

import pytest

from infra.config import EX_CONFIG, Settings

GOOD = {
    "TRIPWIRE_DATABASE_URL": "postgresql://postgres@127.0.0.1:5432/tripwire",
    "TRIPWIRE_TEMPORAL_ADDRESS": "127.0.0.1:7233",
    "TRIPWIRE_KMS_KEY_ID": "alias/tripwire",
    "TRIPWIRE_SOLANA_RPC_URLS": "http://127.0.0.1:8899, https://rpc.example/?api-key=x",
}


def settings(monkeypatch: pytest.MonkeyPatch, **changed: str) -> Settings:
    for name in [name for name in os.environ if name.startswith("TRIPWIRE_")]:
        monkeypatch.delenv(name)
    for name, value in (GOOD | changed).items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_live_trading_is_off_and_nothing_is_allowed_until_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = settings(monkeypatch).policy
    assert not policy.execution_enabled
    assert policy.dry_run
    assert policy.allowed_assets == frozenset()


def test_several_nodes_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).solana_rpc_urls == ("http://127.0.0.1:8899", "https://rpc.example/?api-key=x")


@pytest.mark.parametrize("process", ["workers.executor", "workers.signer", "workers.watcher", "api.server"])
def test_every_problem_is_named_at_once_and_the_process_ends_with_78(process: str) -> None:
    wrong = {
        "PATH": os.environ["PATH"],
        "TRIPWIRE_DATABASE_URL": "mysql://secret-password@host/db",
        "TRIPWIRE_MAX_SLIPPAGE_BPS": "10001",
        "TRIPWIRE_KALSHI_KEY_ID": "half of a pair",
        "TRIPWIRE_LOG_LEVEL": "LOUD",
        "TRIPWIRE_ALLOWED_ASSETS": "doge",
        "TRIPWIRE_EVM_RPC_URLS": "ws://127.0.0.1:8546",
        "TRIPWIRE_EVM_CHAIN": "solana",
        "TRIPWIRE_GAS_CAP_GWEI": "0",
    }
    run = subprocess.run([sys.executable, "-m", process], env=wrong, capture_output=True, text=True, check=False)
    assert run.returncode == EX_CONFIG
    for name in (
        "DATABASE_URL",
        "TEMPORAL_ADDRESS",
        "KMS_KEY_ID",
        "SOLANA_RPC_URLS",
        "MAX_SLIPPAGE_BPS",
        "LOG_LEVEL",
        "ALLOWED_ASSETS",
        "EVM_RPC_URLS",
        "EVM_CHAIN",
        "GAS_CAP_GWEI",
        "KALSHI_PRIVATE_KEY_FILE",
    ):
        assert f"TRIPWIRE_{name}" in run.stderr
    assert "secret-password" not in run.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRIPWIRE_KALSHI_PRIVATE_KEY_FILE", "/nowhere", "no file that can be read"),
        ("TRIPWIRE_KALSHI_PRIVATE_KEY_FILE", __file__, "no unencrypted private key"),
        ("TRIPWIRE_ALLOWED_ASSETS", "solana:none/token:x", "does not know"),
        ("TRIPWIRE_MAX_POSITION_USD", "NaN", "finite"),
        ("TRIPWIRE_JUPITER_URL", "ftp://api.jup.ag", "no http"),
    ],
)
def test_what_is_wrong_is_said_in_words(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings(monkeypatch, **{name: value})
