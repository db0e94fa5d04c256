"""What the EVM chain needs is installed whole or not at all, and what is missing is told in a sentence."""

import json
from pathlib import Path

import pytest

from infra.devnet.evm import toolchain
from infra.devnet.evm.toolchain import anvil_binary, evm_toolchain
from infra.devnet.toolchain import ToolMissing


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tripwire"


def test_it_is_installed_once_and_found_afterwards(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    first = evm_toolchain(said.append)
    assert len(said) == 1
    assert anvil_binary(first).is_relative_to(empty_cache)
    monkeypatch.setenv("PATH", "")
    assert evm_toolchain(said.append) == first
    assert len(said) == 1


def test_without_node_a_sentence_says_what_to_install(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match=r"Node\.js 18 or newer with npm, and there is no `node` on PATH"):
        evm_toolchain()


def test_npm_uses_the_users_registry_and_a_failure_leaves_nothing(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")  # nobody listens there
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(ToolMissing, match=r"npm said:\n(.|\n)*127\.0\.0\.1:9"):
        evm_toolchain()
    assert [entry.suffix for entry in empty_cache.iterdir()] == [".lock"]


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((toolchain.HERE / "package-lock.json").read_bytes())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
