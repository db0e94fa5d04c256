"""Processes die or freeze between any two steps (F01 to F14)."""

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import DropAfter


@drill("F06", "executor and signer die after the payload is stored, before it is sent", guards=("G1", "G2"), quick=True)
async def killed_before_the_send(scene: Scene) -> None:
    lane = await scene.lane()
    async with scene.committed("attempt", "NEW.state = 'SIGNED'") as signed:
        execution = await lane.fire()
        await signed.wait()
        await scene.kill(*scene.workers)
    await scene.restart(*scene.workers)
    await scene.ends(execution)


@drill("F07", "every worker dies while a send is in flight that the venue accepts", guards=("G1", "G2"), quick=True)
async def killed_during_the_send(scene: Scene) -> None:
    lane = await scene.lane()
    lost = scene.node.arm(DropAfter(), name=scene.send, times=1)
    execution = await lane.fire()
    await lost.hit()
    await scene.kill(*scene.workers)
    await scene.restart(*scene.workers)
    await scene.ends(execution)
