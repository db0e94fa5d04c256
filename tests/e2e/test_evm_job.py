"""Executions on the EVM chain, on the real parts: an approval and a swap, each exactly once, whatever happens."""

import asyncio
import os
import signal
import subprocess
from typing import Any

from infra.devnet.proxy.modes import DropBefore, Replace
from infra.devnet.toolchain import temporal_binary
from infra.devnet.world import World
from tests.e2e.trader import EvmTrader
from tests.world.conditions import until


async def test_dollars_are_approved_and_then_sold_once_and_the_book_has_it_to_the_base_unit(
    evm_trader: EvmTrader,
) -> None:
    before = await evm_trader.chain_balances()
    execution = await evm_trader.ended(await evm_trader.fire(await evm_trader.active_rule(amount="50")))
    after = await evm_trader.chain_balances()
    assert execution["status"] == "SETTLED"
    assert (await evm_trader.report(execution, before, after))["book_equals_chain"]
    assert before["USDC"] - after["USDC"] == 50 * 10**6
    assert [(one["leg"], one["kind"], one["rank"], one["nonce"]) for one in execution["attempts"]] == [
        (1, "approve", 0, "0"),
        (2, "swap", 0, "1"),
    ]
    assert [one["id_on_venue"] for one in execution["attempts"]] == await evm_trader.landed()
    settlement = execution["settlement"]
    assert [fee["reference"] for fee in settlement["fees"]] == await evm_trader.landed()
    paid = sum(int(fee["base"]) for fee in settlement["fees"])
    assert after["ETH"] - before["ETH"] == int(settlement["bought"]["base"]) - paid


async def test_ether_is_sold_by_one_transaction(evm_trader: EvmTrader) -> None:
    before = await evm_trader.chain_balances()
    rule_id = await evm_trader.active_rule(sell="ETH", buy="USDC", amount="0.1")
    execution = await evm_trader.ended(await evm_trader.fire(rule_id))
    after = await evm_trader.chain_balances()
    assert execution["status"] == "SETTLED"
    assert (await evm_trader.report(execution, before, after))["book_equals_chain"]
    assert after["USDC"] > before["USDC"]
    assert [(one["leg"], one["kind"]) for one in execution["attempts"]] == [(1, "swap")]
    assert await evm_trader.nonce() == 1


async def test_the_executor_killed_between_each_broadcast_and_its_record_pays_once(
    evm_trader: EvmTrader, world: World
) -> None:
    def killing(answer: Any) -> Any:
        os.kill(world.pid("executor"), signal.SIGKILL)
        return answer

    killed = world.proxies["evm"].arm(Replace(killing), name="eth_sendRawTransaction", times=2)
    execution_id = await evm_trader.fire(await evm_trader.active_rule())
    await asyncio.wait_for(killed.hit(2), 120)
    execution = await evm_trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    assert [one["id_on_venue"] for one in execution["attempts"]] == await evm_trader.landed()
    assert await evm_trader.nonce() == len(execution["attempts"]) == 2


async def test_resetting_the_finished_workflow_sends_nothing_new(evm_trader: EvmTrader, world: World) -> None:
    execution_id = await evm_trader.fire(await evm_trader.active_rule())
    first = await evm_trader.ended(execution_id)
    sent = world.proxies["evm"].log.sent()
    workflow = ["--address", world.env["TEMPORAL_ADDRESS"], "--workflow-id", first["workflow_id"]]
    await _temporal("reset", *workflow, "--type", "FirstWorkflowTask", "--reason", "a drill")
    assert "SETTLED" in await _temporal("result", *workflow)
    again = await evm_trader.get(f"/executions/{execution_id}")
    assert [again[part] for part in ("status", "settlement", "attempts")] == [
        first[part] for part in ("status", "settlement", "attempts")
    ]
    assert world.proxies["evm"].log.sent() == sent
    assert await evm_trader.nonce() == len(await evm_trader.received()) == 2


async def test_a_transaction_that_the_node_lost_is_sent_again_byte_for_byte(
    evm_trader: EvmTrader, world: World
) -> None:
    await evm_trader.rpc("evm_setIntervalMining", 0)  # it shall wait in the pool until it is dropped from there
    try:
        execution_id = await evm_trader.fire(await evm_trader.active_rule(sell="ETH", buy="USDC", amount="0.1"))
        waiting: list[str] = []

        async def waits() -> bool:
            waiting[:] = await evm_trader.received()
            return bool(waiting)

        await until(waits)
        assert await evm_trader.rpc("anvil_dropTransaction", waiting[0]) == waiting[0]
    finally:
        await evm_trader.rpc("evm_setIntervalMining", 1)
    execution = await evm_trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    [attempt] = execution["attempts"]
    assert waiting == [attempt["id_on_venue"]] == await evm_trader.landed()
    assert attempt["broadcast_count"] > 1


async def test_a_payload_that_never_reaches_the_node_is_still_the_only_one(evm_trader: EvmTrader, world: World) -> None:
    lost = world.proxies["evm"].arm(DropBefore(), name="eth_sendRawTransaction", times=2)
    execution_id = await evm_trader.fire(await evm_trader.active_rule(sell="ETH", buy="USDC", amount="0.1"))
    await asyncio.wait_for(lost.hit(2), 60)
    execution = await evm_trader.ended(execution_id)
    assert execution["status"] == "SETTLED"
    assert [one["id_on_venue"] for one in execution["attempts"]] == await evm_trader.landed()


async def _temporal(*command: str) -> str:
    words = [str(temporal_binary()), "workflow", *command]
    done = await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True, text=True)
    return done.stdout
