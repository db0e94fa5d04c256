"""Postgres dies, loses an answer, refuses, or goes back in time (F23 to F26)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from infra.devnet.chaos.database import connected
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane, Refused
from infra.devnet.chaos.scene import Scene
from infra.devnet.postgres import DATABASE

HIT_WITHIN_S = 60
KILLS = 3
REFUSING_S = 6.0
KEPT = f"{DATABASE}_kept"

# Each transaction from T0 to T4, by the row that it alone writes.
TRANSACTIONS = {
    "T0": ("execution", "TG_OP = 'INSERT'"),
    "T1": ("attempt", "TG_OP = 'INSERT'"),
    "T2": ("attempt", "NEW.state = 'SIGNED' AND NEW.broadcast_count = 0 AND NEW.fate = 'PENDING'"),
    "T3": ("broadcast", "TG_OP = 'INSERT'"),
    "T4": ("execution", "NEW.status = 'SETTLED'"),
}

# Source: PostgreSQL 18, Appendix A.
REFUSALS = {
    "40001": "serialization_failure",
    "40P01": "deadlock_detected",
    "53100": "disk_full",
    "25006": "read_only_sql_transaction",
}


@drill("F23", "Postgres is killed again and again", guards=("G1", "G2", "G6", "G7"))
async def killed_again_and_again(scene: Scene) -> None:
    lanes = [await scene.lane() for _ in range(2)]
    waiting = [asyncio.create_task(lane.fire()) for lane in lanes for _ in range(2)]
    for _ in range(KILLS):
        await asyncio.sleep(scene.rng.uniform(1, 4))
        await scene.kill("postgres")
        await scene.restart("postgres")
    for execution in await asyncio.gather(*waiting):
        await scene.ends(execution, seconds=180)


@drill("F24", "each of the transactions T0 to T4 commits, and nobody hears of it", guards=("G1", "G4", "G7"))
async def answers_of_commits_are_lost(scene: Scene) -> None:
    lane = await scene.lane()
    for name, (table, condition) in TRANSACTIONS.items():
        async with scene.held(table, condition) as held:
            firing = asyncio.create_task(lane.fire())
            await held.wait()
            lost = scene.proxies["postgres"].drop_after_commit()  # whoever commits next is the one that stands there
        async with asyncio.timeout(HIT_WITHIN_S):
            await lost.hit()
        execution = await firing
        await scene.ends(execution)
        signed = len(await scene.attempts(execution))
        # What was approved for the first sale is approved for each: an allowance is used up by its own.
        scene.check(signed == scene.records.legs, f"{name} without its answer led to {signed} attempts")


@drill("F24", "one commit in ten is not heard of, whoever made it", guards=("G1", "G2", "G4", "G7"))
async def many_commits_are_lost(scene: Scene) -> None:
    lanes = [await scene.lane() for _ in range(3)]
    losing = scene.proxies["postgres"].drop_after_commit(times=None, chance=0.1)
    executions = await asyncio.gather(*(lane.fire() for lane in lanes))
    for execution in executions:
        await scene.ends(execution, seconds=180)
    scene.check(losing.hits >= len(executions), f"only {losing.hits} commits were lost")


@drill("F25", "serialization failures, deadlocks, a full disk and refused writes", guards=("G1", "G2", "G6"))
async def writes_fail(scene: Scene) -> None:
    """Each transaction meets each refusal once; several lanes share them, so that none waits for long."""
    lanes = [await scene.lane() for _ in REFUSALS]
    async with AsyncExitStack() as failing:
        counts = {
            (sqlstate, name): await failing.enter_async_context(scene.failing(table, condition, sqlstate, 1))
            for sqlstate in REFUSALS
            for name, (table, condition) in TRANSACTIONS.items()
        }
        for execution in await asyncio.gather(*(lane.fire() for lane in lanes)):
            await scene.ends(execution, seconds=180)
        for (sqlstate, name), count in counts.items():
            scene.check(await count() == 1, f"{name} never met {REFUSALS[sqlstate]}")


@drill("F25", "the database is read-only while a payload is signed", guards=("G2", "G6"))
async def read_only_before_the_record(scene: Scene) -> None:
    lane = await scene.lane()
    since = scene.node.log.count
    async with scene.held("attempt", "TG_OP = 'INSERT'") as allocating:
        execution = await lane.fire()
        await allocating.wait()
    async with _read_only(scene):
        await asyncio.sleep(REFUSING_S)
        sent = [one for one in scene.node.log.calls(scene.send, since) if one.reached]
        stored = [one for one in await scene.attempts(execution) if one["payload_sha256"]]
        scene.check(len(sent) <= len(stored), "something was sent that could not be written down")
    await scene.ends(execution)


@drill("F25", "a table is locked for longer than the product waits", guards=("G1", "G6"))
async def a_table_is_locked(scene: Scene) -> None:
    lane = await scene.lane()
    async with connected(scene.database) as other, other.transaction():
        await other.execute("LOCK TABLE attempt IN ACCESS EXCLUSIVE MODE")
        execution = await lane.fire()

        async def met() -> bool:
            waits = "SELECT 1 FROM pg_locks WHERE relation = 'attempt'::regclass AND NOT granted"
            return bool(await scene.rows(waits))

        await scene.until(met, "a step to wait for the table")
        await asyncio.sleep(REFUSING_S)
    await scene.ends(execution)


@drill("F25", "no connection is left while a rule fires", guards=("G1", "G4", "G6"))
async def no_connection_is_left(scene: Scene) -> None:
    lane = await scene.lane()
    rule = await lane.rule()
    async with AsyncExitStack() as held:
        taken = await _take_all(scene, held)
        scene.proxies["postgres"].cut()
        taken += await _take_all(scene, held)
        firing = asyncio.create_task(lane.fire(rule))
        await asyncio.sleep(REFUSING_S)
        scene.check(taken > 0 and not firing.done(), f"it fired while {taken} connections were taken")
    await scene.ends(await firing)


@drill("F26", "the database goes back to before a trigger", guards=("G1", "G12"), alone=True)
async def goes_back_in_time(scene: Scene) -> None:
    """Everything runs on while the copy takes its place: no restore is less careful."""
    kept, lost = await scene.lane(), await scene.lane()
    await scene.ends(await kept.fire())
    rule, key = await lost.rule(), f"drill-{scene.rng.getrandbits(64):x}"
    await _copy(scene)
    execution = await lost.fire(rule, key)
    await scene.ends(execution)
    landed = await lost.records.landed(lost.address)
    scene.unbooked |= {one["payload_sha256"] for one in await scene.attempts(execution)}
    scene.lanes.remove(lost)  # the book has lost what it did, as it must; the drill itself judges it
    await _put_back(scene)

    scene.check(await lost.fire(rule, key) == execution, "the same trigger became another execution")

    async def halted() -> bool:
        return bool(await scene.rows("SELECT 1 FROM switch WHERE name = 'restored' AND \"on\""))

    await scene.until(halted, "the restored book to be noticed", 150)
    waiting = await kept.fire()
    operator = Lane(scene.http, scene.records, kept.api, scene.world.env["TRIPWIRE_ADMIN_KEY"])
    recover = {"reason": "drill: put back"}
    try:
        await operator.post("/admin/recover", recover)
        raise AssertionError("recovered while what was sent before might still land")
    except Refused:
        await scene.rows("UPDATE switch SET changed_at = changed_at - interval '1 hour' WHERE \"on\" RETURNING name")
    told = await operator.post("/admin/recover", recover)
    frozen = [wallet["wallet_id"] for wallet in told["wallets"]]
    scene.check(lost.wallet_id in frozen and kept.wallet_id not in frozen, f"frozen: {frozen}")
    await scene.ends(waiting, seconds=180)

    async def over() -> bool:
        return await scene.status(execution) == "BLOCKED"

    await scene.until(over, "the old trigger to end without an effect", 150)
    scene.check(await lost.records.landed(lost.address) == landed, "an old trigger had an effect on the chain")


@asynccontextmanager
async def _read_only(scene: Scene) -> AsyncIterator[None]:
    """Every transaction begun by then on is read-only, unless it says otherwise, on connections that stand too."""
    async with connected(scene.database) as keeper:
        await keeper.execute("SET default_transaction_read_only = off")
        await keeper.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await keeper.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            await keeper.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await keeper.execute("SELECT pg_reload_conf()")


async def _take_all(scene: Scene, held: AsyncExitStack) -> int:
    """Open connections until the server has no more."""
    taken = 0
    while True:
        try:
            await held.enter_async_context(connected(scene.database))
        except asyncpg.TooManyConnectionsError:
            return taken
        taken += 1


async def _copy(scene: Scene) -> None:
    """A copy of the database as it is now, under another name."""
    async with connected(_server(scene)) as server:
        await server.execute(f"DROP DATABASE IF EXISTS {KEPT} WITH (FORCE)")
        await _alone(server)
        await server.execute(f"CREATE DATABASE {KEPT} TEMPLATE {DATABASE}")
        await server.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")


async def _put_back(scene: Scene) -> None:
    """The copy in the place of what has become of the original."""
    async with connected(_server(scene)) as server:
        await _alone(server)
        await server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        await server.execute(f"ALTER DATABASE {KEPT} RENAME TO {DATABASE}")


async def _alone(server: asyncpg.Connection) -> None:
    await server.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
    await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", DATABASE)


def _server(scene: Scene) -> str:
    return scene.database.removesuffix(DATABASE) + "postgres"
