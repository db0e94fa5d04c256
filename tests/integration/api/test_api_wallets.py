"""Wallets over HTTP."""

import asyncio

import pytest

from domain import assets
from domain.errors import IntegrityBroken
from domain.money import Amount
from tests.integration.api.conftest import Member, World, told_field


async def test_the_same_key_makes_one_wallet(world: World, alice: Member) -> None:
    before = await world.count("wallet")
    async with world.executor(), world.key_maker():
        calls = [
            alice.http.post("/wallets", json={"family": "solana"}, headers={"Idempotency-Key": "w"}) for _ in range(3)
        ]
        answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["address"] for answer in answers}) == 1
    assert await world.count("wallet") == before + 1
    wallet = answers[0].json()
    assert (await alice.http.get(f"/wallets/{wallet['id']}")).json() == wallet
    assert "sealed" not in answers[0].text


@pytest.mark.parametrize(
    ("body", "field"),
    [({"family": "bitcoin"}, "family"), ({}, "family"), ({"family": "solana", "address": "x"}, "address")],
)
async def test_a_wallet_of_no_known_family_is_refused(alice: Member, body: dict[str, str], field: str) -> None:
    answer = await alice.http.post("/wallets", json=body, headers={"Idempotency-Key": "w"})
    assert answer.status_code == 422
    assert told_field(answer) == [field]


async def test_making_a_wallet_needs_an_idempotency_key(alice: Member) -> None:
    answer = await alice.http.post("/wallets", json={"family": "solana"})
    assert told_field(answer) == ["Idempotency-Key"]


async def test_balances_of_chain_and_book_stand_side_by_side(world: World, alice: Member) -> None:
    world.venue.fund(alice.address, Amount(1_500_000, assets.SOLANA_USDC))
    answer = (await alice.http.get(f"/wallets/{alice.wallet_id}/balances")).json()
    usdc = next(balance for balance in answer["balances"] if balance["asset"] == "USDC")
    assert (usdc["chain"]["amount"], usdc["chain"]["base"]) == ("1.5", "1500000")
    assert usdc["book"]["amount"] == usdc["held"]["amount"] == "0"
    assert usdc["difference"]["amount"] == "1.5"


async def test_balances_are_not_guessed_while_the_chain_is_silent(world: World, alice: Member) -> None:
    world.venue.down = True
    answer = await alice.http.get(f"/wallets/{alice.wallet_id}/balances")
    assert (answer.status_code, answer.json()["code"]) == (503, "CHAIN_UNAVAILABLE")


async def test_freezing_needs_a_reason_and_blocks_the_wallets_rules(alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    path = f"/wallets/{alice.wallet_id}"
    for body in ({}, {"reason": ""}, {"reason": "nul\u0000"}, {"reason": 1}):
        assert told_field(await alice.http.post(f"{path}/freeze", json=body)) == ["reason"]
    frozen = await alice.http.post(f"{path}/freeze", json={"reason": "key may be known"})
    assert frozen.json()["frozen"] is True
    assert (await alice.http.post(f"/rules/{rule_id}/explain")).json()["codes"] == ["WALLET_FROZEN"]
    assert (await alice.http.post(f"{path}/unfreeze", json={"reason": "it is not"})).json()["frozen"] is False


ACCOUNT = "9LqzSa8XhMGJm2h4jBqXvqTjQ2mJ1xGTxyZ7M9YbQe1u"


async def test_a_durable_nonce_is_set_and_cleared(alice: Member) -> None:
    path = f"/wallets/{alice.wallet_id}"
    assert (await alice.http.post(f"{path}/durable-nonce", json={"account": ACCOUNT})).status_code == 200
    assert (await alice.http.get(path)).json()["durable_nonce"] == ACCOUNT
    assert (await alice.http.post(f"{path}/durable-nonce", json={"account": None})).json()["durable_nonce"] is None


@pytest.mark.parametrize("account", ["", "x", 0, "0" * 40])
async def test_what_is_no_address_is_no_nonce_account(alice: Member, account: object) -> None:
    answer = await alice.http.post(f"/wallets/{alice.wallet_id}/durable-nonce", json={"account": account})
    assert told_field(answer) == ["account"]


async def test_a_nonce_account_that_the_chain_does_not_confirm_is_not_set(
    world: World, alice: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def foreign(self: object, wallet: object) -> None:
        raise IntegrityBroken("its authority is a stranger")

    path = f"/wallets/{alice.wallet_id}"
    world.venue.down = True
    answer = await alice.http.post(f"{path}/durable-nonce", json={"account": ACCOUNT})
    assert (answer.status_code, answer.json()["code"]) == (503, "CHAIN_UNAVAILABLE")
    monkeypatch.setattr(type(world.venue), "slot", foreign)
    answer = await alice.http.post(f"{path}/durable-nonce", json={"account": ACCOUNT})
    assert told_field(answer) == ["account"]
    assert "its authority is a stranger" in answer.text
    assert (await alice.http.get(path)).json()["durable_nonce"] is None
