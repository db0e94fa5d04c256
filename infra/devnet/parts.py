"""The parts of the embedded world: how each is made, started, and asked whether it answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.devnet import postgres, temporal
from infra.devnet.evm.rpc import settled_state_is_readable
from infra.devnet.health import healthy
from infra.devnet.kalshi.credentials import KEY_ID, mint
from infra.devnet.ports import LOOPBACK
from infra.devnet.processes import Child, Program, module

PRODUCT = ("executor", "signer", "watcher", "api")
_COPY = "-"  # before the number of a copy
GRACE_S = 15  # workers finish or hand back what they hold within 8 s, the API its requests within 10


@dataclass(frozen=True, slots=True)
class Part:
    """A name, the ports it listens on, how to make its program, and how to see that it answers.

    `program` may block (it makes data directories): it is called in a thread. `ready` is asked again and
    again, with the child whose log it may read.
    """

    name: str
    ports: tuple[str, ...]
    program: Callable[[], Program]
    ready: Callable[[Child], Awaitable[bool]]


def surroundings(
    state: Path, ports: Mapping[str, int], temporal_binary: Path, slot_ms: int, finalized_lag: int, evm_block_s: float
) -> list[Part]:
    """What the product lives among: real servers, and stand-ins for services that cannot be had here."""
    chosen = temporal.settings()
    server = temporal.at(ports["temporal"], ports["temporal ui"], chosen)
    solana_url = f"http://{LOOPBACK}:{ports['solana']}"

    def postgres_program() -> Program:
        return postgres.program(postgres.prepare(state), ports["postgres"])

    def kalshi_program() -> Program:
        private, public = state / "kalshi.pem", state / "kalshi.pub.pem"
        mint(private, public)
        options = ("--port", ports["kalshi"], "--state", state / "kalshi.json", "--public-key", public)
        return Program("kalshi", module("infra.devnet.kalshi", *options, "--key-id", KEY_ID))

    def temporal_program() -> Program:
        return temporal.program(temporal_binary, state, ports["temporal"], ports["temporal ui"], chosen)

    kms = module("infra.devnet.kms", "--port", ports["kms"], "--state", state / "kms.json")
    solana = module(
        "infra.devnet.solana",
        *("--port", ports["solana"], "--ws-port", ports["solana websocket"], "--state", state / "solana.sqlite"),
        *("--slot-ms", slot_ms, "--finalized-lag", finalized_lag),
    )
    evm_options = ("--port", ports["evm"], "--state", state / "evm", "--block-s", evm_block_s)
    evm = module("infra.devnet.evm", *evm_options)
    jupiter = module("infra.devnet.jupiter", "--port", ports["jupiter"], "--solana-url", solana_url)
    return [
        Part("postgres", ("postgres",), postgres_program, lambda _: postgres.ready(ports["postgres"])),
        Part("temporal", ("temporal", "temporal ui"), temporal_program, lambda _: temporal.ready(server)),
        Part("kms", ("kms",), lambda: Program("kms", kms), _answers(ports["kms"], "/health")),
        Part(
            "solana",
            ("solana", "solana websocket"),
            lambda: Program("solana", solana),
            _answers(ports["solana"], "/health"),
        ),
        Part(
            "evm",
            ("evm",),
            lambda: Program("evm", evm),
            lambda _: settled_state_is_readable(f"http://{LOOPBACK}:{ports['evm']}"),
        ),
        Part("kalshi", ("kalshi",), kalshi_program, _answers(ports["kalshi"], "/trade-api/v2/exchange/status")),
        Part(
            "jupiter",
            ("jupiter",),
            lambda: Program("jupiter", jupiter),
            _answers(ports["jupiter"], "/_control/health"),
        ),
    ]


def product_names(replicas: Mapping[str, int]) -> list[str]:
    """Every process of ours, copies beside their first: `executor`, `executor-2`, ...

    `replicas` says how many there are of each; one unless it says so.
    """
    return [
        kind if number == 1 else f"{kind}{_COPY}{number}"
        for kind in PRODUCT
        for number in range(1, replicas.get(kind, 1) + 1)
    ]


def kind_of(name: str) -> str:
    """`executor` of `executor-2`."""
    return name.partition(_COPY)[0]


def product(
    names: Iterable[str], ports: Mapping[str, int], environment: Callable[[str], Mapping[str, str]]
) -> list[Part]:
    """Our own processes, exactly as they run in production, told where everything is."""

    def worker(name: str) -> Part:
        def program() -> Program:
            told = {**environment(name), "TRIPWIRE_METRICS_PORT": str(ports[name])}
            return Program(name, module(f"workers.{kind_of(name)}"), told, grace_s=GRACE_S)

        return Part(name, (name,), program, _says_ready)

    def api(name: str) -> Part:
        def program() -> Program:
            told = {**environment(name), "TRIPWIRE_API_PORT": str(ports[name])}
            return Program(name, module("api.server"), told, grace_s=GRACE_S)

        return Part(name, (name,), program, _answers(ports[name], "/ready"))

    return [api(name) if kind_of(name) == "api" else worker(name) for name in names]


def _answers(port: int, path: str) -> Callable[[Child], Awaitable[bool]]:
    return lambda _: healthy(f"http://{LOOPBACK}:{port}{path}")


async def _says_ready(child: Child) -> bool:
    """A worker serves no request: that it polls its queue is known from its own log line."""
    said = await asyncio.to_thread(child.said)
    return any(_event(line) == "ready" for line in said)


def _event(line: str) -> object:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry.get("event") if isinstance(entry, dict) else None
