"""Faults ordered at the embedded Solana node happen as ordered, as often as ordered, and to nobody else."""

import json
from collections.abc import Iterator

import httpx
import pytest
from solders.keypair import Keypair

from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, PROCESSED, Wallet, status

AMOUNT = 10_000_000
DOOR = "/_control/faults"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(tmp_path_factory.mktemp("solana"), slot_ms=60_000) as node:
        yield node


@pytest.fixture
def node(running: SolanaNode) -> SolanaNode:
    httpx.delete(running.rpc_url + DOOR, timeout=30).raise_for_status()
    return running


def test_a_reply_lost_after_the_send_leaves_a_transaction_that_lands(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    bytes_sent = wallet.sign_transfer(to, AMOUNT)
    node.fault("sendTransaction", "drop_after")
    with pytest.raises(httpx.RemoteProtocolError):
        node.call("sendTransaction", bytes_sent, BLIND)
    node.advance(1)
    assert node.call("getBalance", str(to), PROCESSED)["value"] == AMOUNT
    assert status(node, node.log()[-1]["signature"])["err"] is None


def test_a_connection_lost_before_the_send_leaves_nothing(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    received = len(node.log())
    node.fault("sendTransaction", "drop_before")
    with pytest.raises(httpx.RemoteProtocolError):
        node.call("sendTransaction", wallet.sign_transfer(to, AMOUNT), BLIND)
    node.advance(1)
    assert node.call("getBalance", str(to), PROCESSED)["value"] == 0
    assert len(node.log()) == received


def test_half_an_answer_breaks_off(node: SolanaNode) -> None:
    node.fault("getHealth", "truncate")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        node.call("getHealth")
    assert node.call("getHealth") == "ok"


def test_garble_is_200_and_no_json(node: SolanaNode) -> None:
    node.fault("getHealth", "garble")
    with pytest.raises(json.JSONDecodeError):
        node.call("getHealth")
    assert node.call("getHealth") == "ok"


def test_a_status_lasts_as_many_calls_as_ordered_and_names_when_to_return(node: SolanaNode) -> None:
    node.fault("getHealth", "status", status=429, calls=2, retry_after_s=7)
    for _ in range(2):
        assert node.call("getGenesisHash")  # another method is not touched
        body = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
        answer = httpx.post(node.rpc_url, json=body, timeout=30)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert node.call("getHealth") == "ok"


def test_a_delay_outlasts_a_client_and_the_call_still_counts(node: SolanaNode) -> None:
    node.fault("getHealth", "delay", delay_ms=60_000)
    body = {"jsonrpc": "2.0", "id": 1, "method": "getHealth"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(node.rpc_url, json=body, timeout=0.3)
    assert node.call("getHealth") == "ok"


def test_faults_match_paths_too_and_are_listed_and_disarmed(node: SolanaNode) -> None:
    node.fault("/health", "status", calls=5)
    assert httpx.get(f"{node.rpc_url}/health", timeout=30).status_code == 503
    (armed,) = httpx.get(node.rpc_url + DOOR, timeout=30).json()
    assert (armed["match"], armed["calls"]) == ("/health", 4)
    assert httpx.delete(node.rpc_url + DOOR, timeout=30).json() == []
    assert httpx.get(f"{node.rpc_url}/health", timeout=30).status_code == 200


@pytest.mark.parametrize("body", [{}, {"match": "x", "mode": "melt"}, {"match": "x", "mode": "delay", "calls": 0}])
def test_a_fault_that_makes_no_sense_is_refused(node: SolanaNode, body: dict[str, object]) -> None:
    assert httpx.put(node.rpc_url + DOOR, json=body, timeout=30).status_code == 422


@pytest.mark.parametrize(
    ("door", "body"),
    [
        ("tokens", {"owner": "me", "mint": "that", "amount": "1"}),
        ("tokens", {"owner": str(Keypair().pubkey()), "mint": str(Keypair().pubkey()), "amount": "1"}),
        ("airdrop", {"address": str(Keypair().pubkey()), "lamports": -1}),
        ("pool", {"usdc": "1.5", "sol": "1"}),
        ("clock", {"finalized_lag": 1, "confirmed_lag": 2}),
        ("advance", {"slots": 0}),
    ],
)
def test_a_door_refuses_nonsense_and_the_chain_goes_on(node: SolanaNode, door: str, body: dict[str, object]) -> None:
    slot = node.call("getSlot", PROCESSED)
    assert httpx.put(f"{node.rpc_url}/_control/{door}", json=body, timeout=30).status_code == 422
    node.advance(1)
    assert node.call("getSlot", PROCESSED) == slot + 1
