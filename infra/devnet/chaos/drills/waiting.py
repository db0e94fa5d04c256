"""Many wait for finality at once: what that asks of the nodes (M01)."""

import asyncio

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.scene import Scene

WAITING = 100
AT_ONCE = 8  # lanes made or fired at a time: more would only queue in the API
WINDOW_S = 15
MOST_CALLS_A_SECOND = 5


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
    async with scene.records.finality_held():
        executions = list(await asyncio.gather(*(fired(*one) for one in lanes)))

        async def all_sent() -> bool:
            count = "SELECT count(DISTINCT execution_id) AS n FROM v_attempt WHERE execution_id = ANY($1)"
            rows = await scene.rows(f"{count} AND first_sent_at IS NOT NULL", executions)
            return bool(rows[0]["n"] == WAITING)

        await scene.until(all_sent, "a hundred payloads to be sent", 240)
        await scene.records.produce()  # all of them are in a block, which does not become final
        await asyncio.sleep(WINDOW_S / 3)  # what was under way before the block has been answered
        before = scene.node.log.count
        await asyncio.sleep(WINDOW_S)  # what is measured is a rate
        calls = (scene.node.log.count - before) / WINDOW_S
        landed = await scene.rows(
            "SELECT count(DISTINCT execution_id) AS n FROM v_attempt WHERE execution_id = ANY($1) AND fate = 'LANDED'",
            executions,
        )
    scene.figures["waiting"] = WAITING - landed[0]["n"]
    scene.figures["rpc_calls_per_s"] = round(calls, 2)
    scene.check(landed[0]["n"] == 0, f"{landed[0]['n']} of {WAITING} no longer waited")
    scene.check(calls <= MOST_CALLS_A_SECOND, f"{calls:.1f} calls a second for {WAITING} that wait")
