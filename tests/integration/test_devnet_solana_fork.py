"""A fork of the embedded Solana node drops what was confirmed, never what is final, and forgets it thoroughly."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import USDC_MINT, associated_token_account
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import PROCESSED, SEND, Wallet, record, status

AMOUNT = 10_000_000
STANDS_STILL_MS = 60_000
VIEWS = ("processed", "confirmed", "finalized")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SolanaNode]:
    """Confirmed after two slots, final after four; time passes by `advance` alone."""
    with solana_node(tmp_path, slot_ms=STANDS_STILL_MS) as running:
        yield running


def confirmed_transfer(wallet: Wallet, to: Pubkey) -> tuple[str, str]:
    """The bytes and the signature of a transfer that is confirmed and not final, three blocks deep."""
    blockhash = wallet.blockhash()
    wallet.node.advance(1)  # so that its blockhash is older than the blocks that a fork is to drop
    raw = wallet.sign_transfer(to, AMOUNT, blockhash)
    signature = wallet.node.call("sendTransaction", raw, SEND)
    wallet.node.advance(3)
    assert status(wallet.node, signature)["confirmationStatus"] == "confirmed"
    return raw, signature


def test_a_confirmed_transaction_is_gone_and_its_bytes_land_again(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    raw, signature = confirmed_transfer(wallet, to)
    slot = node.call("getSlot", PROCESSED)
    node.fork(3)
    assert status(node, signature) is None
    assert node.call("getTransaction", signature, {"commitment": "confirmed"}) is None
    assert [wallet.lamports(view) for view in VIEWS] == [10**9] * 3
    assert node.call("getBalance", str(to), PROCESSED)["value"] == 0
    assert node.call("getSlot", PROCESSED) == slot
    assert [entry["outcome"] for entry in node.log()] == ["dropped: its block was on a fork that died"]
    assert node.call("sendTransaction", raw, SEND) == signature
    node.advance(5)
    assert record(node, signature)["meta"]["err"] is None
    assert [wallet.lamports(view) for view in VIEWS] == [10**9 - AMOUNT - 5_000] * 3


def test_what_lies_under_the_fork_stays(node: SolanaNode) -> None:
    wallet, first, second = Wallet(node), Keypair().pubkey(), Keypair().pubkey()
    kept = node.call("sendTransaction", wallet.sign_transfer(first, AMOUNT), SEND)
    node.advance(1)
    dropped = node.call("sendTransaction", wallet.sign_transfer(second, AMOUNT), SEND)
    node.advance(1)
    node.fork(1)
    assert (status(node, kept)["err"], status(node, dropped)) == (None, None)
    assert wallet.lamports() == 10**9 - AMOUNT - 5_000
    node.advance(4)
    assert wallet.lamports("finalized") == 10**9 - AMOUNT - 5_000


def test_what_is_final_is_never_dropped(node: SolanaNode) -> None:
    wallet = Wallet(node)
    node.advance(10)
    signature = node.call("sendTransaction", wallet.sign_transfer(Keypair().pubkey(), AMOUNT), SEND)
    node.advance(5)
    answer = httpx.put(f"{node.rpc_url}/_control/fork", json={"slots": 5}, timeout=10)
    assert answer.status_code == 422
    assert "only the last 4 slots" in answer.text
    node.fork(4)
    assert status(node, signature)["confirmationStatus"] == "finalized"


def test_a_payload_on_a_blockhash_of_the_dead_fork_is_dead(node: SolanaNode) -> None:
    wallet = Wallet(node)
    node.advance(3)
    raw = wallet.sign_transfer(Keypair().pubkey(), AMOUNT)
    node.advance(1)
    node.fork(2)
    assert node.reply("sendTransaction", raw, SEND)["error"]["data"]["err"] == "BlockhashNotFound"


def test_an_account_that_was_made_on_the_dead_fork_was_never_there(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    confirmed_transfer(wallet, to)
    node.fork(3)
    assert node.call("getAccountInfo", str(to), PROCESSED)["value"] is None


def test_an_account_that_a_door_has_set_stays_as_the_door_left_it(node: SolanaNode) -> None:
    wallet = Wallet(node)
    confirmed_transfer(wallet, Keypair().pubkey())
    node.give_tokens(wallet.address, USDC_MINT, 42)
    node.fork(3)
    tokens = str(associated_token_account(wallet.address, USDC_MINT))
    assert node.call("getTokenAccountBalance", tokens)["value"]["amount"] == "42"


def test_a_fork_outlives_a_kill(node: SolanaNode) -> None:
    wallet = Wallet(node)
    raw, signature = confirmed_transfer(wallet, Keypair().pubkey())
    node.fork(3)
    node.kill()
    node.start()
    assert status(node, signature) is None
    assert [wallet.lamports(view) for view in VIEWS] == [10**9] * 3
    assert node.call("sendTransaction", raw, SEND) == signature
    node.advance(5)
    assert wallet.lamports("finalized") == 10**9 - AMOUNT - 5_000


def test_forks_follow_one_another(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    raw, signature = confirmed_transfer(wallet, to)
    node.fork(3)
    node.call("sendTransaction", raw, SEND)
    node.advance(2)
    node.fork(2)
    assert status(node, signature) is None
    node.call("sendTransaction", raw, SEND)
    node.advance(5)
    assert node.call("getBalance", str(to))["value"] == AMOUNT
