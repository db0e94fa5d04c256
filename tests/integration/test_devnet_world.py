"""The embedded world starts whole, mends itself, and leaves nothing behind. Real parts, free ports."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from dotenv import dotenv_values

from infra.devnet import postgres
from infra.devnet.evm.contracts import LAST, is_there
from infra.devnet.evm.rpc import EvmRpc
from infra.devnet.ports import LOOPBACK, free_base, free_port, is_free
from infra.devnet.processes import Child, Identity, Program
from infra.devnet.restarts import MOST, WINDOW_S, Restarts
from infra.devnet.tenancy import Occupied, Tenancy
from infra.devnet.world import PortsTaken, World, WorldBroken
from tests.world.conditions import until
from tests.world.waiting import finished

PATIENCE_S = 120  # the machine may be busy with other tests


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World(tmp_path_factory.mktemp("world"), port_base=None, slot_ms=50, finalized_lag=4) as running:
        yield running
        family = [psutil.Process(running.pid(name)) for name in ("postgres", "temporal", "kms", "executor", "api")]
    assert not [process for process in family if process.is_running()]
    assert all(is_free(port) for port in running.ports.values())


async def test_everything_answers_where_dev_env_says(world: World) -> None:
    told = dotenv_values(world.state / "dev.env")
    assert told == world.env
    async with httpx.AsyncClient(trust_env=False) as client:
        ready = await client.get(f"{told['TRIPWIRE_API_URL']}/ready")
        as_owner = {"Authorization": f"Bearer {told['TRIPWIRE_OWNER_KEY']}"}
        rules = await client.get(f"{told['TRIPWIRE_API_URL']}/rules", headers=as_owner)
        ui = await client.get(str(told["TEMPORAL_UI_URL"]))
    assert (ready.status_code, rules.status_code, ui.status_code) == (200, 200, 200)


def test_dev_env_is_for_its_owner_alone_and_a_shell_reads_it(world: World) -> None:
    file = world.state / "dev.env"
    assert file.stat().st_mode & 0o777 == 0o600
    script = f"set -a; . '{file}'; printf %s \"$TRIPWIRE_OWNER_KEY\""
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10, check=True)
    assert read.stdout == world.env["TRIPWIRE_OWNER_KEY"]


async def test_new_keys_are_in_no_log(world: World) -> None:
    written = "".join(log.read_text(errors="replace") for log in (world.state / "logs").iterdir())
    assert "twk_" not in written


async def test_what_dies_is_started_again(world: World) -> None:
    before = world.pid("signer")
    os.kill(before, signal.SIGKILL)

    async def another_runs() -> bool:
        return world.pid("signer") != before

    await until(another_runs, PATIENCE_S)
    await world.wait_ready("signer")


async def test_postgres_comes_back_with_its_rows_after_kill_9(world: World) -> None:
    before = world.pid("postgres")
    os.kill(before, signal.SIGKILL)

    async def another_runs() -> bool:
        return world.pid("postgres") != before

    await until(another_runs, PATIENCE_S)
    await world.wait_ready("postgres")
    async with httpx.AsyncClient(trust_env=False) as client:

        async def the_owner_is_still_known() -> bool:
            as_owner = {"Authorization": f"Bearer {world.env['TRIPWIRE_OWNER_KEY']}"}
            return (await client.get(f"{world.url('api')}/rules", headers=as_owner)).status_code == 200

        await until(the_owner_is_still_known, PATIENCE_S)


async def test_the_evm_chain_has_its_contracts_and_keeps_them_when_its_node_is_killed(world: World) -> None:
    async with EvmRpc(world.env["EVM_RPC_URL"]) as rpc:
        assert await is_there(rpc, LAST)
        before = world.pid("evm")
        os.kill(before, signal.SIGKILL)

        async def another_runs() -> bool:
            return world.pid("evm") != before

        await until(another_runs, PATIENCE_S)
        await world.wait_ready("evm")
        assert await is_there(rpc, LAST)


async def test_what_is_stopped_stays_down_until_it_is_started_with_new_settings(world: World) -> None:
    await world.stop("watcher")
    assert is_free(world.ports["watcher"])
    world.overrides["watcher"] = {"TRIPWIRE_KALSHI_URL": "http://127.0.0.1:9/trade-api/v2"}
    await world.start("watcher")
    assert psutil.Process(world.pid("watcher")).environ()["TRIPWIRE_KALSHI_URL"].startswith("http://127.0.0.1:9/")
    assert not is_free(world.ports["watcher"])


async def test_a_second_world_in_the_same_directory_is_refused(world: World) -> None:
    with pytest.raises(Occupied, match=str(os.getpid())):
        await World(world.state, port_base=None).__aenter__()
    await world.wait_ready("api")


async def test_a_taken_port_is_named_with_part_and_holder_before_anything_starts(tmp_path: Path) -> None:
    base = free_base(13)
    with socket.create_server((LOOPBACK, base + 3)), pytest.raises(PortsTaken) as refused:
        await World(tmp_path, port_base=base).__aenter__()
    assert f"{base + 3} (postgres)" in str(refused.value)
    assert f"pid {os.getpid()}" in str(refused.value)
    assert "--port-base" in str(refused.value)
    assert not list((tmp_path / "logs").iterdir())


@pytest.mark.parametrize("attempt", [lambda at: World(at, without=["signor"]), lambda at: World(at, port_base=65_530)])
def test_what_cannot_be_started_is_refused_in_a_sentence(attempt: Callable[[Path], World], tmp_path: Path) -> None:
    with pytest.raises(WorldBroken):
        attempt(tmp_path)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts `tripwire dev` in one directory, as often as asked for; whatever is left is ended."""
    base = free_base(13)
    script = f"from cli.dev import dev; from pathlib import Path; dev(Path({str(tmp_path)!r}), {base}, 'watcher')"
    begun: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        begun.append(subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for supervisor in begun:
        supervisor.terminate()
        supervisor.communicate(timeout=PATIENCE_S)


def test_a_killed_supervisor_takes_all_along_and_the_next_one_goes_on(
    supervised: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    dev_env = tmp_path / "dev.env"
    killed = supervised()
    _wait(dev_env.exists, killed)
    family = _noted(tmp_path)
    owner_key = dotenv_values(dev_env)["TRIPWIRE_OWNER_KEY"]
    assert set(family) == {
        "postgres",
        "temporal",
        "kms",
        "solana",
        "evm",
        "kalshi",
        "jupiter",
        "executor",
        "signer",
        "api",
    }
    killed.kill()
    killed.wait(PATIENCE_S)
    if sys.platform == "linux":  # elsewhere the next start ends them
        _wait(lambda: not any(identity.process() for identity in family.values()))

    dev_env.unlink()
    second = supervised()
    _wait(dev_env.exists, second)
    assert dotenv_values(dev_env)["TRIPWIRE_OWNER_KEY"] == owner_key
    family = _noted(tmp_path)
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE_S) == 0
    assert not any(identity.process() for identity in family.values())


def test_a_supervisor_told_to_stop_while_starting_leaves_nothing(
    supervised: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    supervisor = supervised()
    pids = tmp_path / "pids.json"
    _wait(lambda: pids.exists() and len(_noted(tmp_path)) > 2, supervisor)
    family = _noted(tmp_path)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(PATIENCE_S) == 0
    assert not any(identity.process() for identity in family.values())
    assert not (tmp_path / "dev.env").exists()


def test_leftovers_are_ended_and_strangers_spared(tmp_path: Path) -> None:
    left, stranger = (subprocess.Popen(["sleep", "600"]) for _ in range(2))
    try:
        first = Tenancy(tmp_path)
        created = psutil.Process(stranger.pid).create_time()
        first.note(
            {
                "left": Identity(left.pid, psutil.Process(left.pid).create_time()),
                "stranger": Identity(stranger.pid, created - 60),  # the pid was another's when it was noted
            }
        )
        first.release()
        second = Tenancy(tmp_path)
        assert second.end_leftovers() == ["left"]
        second.release()
        assert not psutil.pid_exists(left.pid)
        assert stranger.poll() is None
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


def test_a_server_left_on_the_same_data_is_ended_before_the_next(tmp_path: Path) -> None:
    place = postgres.prepare(tmp_path)
    port = free_port()
    left = Child(postgres.program(place, port), tmp_path / "postgres.log")
    try:
        finished(postgres.wait_ready(port))
        assert postgres.prepare(tmp_path) == place
        _wait(lambda: left.exit_code is not None)
        successor = Child(postgres.program(place, port), tmp_path / "postgres.log")
        try:
            finished(postgres.wait_ready(port))
        finally:
            successor.end()
    finally:
        left.end()
        place.discard()


@pytest.mark.parametrize("gone", [True, False])
def test_data_outside_the_state_directory_goes_when_that_is_gone(gone: bool, tmp_path: Path) -> None:
    """Outside is where root keeps it, when the account that Postgres runs as cannot reach the directory."""
    hidden, second = tmp_path / "first", tmp_path / "second"
    first_place = postgres.prepare(hidden)
    if gone:
        shutil.rmtree(hidden)
    second_place = postgres.prepare(second)
    try:
        assert first_place.data.exists() == (not gone)
    finally:
        second_place.discard()
        if not gone:
            first_place.discard()


def test_a_child_that_is_deaf_to_its_stop_signal_is_killed(tmp_path: Path) -> None:
    deaf = Program("deaf", ("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"), grace_s=0.2)
    child = Child(deaf, tmp_path / "deaf.log")
    _wait(lambda: child.said() == ["deaf"])
    child.end()
    assert child.exit_code == -signal.SIGKILL


def test_a_child_does_not_see_the_shells_own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPWIRE_KMS_KEY_ID", "a live one")
    monkeypatch.setenv("AWS_PROFILE", "production")
    child = Child(Program("env", ("env",), {"TRIPWIRE_DRY_RUN": "false"}), tmp_path / "env.log")
    _wait(lambda: child.exit_code == 0)
    assert "TRIPWIRE_DRY_RUN=false" in child.said()
    assert not [line for line in child.said() if "live" in line or "production" in line]


def test_a_part_that_keeps_dying_is_given_up_and_forgiven_after_a_while() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_s("api", now_s=10.0 + second) for second in range(MOST)]
    assert None not in pauses
    assert sorted(pauses, key=lambda pause: pause or 0) == pauses
    assert restarts.pause_s("api", now_s=10.0 + MOST) is None
    assert restarts.pause_s("signer", now_s=10.0 + MOST) is not None
    assert restarts.pause_s("api", now_s=10.0 + WINDOW_S) is not None


def _noted(state: Path) -> dict[str, Identity]:
    return {name: Identity(**known) for name, known in json.loads((state / "pids.json").read_bytes()).items()}


def _wait(condition: Callable[[], bool], supervisor: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        assert supervisor is None or supervisor.poll() is None, supervisor.communicate()[1] if supervisor else ""
        time.sleep(0.05)
