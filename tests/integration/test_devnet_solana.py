"""The embedded Solana node keeps a chain's promises. Time stands still here but for `advance`."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from infra.chains.solana.addresses import (
    MAINNET_GENESIS_HASH,
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
)
from infra.devnet.solana import base58
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, PROCESSED, SEND, Wallet, record, status

STANDS_STILL_MS = 60_000
CONFIRMED_LAG, FINALIZED_LAG = 2, 4
AMOUNT = 10_000_000  # lamports; enough to keep a new account alive


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(
        tmp_path_factory.mktemp("solana"),
        slot_ms=STANDS_STILL_MS,
        confirmed_lag=CONFIRMED_LAG,
        finalized_lag=FINALIZED_LAG,
    ) as running:
        yield running


def refusal(reply: dict[str, Any]) -> tuple[int, Any]:
    error = reply["error"]
    return error["code"], error["data"]["err"]


def test_a_transfer_is_seen_at_each_commitment_only_once_it_is_that_settled(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    signature = node.call("sendTransaction", wallet.sign_transfer(to, AMOUNT), SEND)
    assert status(node, signature) is None  # accepted is not landed
    seen = []
    for _ in range(FINALIZED_LAG + 1):
        node.advance(1)
        held = tuple(
            node.call("getBalance", str(to), {"commitment": view})["value"]
            for view in ("processed", "confirmed", "finalized")
        )
        seen.append((status(node, signature)["confirmationStatus"], status(node, signature)["confirmations"], held))
    assert seen == [
        ("processed", 0, (AMOUNT, 0, 0)),
        ("processed", 1, (AMOUNT, 0, 0)),
        ("confirmed", 2, (AMOUNT, AMOUNT, 0)),
        ("confirmed", 3, (AMOUNT, AMOUNT, 0)),
        ("finalized", None, (AMOUNT, AMOUNT, AMOUNT)),
    ]


def test_a_transaction_is_readable_only_from_the_commitment_it_has_reached(node: SolanaNode) -> None:
    wallet = Wallet(node)
    signature = node.call("sendTransaction", wallet.sign_transfer(Keypair().pubkey(), AMOUNT), SEND)
    asked = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
    node.advance(CONFIRMED_LAG)
    assert node.call("getTransaction", signature, asked) is None
    node.advance(1)
    assert record(node, signature, "confirmed")["meta"]["err"] is None
    assert node.call("getTransaction", signature, {**asked, "commitment": "finalized"}) is None
    assert node.reply("getTransaction", signature, {**asked, **PROCESSED})["error"]["code"] == -32602
    assert node.reply("getTransaction", signature, {"commitment": "confirmed"})["error"]["code"] == -32015


def test_slots_and_heights_differ_and_grow_together(node: SolanaNode) -> None:
    slot, height = node.call("getSlot", PROCESSED), node.call("getBlockHeight", PROCESSED)
    node.advance(3)
    assert node.call("getSlot", PROCESSED) == slot + 3
    assert node.call("getBlockHeight", PROCESSED) == height + 3
    assert slot > height
    assert node.call("getSlot", {"commitment": "confirmed"}) == slot + 3 - CONFIRMED_LAG
    assert node.call("getSlot") == slot + 3 - FINALIZED_LAG


def test_the_priority_fee_is_price_times_limit_rounded_up_beside_5000_a_signature(node: SolanaNode) -> None:
    wallet = Wallet(node)
    to = TransferParams(from_pubkey=wallet.address, to_pubkey=Keypair().pubkey(), lamports=AMOUNT)
    bid = [set_compute_unit_price(50_001), set_compute_unit_limit(20_001), transfer(to)]
    message = MessageV0.try_compile(wallet.address, bid, [], wallet.blockhash())
    asked = base64.b64encode(to_bytes_versioned(message)).decode()
    fee = 5000 + -(-50_001 * 20_001 // 1_000_000)
    assert node.call("getFeeForMessage", asked, PROCESSED)["value"] == fee
    assert wallet.land(*bid)["meta"]["fee"] == fee
    assert wallet.lamports("finalized") == 10**9 - AMOUNT - fee
    prices = node.call("getRecentPrioritizationFees", [str(wallet.address)])
    assert max(entry["prioritizationFee"] for entry in prices) == 50_001


def test_a_failed_transaction_lands_with_its_error_and_its_fee(node: SolanaNode) -> None:
    wallet = Wallet(node)
    too_much = TransferParams(from_pubkey=wallet.address, to_pubkey=Keypair().pubkey(), lamports=10**15)
    landed = wallet.land(transfer(too_much))
    assert landed["meta"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert landed["meta"]["preBalances"][0] - landed["meta"]["postBalances"][0] == 5000
    assert wallet.lamports("finalized") == 10**9 - 5000
    assert status(node, landed["transaction"]["signatures"][0])["err"] == landed["meta"]["err"]


def test_preflight_refuses_what_would_fail_and_nothing_is_charged(node: SolanaNode) -> None:
    wallet = Wallet(node)
    reply = node.reply("sendTransaction", wallet.sign_transfer(Keypair().pubkey(), 10**15), SEND)
    assert refusal(reply) == (-32002, {"InstructionError": [0, {"Custom": 1}]})
    assert reply["error"]["message"] == (
        "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert reply["error"]["data"]["logs"]
    node.advance(1)
    assert wallet.lamports() == 10**9


def test_the_same_bytes_land_once_and_are_then_called_processed_until_their_blockhash_dies(
    node: SolanaNode,
) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    bytes_sent = wallet.sign_transfer(to, AMOUNT)
    for _ in range(3):
        node.call("sendTransaction", bytes_sent, SEND)
    node.advance(1)
    assert refusal(node.reply("sendTransaction", bytes_sent, SEND)) == (-32002, "AlreadyProcessed")
    node.call("sendTransaction", bytes_sent, BLIND)  # past preflight, and still not twice
    node.advance(149)
    assert refusal(node.reply("sendTransaction", bytes_sent, SEND)) == (-32002, "AlreadyProcessed")
    node.advance(1)
    assert refusal(node.reply("sendTransaction", bytes_sent, SEND)) == (-32002, "BlockhashNotFound")
    node.call("sendTransaction", bytes_sent, BLIND)
    node.advance(1)
    assert node.call("getBalance", str(to), PROCESSED)["value"] == AMOUNT


def test_a_blockhash_may_be_used_up_to_its_last_valid_height_and_not_one_block_later(node: SolanaNode) -> None:
    wallet = Wallet(node)
    latest = node.call("getLatestBlockhash", PROCESSED)["value"]
    blockhash = wallet.blockhash()
    early, late = (Keypair().pubkey() for _ in range(2))
    node.advance(latest["lastValidBlockHeight"] - node.call("getBlockHeight", PROCESSED) - 1)
    node.call("sendTransaction", wallet.sign_transfer(early, AMOUNT, blockhash), BLIND)
    node.advance(1)
    assert node.call("getBlockHeight", PROCESSED) == latest["lastValidBlockHeight"]
    assert node.call("isBlockhashValid", latest["blockhash"], PROCESSED)["value"] is True
    signature = node.call("sendTransaction", wallet.sign_transfer(late, AMOUNT, blockhash), BLIND)
    node.advance(1)
    assert node.call("isBlockhashValid", latest["blockhash"], PROCESSED)["value"] is False
    assert node.call("getBalance", str(early), PROCESSED)["value"] == AMOUNT
    assert node.call("getBalance", str(late), PROCESSED)["value"] == 0
    assert status(node, signature) is None
    assert node.log()[-1]["outcome"] == "dropped: BlockhashNotFound"


def test_a_blockhash_newer_than_the_preflight_view_is_unknown_to_it(node: SolanaNode) -> None:
    wallet = Wallet(node)
    node.advance(1)
    bytes_sent = wallet.sign_transfer(Keypair().pubkey(), AMOUNT)
    reply = node.reply("sendTransaction", bytes_sent, {"encoding": "base64"})  # preflight at finalized
    assert refusal(reply) == (-32002, "BlockhashNotFound")
    assert reply["error"]["message"] == "Transaction simulation failed: Blockhash not found"
    node.call("sendTransaction", bytes_sent, SEND)


def test_a_signature_of_another_key_is_refused(node: SolanaNode) -> None:
    wallet = Wallet(node)
    to = TransferParams(from_pubkey=wallet.address, to_pubkey=Keypair().pubkey(), lamports=AMOUNT)
    message = MessageV0.try_compile(wallet.address, [transfer(to)], [], wallet.blockhash())
    forged = VersionedTransaction.populate(message, [Keypair().sign_message(bytes(message))])
    for settings in ({"skipPreflight": True}, PROCESSED):
        assert node.reply("sendTransaction", base58.encode(bytes(forged)), settings)["error"]["code"] == -32003
    node.advance(1)
    assert wallet.lamports() == 10**9


def test_simulation_tells_the_accounts_afterwards_and_changes_nothing(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    asked = {
        **PROCESSED,
        "encoding": "base64",
        "sigVerify": True,
        "accounts": {"encoding": "base64", "addresses": [str(wallet.address), str(to)]},
    }
    told = node.call("simulateTransaction", wallet.sign_transfer(to, AMOUNT), asked)["value"]
    assert [account["lamports"] for account in told["accounts"]] == [10**9 - AMOUNT - 5000, AMOUNT]
    assert told["err"] is None
    assert told["unitsConsumed"] == 150
    assert node.call("getBalance", str(to), PROCESSED)["value"] == 0
    stale = wallet.sign_transfer(to, AMOUNT, blockhash=type(wallet.blockhash()).default())
    settings = {**PROCESSED, "encoding": "base64"}
    assert node.call("simulateTransaction", stale, settings)["value"]["err"] == "BlockhashNotFound"
    replaced = {**settings, "replaceRecentBlockhash": True}
    assert node.call("simulateTransaction", stale, replaced)["value"]["err"] is None


def test_simulation_runs_on_the_view_it_names(node: SolanaNode) -> None:
    rich, poor = Wallet(node), Wallet(node, lamports=0)
    node.call("sendTransaction", rich.sign_transfer(poor.address, AMOUNT), SEND)
    node.advance(1)
    bytes_asked = poor.sign_transfer(Keypair().pubkey(), AMOUNT // 2)
    asked = {"encoding": "base64", "replaceRecentBlockhash": True}
    errors = [
        node.call("simulateTransaction", bytes_asked, {**asked, "commitment": view})["value"]["err"]
        for view in ("processed", "finalized")
    ]
    assert errors[1] == "AccountNotFound"
    assert errors[0] != "AccountNotFound"
    assert poor.lamports() == AMOUNT


def test_given_tokens_are_listed_for_their_owner_at_every_commitment(node: SolanaNode) -> None:
    wallet = Wallet(node)
    node.give_tokens(wallet.address, USDC_MINT, 5_000_000)
    node.give_tokens(wallet.address, USDC_MINT, 250_000)
    node.give_tokens(wallet.address, WSOL_MINT, 7)
    at = str(associated_token_account(wallet.address, USDC_MINT))
    for view in ("processed", "finalized"):
        asked = {"commitment": view, "encoding": "jsonParsed"}
        (held,) = node.call("getTokenAccountsByOwner", str(wallet.address), {"mint": str(USDC_MINT)}, asked)["value"]
        amount = held["account"]["data"]["parsed"]["info"]["tokenAmount"]
        assert (held["pubkey"], amount["amount"], amount["uiAmountString"]) == (at, "5250000", "5.25")
        assert node.call("getTokenAccountBalance", at, {"commitment": view})["value"]["amount"] == "5250000"


def test_a_gift_is_seen_at_every_commitment_even_while_the_account_is_changing(node: SolanaNode) -> None:
    wallet = Wallet(node)
    node.call("sendTransaction", wallet.sign_transfer(Keypair().pubkey(), AMOUNT), SEND)
    node.advance(1)
    node.give_lamports(wallet.address, 5 * 10**9)
    held = 6 * 10**9 - AMOUNT - 5000
    assert [wallet.lamports(view) for view in ("processed", "confirmed", "finalized")] == [held] * 3


def test_the_chains_own_record_names_every_transaction_received(node: SolanaNode) -> None:
    wallet = Wallet(node)
    bytes_sent = wallet.sign_transfer(Keypair().pubkey(), AMOUNT)
    signature = node.call("sendTransaction", bytes_sent, SEND)
    entry = node.log()[-1]
    assert (entry["signature"], entry["outcome"], entry["slot"]) == (signature, "pending", None)
    assert entry["sha256"] == hashlib.sha256(base64.b64decode(bytes_sent)).hexdigest()
    node.advance(1)
    assert (node.log()[-1]["outcome"], node.log()[-1]["slot"]) == ("landed", node.call("getSlot", PROCESSED))


def test_history_of_an_address_is_paged_newest_first(node: SolanaNode) -> None:
    wallet = Wallet(node)
    signatures: list[str] = []
    for _ in range(3):
        to = TransferParams(from_pubkey=wallet.address, to_pubkey=Keypair().pubkey(), lamports=AMOUNT)
        signatures.insert(0, wallet.land(transfer(to))["transaction"]["signatures"][0])
    listed = node.call("getSignaturesForAddress", str(wallet.address))
    assert [entry["signature"] for entry in listed] == signatures
    older = node.call("getSignaturesForAddress", str(wallet.address), {"before": signatures[0], "limit": 1})
    assert [entry["signature"] for entry in older] == signatures[1:2]
    newer = node.call("getSignaturesForAddress", str(wallet.address), {"until": signatures[2]})
    assert [entry["signature"] for entry in newer] == signatures[:2]


def test_an_old_status_needs_a_search_of_history(node: SolanaNode) -> None:
    wallet = Wallet(node)
    to = TransferParams(from_pubkey=wallet.address, to_pubkey=Keypair().pubkey(), lamports=AMOUNT)
    signature = wallet.land(transfer(to))["transaction"]["signatures"][0]
    node.advance(300)
    assert status(node, signature, search=False) is None
    assert status(node, signature, search=True)["confirmationStatus"] == "finalized"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("getTea", [], -32601),
        ("getBalance", ["not an address"], -32602),
        ("getBalance", [], -32602),
        ("getSlot", [{"commitment": "surely"}], -32602),
        ("getSlot", [{"minContextSlot": 2**40}], -32016),
        ("sendTransaction", ["AAAA", {"encoding": "base64"}], -32602),
        ("sendTransaction", ["A" * 1800, {"encoding": "base64"}], -32602),
        ("getSignatureStatuses", [["1" * 64] * 257], -32602),
        ("getBlockTime", [1], -32004),
    ],
)
def test_a_bad_call_gets_the_code_a_validator_would_give(
    node: SolanaNode, method: str, params: list[Any], code: int
) -> None:
    assert node.reply(method, *params)["error"]["code"] == code


def test_it_plays_mainnet(node: SolanaNode) -> None:
    assert node.call("getGenesisHash") == MAINNET_GENESIS_HASH
    assert node.call("getHealth") == "ok"
    assert node.call("getMinimumBalanceForRentExemption", 165) == 2_039_280
    assert node.call("getAccountInfo", str(Pubkey.default()), {"encoding": "base64"})["value"]["executable"]
