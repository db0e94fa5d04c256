"""Somebody says stop, or changes what is allowed, in each state of an execution (F58)."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane, Refused
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import Delay, Pass

DECRYPT = "TrentService.Decrypt"
LOOKS = 4  # at the fate of a payload that is held back, before the stop ends

Flip = Callable[[bool], Awaitable[Any]]


@drill("F58", "the kill switch is flipped in each state before the signature is stored", guards=("G10",))
async def halted_before_signing(scene: Scene) -> None:
    lane = await scene.lane()
    await _stopped_before_signing(scene, lane, _kill_switch(scene))


@drill("F58", "the wallet is frozen in each state before the signature is stored", guards=("G10",))
async def frozen_before_signing(scene: Scene) -> None:
    lane = await scene.lane()
    await _stopped_before_signing(scene, lane, _freezing(lane))


@drill("F58", "the kill switch is flipped between storing a payload and its first send", guards=("G2", "G10"))
async def halted_before_the_send(scene: Scene) -> None:
    lane = await scene.lane()
    await _stopped_before_the_send(scene, lane, _kill_switch(scene))


@drill("F58", "the wallet is frozen between storing a payload and its first send", guards=("G2", "G10"))
async def frozen_before_the_send(scene: Scene) -> None:
    lane = await scene.lane()
    await _stopped_before_the_send(scene, lane, _freezing(lane))


@drill("F58", "the kill switch is flipped while a payload is out: it is followed to its end", guards=("G7", "G10"))
async def halted_in_flight(scene: Scene) -> None:
    lane = await scene.lane()
    async with scene.records.finality_held():
        sent = scene.node.arm(Pass(), name=scene.send, times=1)
        execution = await lane.fire()
        await scene.hit(sent)
        await scene.records.produce()
        await scene.reaches(execution, "SUBMITTED")
        flip = _kill_switch(scene)
        await flip(True)
        since = await scene.now()
    try:
        # What one leg did is booked; a second one is not begun.
        await scene.ends(execution, "SETTLED" if scene.records.legs == 1 else "FAILED")
        await _nothing_new(scene, lane, since)
    finally:
        await flip(False)


@drill(
    "F58", "a rule that acts is paused, changed and deleted, and the policy is edited meanwhile", guards=("G4", "G10")
)
async def edited_meanwhile(scene: Scene) -> None:
    lane, executors = await scene.lane(), scene.of_kind("executor")
    rule = await lane.rule()
    async with scene.held("execution", f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.status = 'LOCKED'") as locking:
        execution = await lane.fire(rule)
        await locking.wait()
        for method, path in (
            ("POST", f"/rules/{rule}/pause"),
            ("PATCH", f"/rules/{rule}"),
            ("DELETE", f"/rules/{rule}"),
        ):
            await _refused(lane, method, path)
        before = await _snapshot(scene, execution)
        await scene.kill(*executors)
    told = scene.world.overrides.setdefault("executor", {})
    told["TRIPWIRE_MAX_POSITION_USD"] = "1"  # less than it is about to sell
    try:
        await scene.restart(*executors)
        await scene.ends(execution)
        scene.check(await _snapshot(scene, execution) == before, "an execution keeps the policy it began with")
    finally:
        del told["TRIPWIRE_MAX_POSITION_USD"]
        for name in executors:
            await scene.world.stop(name)
            await scene.restart(name)


async def _stopped_before_signing(scene: Scene, lane: Lane, flip: Flip) -> None:
    mine = f"NEW.wallet_id = '{lane.wallet_id}'"
    for table, condition in (
        ("execution", f"{mine} AND NEW.status = 'PENDING'"),
        ("execution", f"{mine} AND NEW.status = 'PREFLIGHT'"),
        ("execution", f"{mine} AND NEW.status = 'LOCKED'"),
        ("attempt", f"{mine} AND NEW.state = 'ALLOCATED'"),
    ):
        rule = await lane.rule()
        async with _let_go_after(flip):
            async with scene.held(table, condition) as inside:
                firing = asyncio.create_task(lane.fire(rule))
                await inside.wait()
                await flip(True)
                since = await scene.now()
            await _ends_unsigned(scene, lane, await firing, since)
    async with _let_go_after(flip):
        waits = scene.proxies["kms"].arm(Delay(3), name=DECRYPT, times=1)
        execution = await lane.fire()
        await scene.hit(waits)
        await flip(True)
        await _ends_unsigned(scene, lane, execution, await scene.now())


async def _ends_unsigned(scene: Scene, lane: Lane, execution_id: str, since: datetime) -> None:
    await scene.ends(execution_id, "BLOCKED")
    await _nothing_new(scene, lane, since)
    unsigned = [attempt["venue_ref"] is None for attempt in await scene.attempts(execution_id)]
    scene.check(all(unsigned), f"{execution_id} has no signed payload")


async def _stopped_before_the_send(scene: Scene, lane: Lane, flip: Flip) -> None:
    executors, calls = scene.of_kind("executor"), scene.node.log.count
    async with _let_go_after(flip):
        # Executors freeze while the signer stands in its storing transaction, so nobody sends before the flip.
        async with scene.held("attempt", f"NEW.wallet_id = '{lane.wallet_id}' AND NEW.state = 'SIGNED'") as storing:
            execution = await lane.fire()
            await storing.wait()
            await asyncio.gather(*(scene.world.pause(name) for name in executors))
        await scene.until(lambda: _stored(scene, execution), "the payload to be stored")
        await flip(True)
        since = await scene.now()
        await asyncio.gather(*(scene.world.resume(name) for name in executors))
        looked = scene.node.arm(Pass(), name=scene.look, times=LOOKS)
        await scene.hit(looked, LOOKS)
        await _nothing_new(scene, lane, since)
        scene.check(not scene.node.log.calls(scene.send, calls), "nothing was sent")
    await scene.ends(execution)
    await scene.sent_as_stored(execution)


@asynccontextmanager
async def _let_go_after(flip: Flip) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await flip(False)


def _kill_switch(scene: Scene) -> Flip:
    async def flip(on: bool) -> None:
        await scene.admin("POST", "/admin/kill-switch", {"on": on, "reason": "a drill"})

    return flip


def _freezing(lane: Lane) -> Flip:
    async def flip(on: bool) -> None:
        await lane.post(f"/wallets/{lane.wallet_id}/{'freeze' if on else 'unfreeze'}", {"reason": "a drill"})

    return flip


async def _nothing_new(scene: Scene, lane: Lane, since: datetime) -> None:
    """No signature and no first send by this lane since then, by the book's clock."""
    new = await scene.rows(
        "SELECT a.execution_id, a.signed_at, a.first_sent_at FROM v_attempt a JOIN v_execution e USING (execution_id) "
        "WHERE e.wallet_id = $1 AND (a.signed_at > $2 OR a.first_sent_at > $2)",
        lane.wallet_id,
        since,
    )
    scene.check(not new, f"since the stop at {since} nothing was signed or sent first: {new}")


async def _refused(lane: Lane, method: str, path: str) -> None:
    body = {"name": "changed"} if method == "PATCH" else None
    headers = {"Authorization": f"Bearer {lane.key}"}
    answer = await lane.http.request(method, lane.api + path, headers=headers, json=body)
    if answer.is_success:
        raise Refused(answer.status_code, {"code": "NOT_REFUSED", "detail": f"{method} {path} while the rule acts"})


async def _snapshot(scene: Scene, execution_id: str) -> dict[str, Any]:
    (row,) = await scene.rows("SELECT policy, intent FROM execution WHERE id = $1", execution_id)
    return {name: json.loads(value) for name, value in row.items()}


async def _stored(scene: Scene, execution_id: str) -> bool:
    return any(attempt["venue_ref"] for attempt in await scene.attempts(execution_id))
