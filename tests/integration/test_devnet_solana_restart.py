"""What the embedded Solana node has shown, a kill -9 does not take back."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair

from infra.chains.solana.addresses import USDC_MINT, associated_token_account
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, PROCESSED, SEND, Wallet, record, status

AMOUNT = 10_000_000
STANDS_STILL_MS = 60_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SolanaNode]:
    with solana_node(tmp_path, slot_ms=STANDS_STILL_MS) as running:
        yield running


def restart(node: SolanaNode) -> None:
    node.kill()
    node.start()


def test_slots_balances_and_records_go_on_where_they_were(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    node.give_tokens(wallet.address, USDC_MINT, 42)
    signature = node.call("sendTransaction", wallet.sign_transfer(to, AMOUNT), SEND)
    node.advance(10)
    before = record(node, signature), node.call("getSlot", PROCESSED), node.call("getBlockHeight"), node.log()
    restart(node)
    after = record(node, signature), node.call("getSlot", PROCESSED), node.call("getBlockHeight"), node.log()
    assert after == before
    assert wallet.lamports("finalized") == 10**9 - AMOUNT - 5000
    tokens = str(associated_token_account(wallet.address, USDC_MINT))
    assert node.call("getTokenAccountBalance", tokens)["value"]["amount"] == "42"
    asked = {"mint": str(USDC_MINT)}, {"encoding": "base64"}
    assert len(node.call("getTokenAccountsByOwner", str(wallet.address), *asked)["value"]) == 1


def test_views_that_lag_are_still_honest_after_a_restart(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    node.advance(10)
    signature = node.call("sendTransaction", wallet.sign_transfer(to, AMOUNT), SEND)
    node.advance(1)
    restart(node)
    assert status(node, signature)["confirmationStatus"] == "processed"
    views = [
        node.call("getBalance", str(to), {"commitment": c})["value"] for c in ("processed", "confirmed", "finalized")
    ]
    assert views == [AMOUNT, 0, 0]
    node.advance(4)
    assert node.call("getBalance", str(to))["value"] == AMOUNT


def test_a_blockhash_from_before_the_crash_is_good_until_its_height_and_a_landed_one_stays_landed(
    node: SolanaNode,
) -> None:
    wallet, first, second = Wallet(node), Keypair().pubkey(), Keypair().pubkey()
    landed, waiting = (wallet.sign_transfer(to, AMOUNT) for to in (first, second))
    node.call("sendTransaction", landed, SEND)
    node.advance(1)
    restart(node)
    reply = node.reply("sendTransaction", landed, SEND)
    assert reply["error"]["data"]["err"] == "AlreadyProcessed"
    node.call("sendTransaction", landed, BLIND)
    node.call("sendTransaction", waiting, SEND)
    node.advance(1)
    balances = [node.call("getBalance", str(to), PROCESSED)["value"] for to in (first, second)]
    assert balances == [AMOUNT, AMOUNT]
    node.advance(200)
    restart(node)
    reply = node.reply("sendTransaction", landed, SEND)
    assert reply["error"]["data"]["err"] == "BlockhashNotFound"


def test_what_was_only_pending_dies_with_the_node_and_may_be_sent_again(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    bytes_sent = wallet.sign_transfer(to, AMOUNT)
    node.call("sendTransaction", bytes_sent, SEND)
    restart(node)
    assert node.log()[-1]["outcome"].startswith("lost")
    node.advance(1)
    assert node.call("getBalance", str(to), PROCESSED)["value"] == 0
    node.call("sendTransaction", bytes_sent, SEND)
    node.advance(1)
    assert node.call("getBalance", str(to), PROCESSED)["value"] == AMOUNT


def test_killed_in_full_flight_no_lamport_appears_or_vanishes(tmp_path: Path) -> None:
    with solana_node(tmp_path, slot_ms=5) as node:
        wallet = Wallet(node)
        seen: dict[str, int] = {}
        for _ in range(3):
            recipients = [Keypair().pubkey() for _ in range(20)]
            for to in recipients:
                node.call("sendTransaction", wallet.sign_transfer(to, AMOUNT), BLIND)
                seen[str(to)] = node.call("getBalance", str(to), PROCESSED)["value"]
            restart(node)
            node.advance(1)
            held = {to: node.call("getBalance", to, PROCESSED)["value"] for to in seen}
            assert all(held[to] >= shown for to, shown in seen.items())  # shown once is true for ever
            seen = held
        landed = sum(1 for held in seen.values() if held)
        assert wallet.lamports() == 10**9 - landed * (AMOUNT + 5000)
        assert sum(1 for entry in node.log() if entry["outcome"] == "landed") == landed


def test_the_file_holds_every_landed_signature_for_ever(node: SolanaNode, tmp_path: Path) -> None:
    wallet = Wallet(node)
    signature = node.call("sendTransaction", wallet.sign_transfer(Keypair().pubkey(), AMOUNT), SEND)
    node.advance(2000)
    node.kill()
    file = sqlite3.connect(tmp_path / "solana.sqlite")
    assert file.execute("SELECT count(*) FROM transactions WHERE signature=?", (signature,)).fetchone() == (1,)
    file.close()
    node.start()
    assert status(node, signature)["confirmationStatus"] == "finalized"


def test_a_node_that_cannot_write_a_slot_stops_rather_than_show_it(tmp_path: Path) -> None:
    with solana_node(tmp_path, slot_ms=20) as node:
        file = sqlite3.connect(tmp_path / "solana.sqlite", timeout=30)
        file.execute("DROP TABLE marks")
        file.close()
        deadline = time.monotonic() + 30
        while node.exit_code() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert node.exit_code() == 70
