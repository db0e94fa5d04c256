"""Many wait for finality at once: what that asks of the nodes (M01)."""

import asyncio

from infra.devnet.chaos.campaign import EVM_BLOCK_S, FINALIZED_LAG, SLOT_MS
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.scene import Scene
from infra.devnet.evm.rpc import EvmRpc

WAITING = 100
AT_ONCE = 8  # lanes made or fired at a time: more would only queue in the API
WINDOW_S = 15
MOST_CALLS_A_SECOND = 5

# A block so rare that the first of them is not final before the last was sent.
RARE_BLOCK_S = 25


@drill(
    "M01",
    "a hundred executions wait for finality, and ask their node together",
    guards=("G8",),
    alone=True,
    within_s=600,
)
async def hundred_wait_for_finality(scene: Scene) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def opened() -> tuple[Lane, str]:
        async with turn:
            lane = await scene.lane()
            return lane, await lane.rule()

    async def fired(lane: Lane, rule_id: str) -> str:
        async with turn:
            return await lane.fire(rule_id)

    lanes = await asyncio.gather(*(opened() for _ in range(WAITING)))
    await _hold_finality(scene)
    executions = await asyncio.gather(*(fired(*one) for one in lanes))

    async def all_sent() -> bool:
        rows = await scene.rows(
            "SELECT count(*) AS sent FROM v_attempt WHERE execution_id = ANY($1) AND first_sent_at IS NOT NULL",
            list(executions),
        )
        return bool(rows[0]["sent"] >= WAITING)

    await scene.until(all_sent, "a hundred payloads to be sent", 200)
    before = scene.node.log.count
    await asyncio.sleep(WINDOW_S)  # what is measured is a rate
    calls = (scene.node.log.count - before) / WINDOW_S
    waiting = await scene.rows(
        "SELECT count(*) AS n FROM v_attempt WHERE execution_id = ANY($1) AND fate = 'PENDING'", list(executions)
    )
    await _let_final(scene)
    scene.figures["waiting"] = waiting[0]["n"]
    scene.figures["rpc_calls_per_s"] = round(calls, 2)
    scene.check(waiting[0]["n"] >= WAITING * 9 // 10, f"only {waiting[0]['n']} still waited")
    scene.check(calls <= MOST_CALLS_A_SECOND, f"{calls:.1f} calls a second for {WAITING} that wait")


async def _hold_finality(scene: Scene) -> None:
    if scene.venue == "solana":
        await scene.http.put(f"{scene.world.url('solana')}/_control/clock", json={"slot_ms": 400, "finalized_lag": 300})
    else:
        async with EvmRpc(scene.world.url("evm")) as rpc:
            await rpc.call("evm_setIntervalMining", RARE_BLOCK_S)


async def _let_final(scene: Scene) -> None:
    if scene.venue == "solana":
        await scene.http.put(
            f"{scene.world.url('solana')}/_control/clock", json={"slot_ms": SLOT_MS, "finalized_lag": FINALIZED_LAG}
        )
    else:
        async with EvmRpc(scene.world.url("evm")) as rpc:
            await rpc.call("evm_setIntervalMining", EVM_BLOCK_S)
