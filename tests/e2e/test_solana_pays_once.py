"""What only Solana does to a payment, done to the whole product: a confirmed block dies, a nonce does not age."""

from typing import Any

from tests.e2e.conftest import FINALIZED_LAG
from tests.e2e.trader import Trader
from tests.world.conditions import until

FAR_FROM_FINAL = 100  # slots: ten seconds in which a test can act


async def rpc(trader: Trader, method: str, *params: Any) -> Any:
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return (await trader.http.post(trader.places.solana, json=call)).json()["result"]


async def control(trader: Trader, door: str, **body: Any) -> Any:
    answer = await trader.http.put(f"{trader.places.solana}/_control/{door}", json=body)
    return answer.raise_for_status().json()


async def test_a_swap_that_was_confirmed_and_then_forked_off_is_sent_again_and_settles_once(trader: Trader) -> None:
    await control(trader, "clock", finalized_lag=FAR_FROM_FINAL)
    try:
        execution_id = await trader.fire(await trader.active_rule())
        found: dict[str, Any] = {}

        async def confirmed() -> bool:
            attempts = (await trader.get(f"/executions/{execution_id}"))["attempts"]
            signatures = [one["id_on_venue"] for one in attempts if one["id_on_venue"]]
            for status in (await rpc(trader, "getSignatureStatuses", signatures))["value"] if signatures else ():
                found.update(status or {})
            return found.get("confirmationStatus") == "confirmed"

        await until(confirmed)
        tip = await rpc(trader, "getSlot", {"commitment": "processed"})
        await control(trader, "fork", slots=tip - found["slot"] + 1)
        assert (await trader.get(f"/executions/{execution_id}"))["status"] == "SUBMITTED"
    finally:
        await control(trader, "clock", finalized_lag=FINALIZED_LAG)
    execution = await trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    (attempt,) = execution["attempts"]
    assert await trader.landed() == [attempt["id_on_venue"]]
    log = (await trader.http.get(f"{trader.places.solana}/_control/log")).json()
    received = [one for one in log if one["signature"] == attempt["id_on_venue"]]
    assert len({one["sha256"] for one in received}) == 1
    outcomes = [one["outcome"] for one in received]
    assert "dropped: its block was on a fork that died" in outcomes
    assert outcomes.count("landed") == 1


async def test_a_wallet_with_a_durable_nonce_settles_and_outlives_every_blockhash(trader: Trader) -> None:
    nonce = (await control(trader, "nonce", authority=trader.address))["account"]
    await trader.post(f"/wallets/{trader.wallet_id}/durable-nonce", {"account": nonce})
    await control(trader, "faults", match="sendTransaction", calls=100_000, mode="drop_before")
    try:
        execution_id = await trader.fire(await trader.active_rule())

        async def sent() -> bool:
            attempts = (await trader.get(f"/executions/{execution_id}"))["attempts"]
            return bool(attempts and attempts[0]["first_sent_at"])

        await until(sent)
        await control(trader, "advance", slots=400)
    finally:
        (await trader.http.delete(f"{trader.places.solana}/_control/faults")).raise_for_status()
    execution = await trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    (attempt,) = execution["attempts"]
    assert await trader.landed() == [attempt["id_on_venue"]]
    assert attempt["valid_until"] >= 2**52
