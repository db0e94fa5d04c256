"""The Jupiter stand-in speaks Jupiter's wire, and its transactions run on the chain."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.keypair import Keypair
from solders.message import to_bytes_versioned
from solders.transaction import VersionedTransaction

from infra.chains.solana.addresses import USDC_MINT, WSOL_MINT, associated_token_account
from tests.world.jupiter import JupiterExchange, jupiter_exchange
from tests.world.solana import SolanaNode, solana_node

DEADLINE_S = 30
FORMS = ["route_v2", "route", "shared_accounts_route", "shared_accounts_route_v2"]


@dataclass(frozen=True, slots=True)
class Trader:
    """A key with money, and the two services it talks to."""

    node: SolanaNode
    jupiter: JupiterExchange
    key: Keypair

    def pair(self, **more: str) -> dict[str, str]:
        return {"inputMint": str(USDC_MINT), "outputMint": str(WSOL_MINT), "amount": "50000000", **more}

    def taken(self, **more: str) -> dict[str, str]:
        return self.pair(taker=str(self.key.pubkey()), **more)

    def get(self, path: str, query: dict[str, str], **headers: str) -> httpx.Response:
        return httpx.get(self.jupiter.url + path, params=query, headers=headers, timeout=DEADLINE_S)

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(self.jupiter.url + path, json=body, timeout=DEADLINE_S)

    def signed(self, unsigned: str) -> str:
        message = VersionedTransaction.from_bytes(base64.b64decode(unsigned)).message
        signature = self.key.sign_message(bytes(to_bytes_versioned(message)))
        return base64.b64encode(bytes(VersionedTransaction.populate(message, [signature]))).decode()

    def usdc(self) -> int:
        account = str(associated_token_account(self.key.pubkey(), USDC_MINT))
        answer = self.node.call("getTokenAccountBalance", account, {"commitment": "confirmed"})
        return int(answer["value"]["amount"])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SolanaNode, JupiterExchange]]:
    directory = Path(tmp_path_factory.mktemp("jupiter"))
    with solana_node(directory / "solana") as node, jupiter_exchange(directory, node.rpc_url) as jupiter:
        yield node, jupiter


@pytest.fixture
def trader(parts: tuple[SolanaNode, JupiterExchange]) -> Trader:
    """10 SOL, 1,000 USDC; Jupiter honest."""
    node, jupiter = parts
    jupiter.lie("none")
    jupiter.form("route_v2")
    key = Keypair()
    node.give_lamports(key.pubkey(), 10 * 10**9)
    node.give_tokens(key.pubkey(), USDC_MINT, 1_000 * 10**6)
    return Trader(node, jupiter, key)


@pytest.mark.parametrize("form", FORMS)
def test_an_order_signed_and_executed_moves_the_money(trader: Trader, form: str) -> None:
    trader.jupiter.form(form)
    order = trader.get("/swap/v2/order", trader.taken(slippageBps="50")).raise_for_status().json()
    assert order["signatureFeePayer"] == order["taker"] == str(trader.key.pubkey())
    body = {"signedTransaction": trader.signed(order["transaction"]), "requestId": order["requestId"]}
    done = trader.post("/swap/v2/execute", body).raise_for_status().json()
    assert (done["status"], done["code"]) == ("Success", 0)
    assert trader.usdc() == 950 * 10**6
    again = trader.post("/swap/v2/execute", body).raise_for_status().json()
    assert again["signature"] == done["signature"]
    assert trader.usdc() == 950 * 10**6


def test_an_order_without_a_taker_is_a_price_alone(trader: Trader) -> None:
    order = trader.get("/swap/v2/order", trader.pair()).raise_for_status().json()
    assert order["transaction"] is None
    assert int(order["otherAmountThreshold"]) <= int(order["outAmount"])
    assert isinstance(order["lastValidBlockHeight"], str)


def test_an_order_beyond_the_takers_means_has_no_transaction(trader: Trader) -> None:
    query = trader.taken()
    order = trader.get("/swap/v2/order", {**query, "amount": "1000000001"}).raise_for_status().json()
    assert (order["transaction"], order["router"], order["errorCode"]) == ("", "metis", 1)


def test_execute_knows_only_its_own_orders_and_whole_signatures(trader: Trader) -> None:
    order = trader.get("/swap/v2/order", trader.taken()).raise_for_status().json()
    unknown = {"signedTransaction": order["transaction"], "requestId": "another"}
    unsigned = {"signedTransaction": order["transaction"], "requestId": order["requestId"]}
    noise = {"signedTransaction": "bm9pc2U=", "requestId": order["requestId"]}
    for body, code in ((unknown, -1), (unsigned, -1003), (noise, -2)):
        answer = trader.post("/swap/v2/execute", body)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_v1_quote_becomes_a_transaction(trader: Trader) -> None:
    quote = trader.get("/swap/v1/quote", trader.pair(slippageBps="50")).raise_for_status().json()
    body = {"userPublicKey": str(trader.key.pubkey()), "quoteResponse": quote}
    swap = trader.post("/swap/v1/swap", body).raise_for_status().json()
    assert isinstance(swap["lastValidBlockHeight"], int)
    trader.node.call(
        "sendTransaction",
        trader.signed(swap["swapTransaction"]),
        {"encoding": "base64", "preflightCommitment": "confirmed"},
    )
    parts = trader.post("/swap/v1/swap-instructions", body).raise_for_status().json()
    assert parts["swapInstruction"]["programId"].startswith("JUP6")
    assert parts["addressLookupTableAddresses"] == []


def test_the_price_is_that_of_the_pool_at_this_moment(trader: Trader) -> None:
    trader.node.set_pool(usdc=1_000_000 * 10**6, sol=10_000 * 10**9)
    dear = trader.get("/swap/v1/quote", trader.pair()).json()
    trader.node.set_pool(usdc=2_000_000 * 10**6, sol=10_000 * 10**9)
    cheap = trader.get("/swap/v1/quote", trader.pair()).json()
    # 50 USDC less 30 bps is 49.85; 49.85 of 1,000,049.85 or of 2,000,049.85 USDC, times 10,000 SOL, rounded down.
    assert (dear["outAmount"], cheap["outAmount"]) == ("498475151", "249243787")


def test_a_build_names_the_blockhash_in_bytes_and_the_price_alone(trader: Trader) -> None:
    built = trader.get("/swap/v2/build", trader.taken()).raise_for_status().json()
    assert len(built["blockhashWithMetadata"]["blockhash"]) == 32
    (price,) = built["computeBudgetInstructions"]
    assert base64.b64decode(price["data"])[:1] == b"\x03"
    assert built["cleanupInstruction"] is not None


def test_a_lie_ends_after_the_calls_it_was_ordered_for(trader: Trader) -> None:
    honest = trader.get("/swap/v2/build", trader.taken()).json()["swapInstruction"]
    trader.jupiter.lie("worse_price", calls=1)
    first, second = (trader.get("/swap/v2/build", trader.taken()).json()["swapInstruction"] for _ in range(2))
    assert first != honest
    assert second == honest


def test_a_foreign_fee_payer_shows_in_an_order(trader: Trader) -> None:
    trader.jupiter.lie("foreign_fee_payer")
    order = trader.get("/swap/v2/order", trader.taken()).json()
    assert order["signatureFeePayer"] != str(trader.key.pubkey())


def test_any_key_but_the_wrong_one_is_let_in_and_told_its_limits(trader: Trader) -> None:
    answer = trader.get("/swap/v2/order", trader.pair(), **{"x-api-key": "mine"})
    assert int(answer.headers["x-ratelimit-remaining"]) > 0
    assert answer.headers["x-api-gateway-request-id"]
    assert trader.get("/swap/v2/order", trader.pair(), **{"x-api-key": "wrong"}).status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"amount": "0"}, {"amount": "x"}, {"slippageBps": "10001"}, {"taker": "me"}, {"outputMint": str(USDC_MINT)}],
)
def test_a_request_that_makes_no_sense_is_refused(trader: Trader, change: dict[str, str]) -> None:
    assert trader.get("/swap/v2/build", {**trader.taken(), **change}).status_code == 400


def test_doors_refuse_what_they_do_not_know(trader: Trader) -> None:
    for door, body in (("lies", {"lie": "white"}), ("form", {"form": "exact_out_route"})):
        answer = httpx.put(f"{trader.jupiter.url}/_control/{door}", json=body, timeout=DEADLINE_S)
        assert answer.status_code == 422


def test_a_fault_is_met_once(trader: Trader) -> None:
    trader.jupiter.fault(match="/swap/v2/order", mode="status", status=429, retry_after_s=3)
    limited = trader.get("/swap/v2/order", trader.pair())
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert trader.get("/swap/v2/order", trader.pair()).status_code == 200
