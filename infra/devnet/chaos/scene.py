"""Where a drill plays: an embedded world behind its proxies, one of its chains, and who acts there."""

import asyncio
import json
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from infra.devnet.chaos import database, moments
from infra.devnet.chaos.chains import ChainRecords, records_at
from infra.devnet.chaos.lane import Lane
from infra.devnet.chaos.moments import Moment
from infra.devnet.chaos.verdict import FINAL
from infra.devnet.proxy.arming import Armed
from infra.devnet.proxy.http import HttpFaultProxy
from infra.devnet.proxy.upstreams import Proxies
from infra.devnet.toolchain import temporal_binary
from infra.devnet.world import World

LOOK_EVERY_S = 0.1
COMMAND_TIMEOUT_S = 60


class NotReached(AssertionError):
    """A drill did not come to where its fault strikes, or the product did not answer as it should."""


@dataclass(slots=True)
class Scene:
    """`rng` is seeded by the drill's seed, and all chance comes from it. `figures` is for what a drill measures, by
    names that end in their unit. `unbooked` are SHA-256 of payloads whose rows a drill took from the book itself, by
    putting back an older one."""

    world: World
    http: httpx.AsyncClient
    records: ChainRecords
    rng: random.Random
    lanes: list[Lane] = field(default_factory=list)
    unbooked: set[str] = field(default_factory=set)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def venue(self) -> str:
        return self.records.venue

    @property
    def proxies(self) -> Proxies:
        return self.world.proxies

    @property
    def node(self) -> HttpFaultProxy:
        """The proxy before the chain's node."""
        return self.proxies["solana"] if self.venue == "solana" else self.proxies["evm"]

    @property
    def send(self) -> str:
        """The method by which a payload goes out."""
        return "sendTransaction" if self.venue == "solana" else "eth_sendRawTransaction"

    @property
    def look(self) -> str:
        """The method by which its fate is asked."""
        return "getSignatureStatuses" if self.venue == "solana" else "eth_getTransactionReceipt"

    @property
    def database(self) -> str:
        """Straight to Postgres, past its proxy."""
        return self.world.env["DATABASE_URL"]

    async def lane(self, venue: str | None = None) -> Lane:
        """A fresh owner with a funded wallet, on the drill's venue or another, who is judged at the drill's end."""
        records = self.records if venue in (None, self.venue) else records_at(venue, self.world.url(venue), self.http)
        lane = await Lane.opened(
            self.http, records, self.world.env["TRIPWIRE_API_URL"], self.world.env["TRIPWIRE_ADMIN_KEY"]
        )
        self.lanes.append(lane)
        return lane

    async def admin(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What an operator asks of the API. Errors: httpx.HTTPError."""
        key = {"Authorization": f"Bearer {self.world.env['TRIPWIRE_ADMIN_KEY']}"}
        headers = {**key, "Idempotency-Key": secrets.token_hex(16)}
        answer = await self.http.request(method, self.world.env["TRIPWIRE_API_URL"] + path, headers=headers, json=body)
        return dict(answer.raise_for_status().json())

    async def temporal(self) -> Client:
        """Straight to Temporal, past its proxy."""
        return await Client.connect(self.world.env["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)

    async def holder(self, execution_id: str, step: str, seconds: float = 60) -> str:
        """The process that carries out this step of the execution now, as Temporal knows it. Errors: NotReached."""
        handle = (await self.temporal()).get_workflow_handle(await self.workflow_id(execution_id))
        pids = {str(self.world.pid(name)): name for name in self.workers if name in self.world.running}

        async def held() -> str | None:
            for pending in (await handle.describe()).raw_description.pending_activities:
                if (
                    pending.activity_type.name == step
                    and pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
                ):
                    return pids.get(pending.last_worker_identity.partition("@")[0])
            return None

        return str(await self.until(held, f"a worker to hold the step {step} of {execution_id}", seconds))

    async def workflow_id(self, execution_id: str) -> str:
        rows = await self.rows("SELECT workflow_id FROM v_execution WHERE execution_id = $1", execution_id)
        return str(rows[0]["workflow_id"])

    def committed(self, table: str, condition: str) -> AbstractAsyncContextManager[Moment]:
        return moments.committed(self.database, table, condition)

    def held(self, table: str, condition: str) -> AbstractAsyncContextManager[Moment]:
        return moments.held(self.database, table, condition)

    def failing(
        self, table: str, condition: str, sqlstate: str, times: int
    ) -> AbstractAsyncContextManager[Callable[[], Awaitable[int]]]:
        return moments.failing(self.database, table, condition, sqlstate, times)

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        return await database.rows(self.database, sql, *values)

    async def temporal_cli(self, *arguments: str) -> Any:
        """What Temporal's own command line says, as JSON where it says any, straight to the server's port: the tool
        of operators, and of whoever else gets there. Errors: NotReached, where it refuses.
        """
        binary = await asyncio.to_thread(temporal_binary)
        where = ("--address", self.world.env["TEMPORAL_ADDRESS"], "--namespace", self.world.env["TEMPORAL_NAMESPACE"])
        plain = ("--output", "json", "--disable-config-file", "--disable-config-env")
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(binary, *arguments, *where, *plain, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                said, complained = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
        self.check(child.returncode == 0, f"temporal {' '.join(arguments)}: {complained.decode().strip()}")
        try:
            return json.loads(said)
        except ValueError:
            return said.decode()

    async def kill(self, *names: str) -> None:
        """kill -9, all at once; they stay down until `restart`."""
        await asyncio.gather(*(self.world.kill(name) for name in names))

    async def restart(self, *names: str) -> None:
        await asyncio.gather(*(self.world.start(name) for name in names))

    @property
    def workers(self) -> tuple[str, ...]:
        """Every executor and signer there is."""
        return tuple(name for name in self.world.ours if name.startswith(("executor", "signer")))

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Every copy of a process: `executor`, `executor-2`."""
        return tuple(name for name in self.world.ours if name == kind or name.startswith(f"{kind}-"))

    async def now(self) -> datetime:
        """By the book's clock."""
        (row,) = await self.rows("SELECT clock_timestamp() AS now")
        return datetime.fromisoformat(str(row["now"]))

    async def hit(self, armed: Armed, times: int = 1, seconds: float = 60) -> None:
        """Errors: TimeoutError, when the fault did not happen so often: then the drill drilled nothing."""
        async with asyncio.timeout(seconds):
            await armed.hit(times)

    async def until(self, condition: Callable[[], Awaitable[Any]], what: str, seconds: float = 90) -> Any:
        """The condition's first true answer. Errors: NotReached."""
        try:
            async with asyncio.timeout(seconds):
                while not (answer := await condition()):  # noqa: ASYNC110 - it comes true in another process
                    await asyncio.sleep(LOOK_EVERY_S)
                return answer
        except TimeoutError:
            raise NotReached(f"waited {seconds:.0f} s for {what}") from None

    async def status(self, execution_id: str) -> str:
        rows = await self.rows("SELECT status FROM v_execution WHERE execution_id = $1", execution_id)
        return str(rows[0]["status"]) if rows else "ABSENT"

    async def reaches(self, execution_id: str, *statuses: str, seconds: float = 90) -> str:
        """The first of these statuses that the execution is in. Errors: NotReached."""

        async def there() -> str | None:
            status = await self.status(execution_id)
            return status if status in statuses else None

        return str(await self.until(there, f"{execution_id} to be {' or '.join(statuses)}", seconds))

    async def ends(self, execution_id: str, status: str = "SETTLED", seconds: float = 120) -> None:
        """Errors: NotReached, where it ends otherwise or not at all."""
        ended = await self.reaches(execution_id, *FINAL, "UNKNOWN", seconds=seconds)
        self.check(ended == status, f"{execution_id} ended {ended}, not {status}")

    async def signed(self, execution_id: str, leg_no: int = 1, attempt_no: int = 1) -> dict[str, Any]:
        """An attempt's row in the book, once its payload is stored. Errors: NotReached."""

        async def stored() -> dict[str, Any] | None:
            rows = await self.rows(
                "SELECT a.*, l.leg_no FROM attempt a JOIN leg l ON l.id = a.leg_id WHERE a.execution_id = $1 "
                "AND l.leg_no = $2 AND a.attempt_no = $3 AND a.state = 'SIGNED'",
                execution_id,
                leg_no,
                attempt_no,
            )
            return rows[0] if rows else None

        found: dict[str, Any] = await self.until(stored, f"attempt {attempt_no} of leg {leg_no} to be signed")
        return found

    def sends(self, payload_sha256: str) -> int:
        """How often a payload has gone to the node."""
        return len(self.node.log.sent().get(payload_sha256, ()))

    async def booked(self, execution_id: str) -> int:
        """How many ledger entries an execution has, beside what came from outside before it began."""
        sql = "SELECT 1 FROM v_ledger WHERE execution_id = $1 AND kind <> 'outside'"
        return len(await self.rows(sql, execution_id))

    async def tasks(self, lane: Lane) -> list[str]:
        """The codes of what a person is asked about a wallet."""
        rows = await self.rows(
            "SELECT code FROM operator_task WHERE wallet_id = $1 AND resolved_at IS NULL", lane.wallet_id
        )
        return [str(row["code"]) for row in rows]

    async def frozen(self, lane: Lane) -> bool:
        (row,) = await self.rows("SELECT frozen FROM wallet WHERE id = $1", lane.wallet_id)
        return bool(row["frozen"])

    async def attempts(self, execution_id: str) -> list[dict[str, Any]]:
        return await self.rows(
            "SELECT * FROM v_attempt WHERE execution_id = $1 ORDER BY leg_no, attempt_no", execution_id
        )

    async def sent_as_stored(self, execution_id: str) -> None:
        """What was stored is what was sent, and one payload a leg landed. Errors: NotReached.

        There may be more: on a slow machine one may have lived too short, and died.
        """
        attempts, sent = await self.attempts(execution_id), self.node.log.sent()
        self.check(all(attempt["payload_sha256"] in sent for attempt in attempts), "what was stored is what was sent")
        landed = [attempt["leg_no"] for attempt in attempts if attempt["fate"] == "LANDED"]
        self.check(landed == list(range(1, self.records.legs + 1)), f"one payload a leg landed, not those of {landed}")

    @staticmethod
    def check(holds: bool, sentence: str) -> None:
        """What this drill expects beyond the invariants. Errors: NotReached."""
        if not holds:
            raise NotReached(sentence)
