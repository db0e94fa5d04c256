"""The main job on the real parts, and the ways in which a chain, an operator or a crash could make it pay twice."""

import asyncio
import os
import signal
import subprocess
from typing import Any

import pytest

from cli.demo_story import SPENT_USDC, timings
from infra.devnet.proxy.modes import Replace
from infra.devnet.toolchain import temporal_binary
from infra.devnet.world import World
from tests.e2e.trader import Trader
from tests.world.conditions import until


async def test_a_market_that_crosses_its_threshold_settles_one_swap_that_the_book_has_to_the_base_unit(
    trader: Trader,
) -> None:
    before = await trader.chain_balances()
    await trader.make_rule()
    await trader.move_market("0.7100", "0.7300")
    execution = await trader.follow()
    after = await trader.chain_balances()
    facts = await trader.report(execution, before, after)
    assert execution["status"] == "SETTLED"
    assert facts["book_equals_chain"]
    assert before["USDC"] - after["USDC"] == int(SPENT_USDC) * 10**6
    assert [attempt["id_on_venue"] for attempt in execution["attempts"]] == await trader.landed()
    assert set(timings(execution)) >= {"observation_to_workflow_started", "observation_to_finalized"}


async def test_selling_sol_settles_as_exactly_as_buying_it(trader: Trader) -> None:
    before = await trader.chain_balances()
    execution = await trader.ended(await trader.fire(await trader.active_rule(sell="SOL", buy="USDC", amount="0.1")))
    after = await trader.chain_balances()
    assert execution["status"] == "SETTLED"
    assert (await trader.report(execution, before, after))["book_equals_chain"]
    assert after["USDC"] > before["USDC"]


async def test_the_executor_killed_between_the_broadcast_and_its_record_pays_once(trader: Trader, world: World) -> None:
    def killing(answer: Any) -> Any:
        os.kill(world.pid("executor"), signal.SIGKILL)
        return answer

    killed = world.proxies["solana"].arm(Replace(killing), name="sendTransaction", times=1)
    execution_id = await trader.fire(await trader.active_rule())
    await asyncio.wait_for(killed.hit(), 60)
    execution = await trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    assert len(execution["attempts"]) == 1
    assert [attempt["id_on_venue"] for attempt in execution["attempts"]] == await trader.landed()


async def test_a_payload_that_never_arrives_is_followed_to_its_proven_death_and_only_then_signed_anew(
    trader: Trader, world: World
) -> None:
    node = f"{world.url('solana')}/_control"
    fault = {"match": "sendTransaction", "calls": 100_000, "mode": "drop_before"}
    (await trader.http.put(f"{node}/faults", json=fault)).raise_for_status()
    try:
        execution_id = await trader.fire(await trader.active_rule())

        async def sent() -> bool:
            attempts = (await trader.get(f"/executions/{execution_id}"))["attempts"]
            return bool(attempts and attempts[0]["first_sent_at"])

        await until(sent)
        (await trader.http.put(f"{node}/advance", json={"slots": 150})).raise_for_status()
    finally:
        (await trader.http.delete(f"{node}/faults")).raise_for_status()
    execution = await trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    assert [attempt["fate"] for attempt in execution["attempts"]] == ["DEAD", "LANDED"]
    dead, landed = execution["attempts"]
    assert dead["final_at"] < landed["signed_at"], "the proof came first"
    [proof] = [e["body"]["proof"] for e in execution["events"] if e["body"].get("fate") == "DEAD"]
    assert int(proof["finalized_block_height"]) > dead["valid_until"]
    assert await trader.landed() == [landed["id_on_venue"]]


async def test_resetting_the_finished_workflow_makes_no_payload_and_the_same_outcome(
    trader: Trader, world: World
) -> None:
    execution_id = await trader.fire(await trader.active_rule())
    first = await trader.ended(execution_id)
    received, landed = await trader.received(), await trader.landed()
    assert landed[0] in received, "the node's record has what it was sent"
    command = [str(temporal_binary()), "workflow", "reset", "--address", world.env["TEMPORAL_ADDRESS"]]
    command += ["--workflow-id", first["workflow_id"], "--type", "FirstWorkflowTask", "--reason", "a drill"]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    command = [str(temporal_binary()), "workflow", "result", "--address", world.env["TEMPORAL_ADDRESS"]]
    command += ["--workflow-id", first["workflow_id"]]
    done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
    assert "SETTLED" in done.stdout
    again = await trader.get(f"/executions/{execution_id}")
    assert (again["status"], again["settlement"], again["attempts"]) == (
        first["status"],
        first["settlement"],
        first["attempts"],
    )
    assert (await trader.received(), await trader.landed()) == (received, landed)


async def test_the_same_trigger_fired_fifty_times_at_once_is_one_execution(trader: Trader) -> None:
    rule_id = await trader.active_rule()
    fired = await asyncio.gather(*(trader.fire(rule_id, "the-same-key") for _ in range(50)))
    assert len(set(fired)) == 1
    execution = await trader.ended(fired[0])
    assert execution["status"] == "SETTLED"
    assert len((await trader.get("/executions", rule_id=rule_id))["items"]) == 1
    assert len(await trader.landed()) == 1


LIES = {
    "other_destination": "WRONG_DESTINATION",
    "larger_amount": "AMOUNT_TOO_LARGE",
    "extra_instruction": "UNEXPECTED_INSTRUCTION",
    "worse_price": "MINIMUM_TOO_LOW",
    # The message is assembled by us, so a foreign payer can only come in as one more signer; a message that
    # names another payer is refused at the bytes: tests/unit/domain/test_solana_intent.py.
    "foreign_fee_payer": "FOREIGN_SIGNER",
}


@pytest.mark.parametrize(("lie", "objection"), LIES.items())
async def test_a_jupiter_that_lies_never_gets_a_signature(
    trader: Trader, world: World, lie: str, objection: str
) -> None:
    door = f"{world.url('jupiter')}/_control/lies"
    received = await trader.received()
    (await trader.http.put(door, json={"lie": lie, "calls": None})).raise_for_status()
    try:
        execution = await trader.ended(await trader.fire(await trader.active_rule()))
    finally:
        (await trader.http.put(door, json={"lie": "none", "calls": None})).raise_for_status()
    assert execution["status"] == "BLOCKED"
    assert objection in execution["codes"]
    assert [attempt["signed_at"] for attempt in execution["attempts"]] == [None]
    assert await trader.received() == received


async def test_a_jupiter_that_is_down_is_waited_for_and_then_blocks_with_a_code(trader: Trader, world: World) -> None:
    door = f"{world.url('jupiter')}/_control/faults"
    received = await trader.received()
    fault = {"match": "/swap/v2/build", "calls": 1000, "mode": "status", "status": 503}
    (await trader.http.put(door, json=fault)).raise_for_status()
    try:
        execution = await trader.ended(await trader.fire(await trader.active_rule()))
    finally:
        (await trader.http.delete(door)).raise_for_status()
    assert execution["status"] == "BLOCKED"
    assert "NO_QUOTE" in execution["codes"]
    assert await trader.received() == received
