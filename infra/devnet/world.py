"""The embedded world: Postgres, Temporal, the stand-ins and the product itself, on one machine, as one thing.

    async with World(Path(".tripwire")) as world:
        world.env["TRIPWIRE_API_URL"]

Everything is a process of its own, as in production. What dies is started again; what is stopped stays
stopped until it is started. All state lies in one directory, so a second world there goes on with it.
"""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.devnet import parts
from infra.devnet.evm.toolchain import evm_toolchain
from infra.devnet.kalshi.credentials import KEY_ID
from infra.devnet.kms.client import ensure_key
from infra.devnet.parts import PRODUCT, Part, kind_of, product_names
from infra.devnet.ports import LOOPBACK, free_base, holder, is_free
from infra.devnet.postgres import PostgresUnavailable
from infra.devnet.processes import Child, Program, module
from infra.devnet.proxy.upstreams import Proxies
from infra.devnet.restarts import MOST, WINDOW_S, Restarts
from infra.devnet.settings import for_other_tools, offsets, settings, write_dev_env
from infra.devnet.tenancy import Tenancy
from infra.devnet.toolchain import temporal_binary

PORT_BASE = 7400
FINALIZED_LAG = 32  # slots, as on Solana itself
SLOT_MS = 400  # Solana's own pace
EVM_BLOCK_S = 1.0  # mainnet takes 12; nobody wants to wait for that. 0: a block for every transaction
READY_TIMEOUT_S = 120  # all parts together take some 10 s on two idle cores
STEP_TIMEOUT_S = 120  # contracts, migration, first keys
LOOK_EVERY_S = 0.1
HIGHEST_PORT = 65_535
OVER_ALL = "*"


class WorldBroken(Exception):
    """The world cannot start or go on; the message says why, and what to do."""


class PortsTaken(WorldBroken):
    """Some other process listens where a part should."""


class PartFailed(WorldBroken):
    """A part ended, or did not answer in time."""


@dataclass(slots=True)
class Running:
    part: Part
    child: Child


class World:
    """Start it by `async with`. `env` is what `dev.env` holds; `ports` is known before the start."""

    def __init__(
        self,
        state: Path,
        port_base: int | None = PORT_BASE,
        *,
        without: Collection[str] = (),
        slot_ms: int = SLOT_MS,
        finalized_lag: int = FINALIZED_LAG,
        evm_block_s: float = EVM_BLOCK_S,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        replicas: Mapping[str, int] | None = None,
        proxied: bool = False,
        seed: int = 0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`port_base` None: any free ports. `overrides`: settings by process name, or `*` for all of ours.
        `replicas`: how many run of a process; its copies are named `executor-2` and so on, and are told what the
        first is told, too. `proxied`: our processes reach every upstream through `proxies`, whose chances come
        from `seed`.

        Errors: WorldBroken for a name in `without` or `replicas` that is none of ours, or a port base out of range.
        """
        names = product_names(replicas or {})
        if unknown := set(without) - set(names):
            raise WorldBroken(f"--without knows {', '.join(names)}, not {', '.join(sorted(unknown))}")
        if unknown := set(replicas or {}) - set(PRODUCT):
            raise WorldBroken(f"there can be replicas of {', '.join(PRODUCT)}, not of {', '.join(sorted(unknown))}")
        places = offsets()
        for copy in [name for name in names if name not in places]:
            places[copy] = max(places.values()) + 1
        last = max(places.values())
        base = free_base(last + 1) if port_base is None else port_base
        if not 1 <= base <= HIGHEST_PORT - last:
            raise WorldBroken(f"--port-base must lie between 1 and {HIGHEST_PORT - last}")
        self.state = state.resolve()
        self.ports = {name: base + offset for name, offset in places.items()}
        self.env: dict[str, str] = {}
        self.overrides = {name: dict(values) for name, values in (overrides or {}).items()}
        self.ours = [name for name in names if name not in without]
        self._proxies = Proxies(self.ports, seed) if proxied else None
        self._through: dict[str, str] = {}  # settings that lead our processes through the proxies
        self._pace = (slot_ms, finalized_lag, evm_block_s)
        self._say = say
        self._parts: dict[str, Part] = {}
        self._running: dict[str, Running] = {}
        self._tenancy: Tenancy | None = None
        self._watching: asyncio.Task[None] | None = None
        self._mending: dict[str, asyncio.Task[None]] = {}
        self._restarts = Restarts()

    async def __aenter__(self) -> Self:
        """Errors: WorldBroken, ToolMissing, Occupied, PostgresUnavailable: each with a sentence to show."""
        binary = await asyncio.to_thread(temporal_binary, self._say)
        await asyncio.to_thread(evm_toolchain, self._say)
        self._tenancy = Tenancy(self.state)
        try:
            (self.state / "logs").mkdir(mode=0o700, exist_ok=True)
            (self.state / "dev.env").unlink(missing_ok=True)  # it says "everything answers"
            if ended := await asyncio.to_thread(self._tenancy.end_leftovers):
                self._say(f"ended what a killed world had left running: {', '.join(ended)}")
            around = parts.surroundings(self.state, self.ports, binary, *self._pace)
            ours = parts.product(self.ours, self.ports, self._told)
            self._parts = {part.name: part for part in (*around, *ours)}
            self._check_ports()
            if self._proxies:
                await self._proxies.__aenter__()
            await self._start_all([part.name for part in around])
        except BaseException:
            await self._end_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end_all()

    @property
    def proxies(self) -> Proxies:
        """What stands before each upstream of a proxied world. Errors: WorldBroken in any other."""
        if self._proxies is None:
            raise WorldBroken("this world has no proxies: start it with proxied=True")
        return self._proxies

    def url(self, name: str) -> str:
        """The origin of a part that speaks HTTP, known before it runs: for a proxy to stand before it."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def running(self) -> frozenset[str]:
        """The parts that run now."""
        return frozenset(name for name, running in self._running.items() if running.child.exit_code is None)

    def pid(self, name: str) -> int:
        """The process that runs as `name` now. Killing it is fine: it is started again."""
        return self._running[name].child.pid

    async def start(self, name: str) -> None:
        """Start a part that does not run, and wait until it answers.

        Errors: PartFailed.
        """
        part = self._parts[name]
        program = await asyncio.to_thread(part.program)
        # In this thread, and not beside it: the kernel ends children together with the thread that made them.
        running = Running(part, Child(program, self.state / "logs" / f"{name}.log"))
        self._running[name] = running
        self._note()
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not await part.ready(running.child):
            if running.child.exit_code is not None:
                raise PartFailed(_obituary(running))
            if time.monotonic() > deadline:
                raise PartFailed(f"{name} does not answer; its last words:\n{running.child.last_words()}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def stop(self, name: str) -> None:
        """End a part in its own way; it stays down until started."""
        if child := await self._let_go(name):
            await asyncio.to_thread(child.end)

    async def kill(self, name: str) -> None:
        """kill -9; it stays down until started."""
        if child := await self._let_go(name):
            await asyncio.to_thread(child.kill)

    async def pause(self, name: str) -> None:
        """SIGSTOP: it lives, holds what it holds, and does nothing. It is neither dead nor started again."""
        await asyncio.to_thread(self._running[name].child.pause)

    async def resume(self, name: str) -> None:
        """SIGCONT: it goes on where it was."""
        await asyncio.to_thread(self._running[name].child.resume)

    async def wait_ready(self, name: str) -> None:
        """Return once the part answers, however often it has to be started again until then.

        Errors: PartFailed when time runs out.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            running = self._running.get(name)
            if running and running.child.exit_code is None and await running.part.ready(running.child):
                return
            if time.monotonic() > deadline:
                raise PartFailed(f"{name} did not answer within {READY_TIMEOUT_S} s")
            await asyncio.sleep(LOOK_EVERY_S)

    def _told(self, name: str) -> dict[str, str]:
        told = {**self.env, **self._through}
        for meant in (OVER_ALL, kind_of(name), name):
            told |= self.overrides.get(meant, {})
        return told

    def _check_ports(self) -> None:
        wanted = [(part.name, self.ports[port]) for part in self._parts.values() for port in part.ports]
        taken = [f"{port} ({name}) is held by {holder(port)}" for name, port in wanted if not is_free(port)]
        if taken:
            listed = "; ".join(taken)
            width = max(self.ports.values()) - min(self.ports.values())
            raise PortsTaken(f"ports are taken: {listed}. Choose others with --port-base N (N to N+{width} are used).")

    async def _start_all(self, around: list[str]) -> None:
        await self._start_together(around)
        key = await asyncio.to_thread(ensure_key, self.url("kms"))
        told = settings(self.ports, self.state, key, KEY_ID)
        self.env = told
        keys_file = self.state / "keys.json"
        await self._step("contracts", module("infra.devnet.evm.deploy", "--url", self.url("evm")))
        await self._step("migrate", module("infra.db.migrate"))
        await self._step("bootstrap", module("api.bootstrap", "--keys-file", keys_file))
        keys = json.loads(keys_file.read_bytes())
        told |= {f"TRIPWIRE_{name.upper()}": keys[name] for name in ("admin_key", "owner_id", "owner_key")}
        if self._proxies:
            self._through = _changed(told, settings({**self.ports, **self._proxies.ports}, self.state, key, KEY_ID))
        await self._start_together(self.ours)
        other = for_other_tools(self.ports, told)
        self.env = {**told, **other}
        write_dev_env(self.state / "dev.env", told, other)
        self._watching = asyncio.create_task(self._watch())

    async def _start_together(self, names: list[str]) -> None:
        try:
            async with asyncio.TaskGroup() as starting:
                for name in names:
                    starting.create_task(self.start(name))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # one part's sentence says more than the sum of them

    async def _step(self, name: str, command: tuple[str, ...]) -> None:
        """Run a command of ours to its end. Its log stays only if it failed: it may hold new keys.

        Errors: PartFailed.
        """
        log = self.state / "logs" / f"{name}.log"
        child = Child(Program(name, command, self.env), log)
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                while child.exit_code is None:  # noqa: ASYNC110 - another process, which sets no event
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await asyncio.to_thread(child.end)
        if child.exit_code != 0:
            raise PartFailed(f"{name} failed:\n{child.last_words()}")
        log.unlink()

    async def _watch(self) -> None:
        """Start again what dies by itself."""
        while True:
            for name, running in self._running.items():
                if running.child.exit_code is not None and name not in self._mending:
                    self._mending[name] = mending = asyncio.create_task(self._mend(name, running))
                    mending.add_done_callback(partial(self._mended, name))
            await asyncio.sleep(LOOK_EVERY_S)

    def _mended(self, name: str, _: asyncio.Task[None]) -> None:
        del self._mending[name]

    async def _mend(self, name: str, dead: Running) -> None:
        self._say(_obituary(dead, lines=0))
        while (pause_s := self._restarts.pause_s(name, time.monotonic())) is not None:
            await asyncio.sleep(pause_s)
            try:
                await self.start(name)
            except (PartFailed, PostgresUnavailable) as failure:
                self._say(str(failure))
            else:
                self._say(f"{name} answers again")
                return
        del self._running[name]
        self._say(f"{name} stays down: it was started {MOST} times within {WINDOW_S:.0f} s")

    async def _let_go(self, name: str) -> Child | None:
        """Take a part out of our care, so that its end is no surprise."""
        if mending := self._mending.get(name):
            mending.cancel()
            await asyncio.wait([mending])
        running = self._running.pop(name, None)
        self._note()
        return running.child if running else None

    def _note(self) -> None:
        if self._tenancy:
            self._tenancy.note({name: running.child.identity for name, running in self._running.items()})

    async def _end_all(self) -> None:
        """Ours first, then what they talked to, then where all of it is written down."""
        if self._watching:
            self._watching.cancel()
        for running in self._running.values():
            running.child.resume()  # what ends first may need one that is paused
        for together in (self.ours, ("jupiter", "kalshi", "solana", "evm", "kms"), ("temporal",), ("postgres",)):
            await asyncio.gather(*(self.stop(name) for name in together))
        if self._proxies:
            await self._proxies.__aexit__(None, None, None)
        if self._tenancy:
            self._tenancy.release()


def _changed(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in after.items() if before[name] != value}


def _obituary(running: Running, lines: int = 12) -> str:
    child = running.child
    code = child.exit_code or 0
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    words = f"; its last words:\n{child.last_words(lines)}" if lines else f", see {child.log}"
    return f"{running.part.name} ended {how}{words}"
