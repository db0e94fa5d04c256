"""The embedded world under a harness: copies of the product, paused parts, a proxy before every upstream."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg
import httpx
import psutil
import pytest

from cli.demo_story import Places
from infra.devnet.ports import is_free
from infra.devnet.processes import Child, Program, end_stranded
from infra.devnet.world import World, WorldBroken
from tests.e2e.trader import SolanaTrader
from tests.world.conditions import until

PATIENCE_S = 120  # the machine may be busy with other tests


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """It ends with a paused part, as a harness that was told to stop may leave it."""
    world = World(
        tmp_path_factory.mktemp("world"),
        port_base=None,
        slot_ms=50,
        finalized_lag=4,
        replicas={"executor": 2, "api": 2},
        proxied=True,
    )
    async with world:
        yield world
        await world.pause("signer")
        await world.pause("postgres")
        family = [process for part in ("signer", "postgres", "executor-2") for process in _family(world, part)]
    assert not [process for process in family if process.is_running()]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


async def test_a_swap_settles_through_the_proxies_and_their_logs_know_what_was_sent(
    world: World, http: httpx.AsyncClient
) -> None:
    urls = {name: world.url(name) for name in ("solana", "evm", "kalshi")}
    places = Places(api=world.url("api-2"), admin_key=world.env["TRIPWIRE_ADMIN_KEY"], **urls)
    trader = SolanaTrader(http, places)
    await trader.set_the_stage()
    await trader.fund()
    await trader.make_rule()
    await trader.move_market("0.7100", "0.7300")
    execution = await trader.follow()
    assert execution["status"] == "SETTLED"
    proxies = world.proxies
    assert set(proxies["solana"].log.sent()) == {attempt["payload_sha256"] for attempt in execution["attempts"]}
    assert proxies["kms"].log.calls("TrentService.*")
    assert proxies["jupiter"].log.calls("GET /swap/v2/build")
    assert proxies["kalshi"].log.calls("GET /trade-api/v2/*")
    assert all(proxies[name].bytes_up and proxies[name].bytes_down for name in ("postgres", "temporal"))
    assert proxies["kalshi websocket"].open


async def test_what_is_not_the_product_is_told_no_proxy(world: World) -> None:
    ports = world.proxies.ports.values()
    assert not [value for value in world.env.values() if any(f":{port}" in value for port in ports)]


async def test_a_copy_has_its_own_port_and_is_told_what_its_first_is(world: World) -> None:
    first, copy = (psutil.Process(world.pid(name)).environ() for name in ("executor", "executor-2"))
    assert first.pop("TRIPWIRE_METRICS_PORT") == str(world.ports["executor"])
    assert copy.pop("TRIPWIRE_METRICS_PORT") == str(world.ports["executor-2"])
    assert first == copy


async def test_a_copy_dies_and_is_started_again_by_its_name(world: World) -> None:
    first, before = world.pid("api"), world.pid("api-2")
    os.kill(before, signal.SIGKILL)

    async def another_runs() -> bool:
        return world.pid("api-2") != before

    await until(another_runs, PATIENCE_S)
    await world.wait_ready("api-2")
    assert world.pid("api") == first


async def test_a_paused_part_is_not_dead_and_goes_on_where_it_was(world: World) -> None:
    """With Postgres, whose sessions are processes of their own that no signal to its group reaches."""
    url = world.env["DATABASE_URL"]
    session = await cast(Any, asyncpg).connect(url, timeout=10)
    before = world.pid("postgres")
    await world.pause("postgres")
    assert {process.status() for process in _family(world, "postgres")} == {psutil.STATUS_STOPPED}
    asked = asyncio.create_task(session.fetchval("SELECT 'still there'"))
    await world.resume("postgres")
    assert await asyncio.wait_for(asked, PATIENCE_S) == "still there"
    assert world.pid("postgres") == before
    await session.close()


async def test_a_paused_part_can_be_stopped_and_killed(world: World) -> None:
    for end in (world.stop, world.kill):
        family = _family(world, "executor-2")
        await world.pause("executor-2")
        await end("executor-2")
        assert not [process for process in family if process.is_running()]
        assert is_free(world.ports["executor-2"])
        await world.start("executor-2")


@pytest.mark.parametrize("wrong", [{"postgres": 2}, {"executor-2": 1}])
def test_only_the_product_can_have_replicas(wrong: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(WorldBroken, match="replicas"):
        World(tmp_path_factory.mktemp("refused"), replicas=wrong)


def test_an_ordinary_world_has_no_proxies(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(WorldBroken, match="proxied"):
        _ = World(tmp_path_factory.mktemp("plain"), port_base=None).proxies


def test_what_a_killed_world_left_paused_is_ended(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its children too, though they lead groups of their own."""
    directory = tmp_path_factory.mktemp("left")
    script = "setsid sleep 600 & trap 'kill $!; exit' TERM; echo up; wait"
    child = Child(Program("left", ("sh", "-c", script)), directory / "left.log")
    root = psutil.Process(child.pid)
    while child.said() != ["up"] or not root.children():
        assert child.exit_code is None
        time.sleep(0.05)
    family = [root, *root.children(recursive=True)]
    child.pause()
    end_stranded([root], first=signal.SIGTERM, grace_s=10)
    child.end()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def _family(world: World, name: str) -> list[psutil.Process]:
    root = psutil.Process(world.pid(name))
    return [root, *root.children(recursive=True)]
