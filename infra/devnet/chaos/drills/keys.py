"""The key service fails, a sealed key is tampered with, and a search for keys that got out (F52, F53, F57)."""

import asyncio
import base64
import json

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.scene import Scene
from infra.devnet.chaos.secrets import everything_written, found, opened
from infra.devnet.kms.client import client
from infra.devnet.proxy.modes import DropBefore, Garble, Mode, Replace, Status, Truncate

OPENING = "TrentService.Decrypt"
HIT_WITHIN_S = 60
OUTAGE_S = 15

# With a pause that doubles from half a second to 30 s, more would be no backoff.
MOST_TRIES_IN_OUTAGE = 8


def _aws(status: int, kind: str) -> Mode:
    """A refusal as KMS words it. Source: botocore's service model of KMS, protocol JSON 1.1."""
    return Status(status, body=json.dumps({"__type": kind, "message": None}).encode())


# What a later try may not meet; the last is of a load balancer, which knows no JSON.
PASSING = (
    _aws(400, "ThrottlingException"),
    _aws(500, "KMSInternalException"),
    _aws(500, "DependencyTimeoutException"),
    Status(503, body=b"<html><body>Service Unavailable</body></html>"),
)


@drill("F52", "the key service throttles and breaks, each time otherwise", guards=("G6", "G11"))
async def key_service_breaks(scene: Scene) -> None:
    lane, proxy = await scene.lane(), scene.proxies["kms"]
    broken = [proxy.arm(mode, name=OPENING, times=1) for mode in PASSING]
    execution = await lane.fire()
    for armed in broken:
        async with asyncio.timeout(HIT_WITHIN_S):
            await armed.hit()
        scene.check(not await _signed(scene, execution), "something was signed without the key service")
    await scene.ends(execution)


@drill("F52", "the key service is away, and the wallet waits", guards=("G6", "G8", "G11"))
async def key_service_is_away(scene: Scene) -> None:
    lane, proxy = await scene.lane(), scene.proxies["kms"]
    away, since = proxy.arm(DropBefore(), name=OPENING), proxy.log.count
    execution = await lane.fire()
    async with asyncio.timeout(HIT_WITHIN_S):
        await away.hit(2)
    await asyncio.sleep(OUTAGE_S)
    tries = len(proxy.log.calls(OPENING, since))
    scene.check(tries <= MOST_TRIES_IN_OUTAGE, f"{tries} tries in {OUTAGE_S} s: it does not wait in between")
    scene.check(await scene.status(execution) == "LOCKED", "it did not wait for the key service")
    scene.check(not await _signed(scene, execution), "something was signed without the key service")
    away.disarm()
    await scene.ends(execution)


@drill("F52", "the key is disabled, and enabled again", guards=("G6", "G11"))
async def key_is_disabled(scene: Scene) -> None:
    lane = await scene.lane()
    kms, key = client(scene.world.url("kms")), scene.world.env["TRIPWIRE_KMS_KEY_ID"]
    await asyncio.to_thread(kms.disable_key, KeyId=key)
    try:
        execution = await lane.fire()
        await scene.ends(execution, "BLOCKED")
    finally:
        await asyncio.to_thread(kms.enable_key, KeyId=key)
    await _refused(scene, lane, execution, "KEY_ACCESS_DENIED", frozen=False)
    await scene.ends(await lane.fire())


@drill("F53", "two wallets' sealed keys are swapped", guards=("G11",))
async def sealed_keys_are_swapped(scene: Scene) -> None:
    lanes = [await scene.lane(), await scene.lane()]
    await scene.rows(
        "UPDATE wallet w SET sealed_key = o.sealed_key FROM wallet o "
        "WHERE w.id = ANY($1) AND o.id = ANY($1) AND o.id <> w.id RETURNING w.id",
        [lane.wallet_id for lane in lanes],
    )
    for lane in lanes:
        await _blocked(scene, lane)


@drill("F53", "one bit of a sealed key is flipped: of data key, nonce, ciphertext or tag", guards=("G11",), quick=True)
async def a_bit_is_flipped(scene: Scene) -> None:
    for part in ("data_key", "nonce", "ciphertext"):
        lane = await scene.lane()
        [row] = await scene.rows("SELECT sealed_key FROM wallet WHERE id = $1", lane.wallet_id)
        sealed = json.loads(row["sealed_key"])
        changed = bytearray(base64.b64decode(sealed[part]))
        # From the middle on: the head of a data key names the key that wraps it, and the tag is at the end.
        changed[scene.rng.randrange(len(changed) // 2, len(changed))] ^= 1 << scene.rng.randrange(8)
        sealed[part] = base64.b64encode(changed).decode()
        await scene.rows(
            "UPDATE wallet SET sealed_key = CAST($2 AS jsonb) WHERE id = $1 RETURNING id",
            lane.wallet_id,
            json.dumps(sealed),
        )
        await _blocked(scene, lane)


@drill("F53", "the key service answers with another data key", guards=("G11",))
async def another_data_key_is_told(scene: Scene) -> None:
    lane = await scene.lane()
    other = base64.b64encode(scene.rng.randbytes(32)).decode()
    told = scene.proxies["kms"].arm(Replace(lambda answer: {**answer, "Plaintext": other}), name=OPENING, times=1)
    await _blocked(scene, lane)
    scene.check(told.hits == 1, "the other data key was never told")


@drill("F57", "keys are looked for in all that was written, after faults that make programs talk", guards=("G11",))
async def keys_are_looked_for(scene: Scene) -> None:
    lane, proxy = await scene.lane(), scene.proxies["kms"]
    talkative = [proxy.arm(mode, name=OPENING, times=1) for mode in (Garble(), Truncate(), _aws(500, "KMSInternal"))]
    async with scene.failing("attempt", "NEW.state = 'SIGNED'", "XX000", 1) as failed:
        execution = await lane.fire()
        await scene.ends(execution)
        scene.check(await failed() == 1, "storing the signature never failed")
    scene.check(all(armed.hits == 1 for armed in talkative), "the key service's answers were not broken")

    wallet = await opened(scene, lane)
    canaries = {**wallet, "API key": lane.key.encode(), "admin key": scene.world.env["TRIPWIRE_ADMIN_KEY"].encode()}
    places = await everything_written(scene)
    names = (execution.encode(), (await scene.workflow_id(execution)).encode())
    tell = {place for place, written in places.items() if any(name in written for name in names)}
    logs = {name for name in tell if name.endswith(".log")}
    scene.check({"database", "histories"} <= tell and bool(logs), f"the execution itself is told of in {sorted(tell)}")
    hits = [f"{name} in {place}" for name, canary in canaries.items() for place in found(canary, places)]
    scene.check(not hits, f"found {', '.join(hits)}")


async def _signed(scene: Scene, execution: str) -> list[str]:
    return [sha for one in await scene.attempts(execution) if (sha := one["payload_sha256"])]


async def _blocked(scene: Scene, lane: Lane) -> None:
    """It fires, nothing is signed, its wallet is frozen and a person is told; and so it stays."""
    execution = await lane.fire()
    await scene.ends(execution, "BLOCKED")
    await _refused(scene, lane, execution, "SEALED_KEY_BROKEN", frozen=True)
    again = await lane.fire()
    await scene.ends(again, "BLOCKED")
    await _refused(scene, lane, again, "WALLET_FROZEN", frozen=True)


async def _refused(scene: Scene, lane: Lane, execution: str, code: str, *, frozen: bool) -> None:
    codes = (await lane.execution(execution))["codes"]
    scene.check(code in codes, f"{execution} is blocked for {codes}")
    scene.check(not await _signed(scene, execution), "something was signed")
    [wallet] = await scene.rows("SELECT frozen FROM wallet WHERE id = $1", lane.wallet_id)
    tasks = await scene.rows(
        "SELECT code FROM operator_task WHERE wallet_id = $1 AND resolved_at IS NULL", lane.wallet_id
    )
    scene.check(wallet["frozen"] is frozen, f"the wallet is {'not ' if frozen else ''}frozen")
    scene.check(bool(tasks) is frozen, f"tasks of the wallet: {tasks}")
