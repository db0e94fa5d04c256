"""The pool at Jupiter's program id settles all four swap forms to the unit, over JSON-RPC."""

import base64
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    JUPITER_PROGRAM,
    TOKEN_PROGRAM,
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
    jupiter_event_authority,
    jupiter_program_authority,
)
from infra.devnet.solana.machine import POOL_BINARY
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import PROCESSED, Wallet

FORMS = ["route", "route_v2", "shared_accounts_route", "shared_accounts_route_v2"]
USDC, SOL = 10**6, 10**9
POOL_USDC, POOL_SOL = 2_000_000 * USDC, 10_000 * SOL
HELD = 5_000 * USDC
PLAN_V1 = struct.pack("<IBBBB", 1, 7, 100, 0, 1)  # one step, Raydium, 100 %, token 0 → 1
PLAN_V2 = struct.pack("<IBHBB", 1, 7, 10_000, 0, 1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(tmp_path_factory.mktemp("solana"), slot_ms=60_000) as node:
        yield node


@pytest.fixture
def node(running: SolanaNode) -> SolanaNode:
    running.set_pool(POOL_USDC, POOL_SOL)
    return running


def rule(reserve_in: int, reserve_out: int, amount: int) -> int:
    """What the pool pays: a fee of 30 bps rounded up, then x × y = k rounded down."""
    kept = amount - -(-amount * 30 // 10_000)
    return reserve_out * kept // (reserve_in + kept)


@dataclass(frozen=True, slots=True)
class Terms:
    """The arguments of a swap, base units."""

    amount: int
    quoted: int
    slippage_bps: int = 0
    fee_bps: int = 0
    steps: bool = True


class Trader(Wallet):
    """A wallet with tokens that swaps `sold` for `bought`."""

    def __init__(self, node: SolanaNode, sold: Pubkey = USDC_MINT, bought: Pubkey = WSOL_MINT) -> None:
        super().__init__(node)
        self.sold, self.bought = sold, bought
        node.give_tokens(self.address, sold, HELD)
        node.give_tokens(self.address, bought, 0)
        authority = jupiter_program_authority(0)
        self.accounts = {
            "user": self.address,
            "authority": authority,
            "source": associated_token_account(self.address, sold),
            "destination": associated_token_account(self.address, bought),
            "vault_in": associated_token_account(authority, sold),
            "vault_out": associated_token_account(authority, bought),
            "token": TOKEN_PROGRAM,
        }

    def amounts(self) -> list[int]:
        """Of the source, the destination, and the two vaults."""
        names = ("source", "destination", "vault_in", "vault_out")
        return [self.amount(self.accounts[name]) for name in names]

    def amount(self, account: Pubkey) -> int:
        asked = self.node.call("getTokenAccountBalance", str(account), PROCESSED)
        return int(asked["value"]["amount"])

    def swap(self, form: str, terms: Terms, signs: bool = True, **instead: Pubkey) -> Instruction:
        named = {**self.accounts, **instead}
        return Instruction(JUPITER_PROGRAM, data_of(form, terms), self._metas(form, named, signs))

    def _metas(self, form: str, named: dict[str, Pubkey], signs: bool) -> list[AccountMeta]:
        def read(key: Pubkey) -> AccountMeta:
            return AccountMeta(key, is_signer=False, is_writable=False)

        def write(name: str) -> AccountMeta:
            return AccountMeta(named[name], is_signer=False, is_writable=True)

        user = AccountMeta(named["user"], is_signer=signs, is_writable=False)
        token, authority = read(named["token"]), read(named["authority"])
        none, program, event = read(JUPITER_PROGRAM), read(JUPITER_PROGRAM), read(jupiter_event_authority())
        sold, bought = read(self.sold), read(self.bought)
        source, destination = write("source"), write("destination")
        other = write("other") if "other" in named else none
        pool = [write("vault_in"), write("vault_out")]
        match form:
            case "route":
                head = [token, user, source, destination, other, bought, none, event, program]
                return [*head, authority, *pool]
            case "route_v2":
                head = [user, source, destination, sold, bought, token, token, other, event, program]
                return [*head, authority, *pool]
            case "shared_accounts_route":
                head = [token, authority, user, source, *pool, destination, sold, bought]
                return [*head, none, none, event, program]
            case _:
                head = [authority, user, source, *pool, destination, sold, bought]
                return [*head, token, token, event, program]


def data_of(form: str, terms: Terms) -> bytes:
    name = hashlib.sha256(b"global:" + form.encode()).digest()[:8]
    pool_id = b"\0" if "shared" in form else b""
    if form.endswith("v2"):
        plan = PLAN_V2 if terms.steps else bytes(4)
        numbers = struct.pack("<QQHHH", terms.amount, terms.quoted, terms.slippage_bps, terms.fee_bps, 0)
        return name + pool_id + numbers + plan
    plan = PLAN_V1 if terms.steps else bytes(4)
    numbers = struct.pack("<QQHB", terms.amount, terms.quoted, terms.slippage_bps, terms.fee_bps)
    return name + pool_id + plan + numbers


def token_changes(landed: dict[str, Any]) -> dict[tuple[str, str], int]:
    """(owner, mint) → base units gained, from the record of a transaction."""
    changes: dict[tuple[str, str], int] = {}
    for sign, side in ((-1, "preTokenBalances"), (1, "postTokenBalances")):
        for entry in landed["meta"][side]:
            key = entry["owner"], entry["mint"]
            changes[key] = changes.get(key, 0) + sign * int(entry["uiTokenAmount"]["amount"])
    return changes


def custom_error(trader: Trader, swap: Instruction) -> Any:
    """The program's error code, as preflight tells it."""
    asked = {**PROCESSED, "encoding": "base64"}
    error = trader.node.call("simulateTransaction", trader.sign(swap), asked)["value"]["err"]
    assert error is not None, "it would succeed"
    return error["InstructionError"][1]["Custom"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("sold", "bought"), [(USDC_MINT, WSOL_MINT), (WSOL_MINT, USDC_MINT)])
def test_a_swap_settles_to_the_unit_and_its_simulation_is_an_exact_quote(
    node: SolanaNode, form: str, sold: Pubkey, bought: Pubkey
) -> None:
    trader, amount = Trader(node, sold, bought), HELD // 5
    before = trader.amounts()
    out = rule(before[2], before[3], amount)
    swap = trader.swap(form, Terms(amount, quoted=out))
    asked = {**PROCESSED, "encoding": "base64", "sigVerify": True}
    told = node.call("simulateTransaction", trader.sign(swap), asked)["value"]
    assert int.from_bytes(base64.b64decode(told["returnData"]["data"][0]), "little") == out
    landed = trader.land(swap)
    assert landed["meta"]["err"] is None
    assert trader.amounts() == [before[0] - amount, before[1] + out, before[2] + amount, before[3] - out]
    pool, user = str(trader.accounts["authority"]), str(trader.address)
    assert token_changes(landed) == {
        (user, str(sold)): -amount,
        (user, str(bought)): out,
        (pool, str(sold)): amount,
        (pool, str(bought)): -out,
    }
    assert trader.lamports() == 10**9 - landed["meta"]["fee"]


@pytest.mark.parametrize("form", FORMS)
def test_slippage_is_allowed_to_the_unit_and_not_one_further(node: SolanaNode, form: str) -> None:
    trader, amount, slippage_bps = Trader(node), 1_000 * USDC, 137
    best = rule(POOL_USDC, POOL_SOL, amount) * 10_000 // (10_000 - slippage_bps)
    assert custom_error(trader, trader.swap(form, Terms(amount, best + 1, slippage_bps))) == 6001
    assert trader.land(trader.swap(form, Terms(amount, best, slippage_bps)))["meta"]["err"] is None


def test_a_stale_quote_fails_on_chain_costs_the_fee_and_moves_no_token(node: SolanaNode) -> None:
    trader, amount = Trader(node), 1_000 * USDC
    swap = trader.swap("route", Terms(amount, rule(POOL_USDC, POOL_SOL, amount), slippage_bps=50))
    node.set_pool(POOL_USDC * 2, POOL_SOL)
    before = trader.amounts()
    landed = trader.land(swap)
    assert landed["meta"]["err"] == {"InstructionError": [0, {"Custom": 6001}]}
    assert any("SlippageToleranceExceeded" in line for line in landed["meta"]["logMessages"])
    assert trader.amounts() == before
    assert trader.lamports() == 10**9 - 5000


@pytest.mark.parametrize("form", FORMS)
def test_wrong_parties_and_terms_are_refused_with_their_codes(node: SolanaNode, form: str) -> None:
    trader, thief, amount = Trader(node), Trader(node), 1_000 * USDC
    terms = Terms(amount, quoted=1)
    theirs = thief.accounts["source"]
    refused = {
        "the source is another's": (trader.swap(form, terms, source=theirs), 4),
        "the user did not sign": (trader.swap(form, terms, signs=False, user=thief.address), 3010),
        "another authority": (trader.swap(form, terms, authority=jupiter_program_authority(5)), 6020),
        "a vault of one's own": (trader.swap(form, terms, vault_in=theirs), 6025),
        "one vault twice": (trader.swap(form, terms, vault_in=trader.accounts["vault_out"]), 6018),
        "the wrong mint": (trader.swap(form, terms, destination=trader.accounts["source"]), 3),
        "not the token program": (trader.swap(form, terms, token=ASSOCIATED_TOKEN_PROGRAM), 6014),
        "more than there is": (trader.swap(form, Terms(HELD + 1, quoted=1)), 1),
        "an impossible slippage": (trader.swap(form, Terms(amount, 1, slippage_bps=10_001)), 6004),
        "a platform fee": (trader.swap(form, Terms(amount, 1, fee_bps=1)), 6003),
        "no steps": (trader.swap(form, Terms(amount, 1, steps=False)), 6000),
    }
    assert {name: custom_error(trader, swap) for name, (swap, _) in refused.items()} == {
        name: code for name, (_, code) in refused.items()
    }
    assert trader.land(trader.swap(form, terms))["meta"]["err"] is None


@pytest.mark.parametrize("form", FORMS[:2])
def test_the_optional_destination_receives_instead(node: SolanaNode, form: str) -> None:
    trader, friend, amount = Trader(node), Keypair().pubkey(), 1_000 * USDC
    node.give_tokens(friend, WSOL_MINT, 0)
    account = associated_token_account(friend, WSOL_MINT)
    out = rule(POOL_USDC, POOL_SOL, amount)
    assert trader.land(trader.swap(form, Terms(amount, out), other=account))["meta"]["err"] is None
    assert (trader.amounts()[1], trader.amount(account)) == (0, out)


def test_the_committed_binary_is_the_one_the_readme_names() -> None:
    readme = (Path(POOL_BINARY).parent / "README.md").read_text()
    named = re.search(r"[0-9a-f]{64}", readme)
    assert named is not None
    assert hashlib.sha256(POOL_BINARY.read_bytes()).hexdigest() == named.group()


def test_jupiters_event_authority_is_the_one_of_mainnet() -> None:
    assert str(jupiter_event_authority()) == "D8cy77BBepLMngZx6ZukaTff5hCt1HrWyKk3Hnd9oitf"
