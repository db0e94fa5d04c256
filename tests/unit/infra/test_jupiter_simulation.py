"""The signer's second look: what a node's simulation shows of the wallet, told by a scripted node."""

import base64
import json
from typing import Any

import httpx
import pytest
from solders.account import Account

from domain.assets import SOL, SOLANA_USDC
from domain.errors import ChainUnavailable
from domain.intents import Intent, Leg, LegKind, Objection, Quote, Refusal, Slot, least_acceptable
from domain.money import Amount
from infra.chains.solana.addresses import SYSTEM_PROGRAM, USDC_MINT, WSOL_MINT, associated_token_account
from infra.chains.solana.rpc import SolanaRpc
from infra.devnet.solana.tokens import token_account
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Unsigned
from tests.unit.infra.jupiter_bytes import BLOCKHASH, WALLET, both_ways, message_of

SWAP = both_ways("route_v2")[0]  # 50 USDC for 0.249 SOL
ME = WALLET.pubkey()
INTENT = Intent(Amount(SWAP.amount, SOLANA_USDC), SOL, 50, str(ME))
QUOTE = Quote(INTENT.sell, Amount(SWAP.quoted, SOL), Amount(least_acceptable(SWAP.quoted, 50), SOL))
FEE = 8_000
Held = dict[str, Account | None]


def held(lamports: int, usdc: int) -> Held:
    return {
        str(ME): Account(lamports, b"", SYSTEM_PROGRAM),
        str(associated_token_account(ME, USDC_MINT)): token_account(USDC_MINT, ME, usdc),
        str(associated_token_account(ME, WSOL_MINT)): None,
    }


def told(account: Account | None) -> dict[str, Any] | None:
    if account is None:
        return None
    data = [base64.b64encode(account.data).decode(), "base64"]
    return {"lamports": account.lamports, "owner": str(account.owner), "data": data}


class Node:
    """Shows `before` to the first reading of accounts, `later` to the next; simulates into `after`."""

    def __init__(self, before: Held, after: Held, later: Held | None = None, **simulation: Any) -> None:
        self.readings = [before, later or before]
        self.after, self.simulation = after, simulation

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["method"] == "getMultipleAccounts":
            shown = self.readings.pop(0)
            value: Any = [told(shown.get(key)) for key in body["params"][0]]
        else:
            assert body["params"][1]["replaceRecentBlockhash"] is False
            asked = body["params"][1]["accounts"]["addresses"]
            accounts = [told(self.after.get(key)) for key in asked]
            value = {"err": None, "logs": [], "unitsConsumed": 1, "accounts": accounts, **self.simulation}
        result = {"context": {"slot": 1}, "value": value}
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": result})


async def examined(node: Node) -> tuple[Refusal, ...]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(node)) as http:
        venue = JupiterVenue(JupiterApi("http://jupiter.test", http), SolanaRpc(("http://node.test",), http))
        message = Unsigned(message_of(SWAP.instructions()))
        return await venue.examine(Leg(1, LegKind.SWAP, INTENT), QUOTE, Slot(str(BLOCKHASH), 1), message)


BEFORE = held(10**9, 70_000_000)
GOOD = held(10**9 + QUOTE.minimum.base - FEE, 20_000_000)


async def test_a_simulation_that_pays_the_minimum_is_enough() -> None:
    assert await examined(Node(BEFORE, GOOD)) == ()


@pytest.mark.parametrize(
    "after",
    [
        held(10**9 + QUOTE.minimum.base - FEE - 1, 20_000_000),
        held(10**9 + QUOTE.minimum.base - FEE, 19_999_999),
        {**GOOD, str(ME): None},
    ],
)
async def test_a_simulation_that_costs_a_unit_more_is_refused(after: Held) -> None:
    assert {one.objection for one in await examined(Node(BEFORE, after))} == {Objection.BALANCES_DIFFER}


async def test_a_simulation_that_fails_is_refused() -> None:
    (refusal,) = await examined(Node(BEFORE, GOOD, err={"InstructionError": [3, {"Custom": 6001}]}))
    assert refusal.objection is Objection.SIMULATION_FAILED


async def test_a_simulation_that_hides_accounts_is_no_answer() -> None:
    shown: list[list[Any] | None] = [None, []]
    for accounts in shown:
        with pytest.raises(ChainUnavailable):
            await examined(Node(BEFORE, GOOD, accounts=accounts))


async def test_a_wallet_that_moved_meanwhile_is_examined_again_and_not_refused() -> None:
    spent = held(10**9, 60_000_000)
    after = held(10**9 + QUOTE.minimum.base - FEE, 10_000_000)
    with pytest.raises(ChainUnavailable):
        await examined(Node(BEFORE, after, later=spent))
