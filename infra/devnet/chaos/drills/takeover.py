"""One worker goes on with what another began: deploys, zombies, and how soon it happens (F13, F14, R15)."""

import asyncio
import time
from datetime import datetime, timedelta

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.parts import GRACE_S
from infra.devnet.proxy.modes import Delay, Pass

DECRYPT = "TrentService.Decrypt"
LANES = 3  # of a deploy under load, two triggers each
ZOMBIE_WAKES_WITHIN_S = 60
WORKED_OFF = timedelta(seconds=3)  # a beat comes every 5 s; what was left to do takes less
# A step's heartbeat is missed for 6 s, it is tried again after 0.5 s, and a workflow waits 4 s for the executor that
# had it in its cache. Source: workflows/options.py, workers/executor.py.
RECOVERED_WITHIN_S = 15


@drill("F13", "a deploy under load: each worker is told to stop, and started anew, one after the other", guards=("G6",))
async def deployed_under_load(scene: Scene) -> None:
    lanes = await asyncio.gather(*(scene.lane() for _ in range(LANES)))
    executions = await asyncio.gather(*(lane.fire() for lane in (*lanes, *lanes)))
    await scene.until(lambda: _signed(scene, executions), "a payload to be signed")
    for name in (*scene.workers, *scene.of_kind("api")):
        began = time.monotonic()
        await scene.world.stop(name)
        scene.check(time.monotonic() - began < GRACE_S, f"{name} ended by itself, and was not killed")
        await scene.restart(name)
    for execution in executions:
        await scene.ends(execution)
    parked = await scene.rows("SELECT code FROM operator_task WHERE execution_id = ANY($1)", list(executions))
    scene.check(not parked, f"nobody had to be asked: {parked}")


@drill("F13", "all workers are told to stop under load: nothing is sent until they are back", guards=("G2", "G6"))
async def stopped_under_load(scene: Scene) -> None:
    lanes = await asyncio.gather(*(scene.lane() for _ in range(LANES)))
    executions = await asyncio.gather(*(lane.fire() for lane in lanes))
    await scene.until(lambda: _signed(scene, executions), "a payload to be signed")
    await asyncio.gather(*(scene.world.stop(name) for name in scene.workers))
    calls = scene.node.log.count
    executions += await asyncio.gather(*(lane.fire() for lane in lanes))  # the API takes triggers all the same
    scene.check(not scene.node.log.calls(scene.send, calls), "nothing was sent while all were down")
    await scene.restart(*scene.workers)
    for execution in executions:
        await scene.ends(execution)
    parked = await scene.rows("SELECT code FROM operator_task WHERE execution_id = ANY($1)", executions)
    scene.check(not parked, f"nobody had to be asked: {parked}")


@drill("F14", "a signer freezes before it stores, another signs, the first wakes", guards=("G1", "G5"))
async def zombie_signer(scene: Scene) -> None:
    lane = await scene.lane()
    waits = scene.proxies["kms"].arm(Delay(3), name=DECRYPT, times=1)  # it answers into a frozen process
    execution = await lane.fire()
    await scene.hit(waits)
    zombie = await scene.holder(execution, "sign")
    await scene.world.pause(zombie)
    await scene.ends(execution)
    before = await scene.attempts(execution)
    await _wake(scene, zombie)
    scene.check(await scene.attempts(execution) == before, "what the zombie signed was stored nowhere")
    await scene.sent_as_stored(execution)


@drill("F14", "an executor freezes while it sends, another sends, the first wakes", guards=("G1", "G5", "G7"))
async def zombie_executor(scene: Scene) -> None:
    lane = await scene.lane()
    waits = scene.node.arm(Delay(2), name=scene.send, times=1)
    execution = await lane.fire()
    await scene.hit(waits)
    zombie = await scene.holder(execution, "submit")
    await scene.world.pause(zombie)
    await scene.ends(execution)
    before, posted = await scene.attempts(execution), await _ledger(scene, execution)
    await _wake(scene, zombie)
    scene.check(await scene.attempts(execution) == before, "the zombie changed no attempt")
    scene.check(await _ledger(scene, execution) == posted, "the zombie posted nothing")
    await scene.sent_as_stored(execution)


@drill("R15", f"the executor that confirms dies: another moves on within {RECOVERED_WITHIN_S} s", guards=("G6",))
async def executor_recovers(scene: Scene) -> None:
    lane = await scene.lane()
    async with scene.records.finality_held():
        sent = scene.node.arm(Pass(), name=scene.send, times=1)
        execution = await lane.fire()
        await scene.hit(sent)
        await scene.records.produce()
        victim = await scene.holder(execution, "confirm")
        killed = await _kill_now(scene, victim)
    await _recovered(scene, execution, killed, "executor_s")


@drill("R15", f"the signer that signs dies: another has signed within {RECOVERED_WITHIN_S} s", guards=("G6",))
async def signer_recovers(scene: Scene) -> None:
    lane = await scene.lane()
    waits = scene.proxies["kms"].arm(Delay(30), name=DECRYPT, times=1)
    execution = await lane.fire()
    await scene.hit(waits)
    killed = await _kill_now(scene, await scene.holder(execution, "sign"))
    await _recovered(scene, execution, killed, "signer_s")


async def _kill_now(scene: Scene, name: str) -> datetime:
    """When it died, by the book's clock."""
    await scene.kill(name)
    return await scene.now()


async def _recovered(scene: Scene, execution_id: str, killed: datetime, figure: str) -> None:
    """The execution's first event after the kill comes in time, with the dead one down; then it ends as it should."""

    async def moved() -> list[dict[str, datetime]]:
        return await scene.rows(
            "SELECT at FROM event WHERE subject = $1 AND at > $2 ORDER BY seq", execution_id, killed
        )

    first, *_ = await scene.until(moved, f"{execution_id} to move again")
    scene.figures[figure] = (first["at"] - killed).total_seconds()
    scene.check(
        scene.figures[figure] <= RECOVERED_WITHIN_S, f"it moved after {scene.figures[figure]:.1f} s, which is too late"
    )
    await scene.ends(execution_id)


async def _signed(scene: Scene, executions: list[str]) -> bool:
    return bool(
        await scene.rows("SELECT 1 FROM v_attempt WHERE execution_id = ANY($1) AND signed_at IS NOT NULL", executions)
    )


async def _wake(scene: Scene, name: str) -> None:
    """Let it go on, and wait until it has had the time to do what it was about: it beats, and beats again."""
    process = f"%-{scene.world.pid(name)}"
    before = await scene.now()
    await scene.world.resume(name)

    async def beats() -> list[dict[str, object]]:
        return await scene.rows(
            "SELECT 1 FROM heartbeat WHERE process LIKE $1 AND beat_at > $2", process, before + WORKED_OFF
        )

    await scene.until(beats, f"{name} to beat again", ZOMBIE_WAKES_WITHIN_S)


async def _ledger(scene: Scene, execution_id: str) -> list[dict[str, object]]:
    return await scene.rows("SELECT * FROM v_ledger WHERE execution_id = $1 ORDER BY entry_id", execution_id)
