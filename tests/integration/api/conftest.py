"""The API as a client meets it: real Postgres, real Temporal with an executor, a feed and a venue of our own."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.keypair import Keypair
from temporalio.client import Client
from temporalio.worker import Worker

from activities.confirm import Confirm
from activities.create_wallet import CreateWalletKey
from activities.escalate import Escalate
from activities.heartbeat import Heartbeats
from activities.lock import Lock
from activities.preflight import Preflight
from activities.reconcile import Reconcile
from activities.reconcile_wallets import ReconcileWallets
from activities.submit import Submit
from activities.translation import Translation
from api.app import create_app
from api.assembly import Tools, assemble
from domain import assets, identity
from domain.chains import CHAINS
from domain.money import Amount
from infra.comparing import Comparison
from infra.config import Settings
from infra.custody.protocol import NewKey
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.migrate import migrate
from infra.db.owners import Owners
from infra.db.wallets import Wallets
from infra.devnet.temporal import TemporalDev
from infra.temporal.client import connect
from infra.temporal.queues import EXECUTIONS, SIGNER
from tests.fakes.feed import FakeFeed
from tests.fakes.venue import FakeVenue
from tests.world.postgres import postgres_server
from tests.world.temporal import temporal_server
from workflows.create_wallet import CreateWallet
from workflows.execute_rule import ExecuteRule
from workflows.reconcile_wallets import ReconcileWalletsWorkflow

MARKET = "FED-25DEC-CUT"

_numbers = itertools.count(1)


class Keyring:
    """A custodian whose keys are real and lie in no key service."""

    name = "keyring"

    async def create(self, wallet_id: str, owner_id: str, family: str) -> NewKey:
        return NewKey(str(Keypair().pubkey()), {"in": "a test"})

    async def sign(self, wallet: object, message: bytes) -> bytes:
        raise AssertionError("nothing is signed here")


@dataclass(frozen=True, slots=True)
class Member:
    """An owner with a wallet, and a client that carries its key."""

    owner_id: str
    key: str
    wallet_id: str
    address: str
    http: httpx.AsyncClient

    def rule(self, **changes: object) -> dict[str, Any]:
        """A rule that passes, with parts replaced by their path: `action__amount="1"`."""
        body: dict[str, Any] = {
            "name": "Fed cut → SOL",
            "wallet_id": self.wallet_id,
            "trigger": {
                "kind": "market_probability",
                "venue": "kalshi",
                "market": MARKET,
                "when": "at_or_above",
                "threshold": "0.70",
            },
            "action": {"kind": "swap", "sell": "USDC", "buy": "SOL", "amount": "5", "max_slippage_bps": 50},
        }
        for path, value in changes.items():
            *parents, last = path.split("__")
            place = body
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return body

    async def has_rule(self, **changes: object) -> str:
        answer = await self.http.post("/rules", json=self.rule(**changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def has_active_rule(self, **changes: object) -> str:
        rule_id = await self.has_rule(**changes)
        answer = await self.http.post(f"/rules/{rule_id}/activate")
        assert answer.status_code == 200, answer.text
        return rule_id


@dataclass(frozen=True, slots=True)
class World:
    """`executor` opens a worker for every step but signing."""

    book: Book
    temporal: Client
    tools: Tools
    feed: FakeFeed
    venue: FakeVenue
    admin: httpx.AsyncClient
    anonymous: httpx.AsyncClient
    transport: httpx.ASGITransport

    def with_key(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self.transport, base_url="http://api", headers={"Authorization": f"Bearer {key}"}
        )

    async def key(self, owner_id: str | None, *scopes: str) -> tuple[str, str]:
        """A key's id and secret."""
        made = await Owners(self.book).add_key(
            identity.api_key_id("tests", str(next(_numbers))), owner_id, "test", scopes, 1
        )
        assert made.secret is not None
        return made.key.id, made.secret

    async def joins(self, name: str) -> Member:
        number = next(_numbers)
        owner = await Owners(self.book).add(identity.owner_id(f"{name}/{number}"), name)
        wallet_id, address = identity.wallet_id(owner.id, str(number)), str(Keypair().pubkey())
        await Wallets(self.book).add(wallet_id, owner.id, CHAINS["solana"], address, "keyring", {"in": "a test"})
        self.venue.fund(address, Amount(100_000_000, assets.SOLANA_USDC), Amount(1_000_000_000, assets.SOL))
        _, key = await self.key(owner.id, "read", "trade")
        return Member(owner.id, key, wallet_id, address, self.with_key(key))

    async def count(self, table: str) -> int:
        async with self.book.begin() as tx:
            row = await tx.one(f'SELECT count(*) AS n FROM "{table}"')
        assert row is not None
        return int(row["n"])

    @contextlib.asynccontextmanager
    async def executor(self) -> AsyncIterator[None]:
        executions, attempts, at = Executions(self.book), Attempts(self.book), self.tools
        comparison = Comparison(executions, attempts, at.ledger, at.standing, at.venues)
        wallets = ReconcileWallets(at.standing, comparison, at.ledger, at.system, at.halts)
        async with (
            Worker(
                self.temporal,
                task_queue=EXECUTIONS,
                workflows=[ExecuteRule, CreateWallet, ReconcileWalletsWorkflow],
                activities=[
                    Preflight(executions, at.evaluation).run,
                    Lock(executions, at.leases, at.ledger, at.system, comparison, at.venues, at.evaluation).run,
                    Submit(executions, attempts, at.venues).run,
                    Confirm(executions, attempts, at.ledger, at.venues).run,
                    Reconcile(executions, attempts, at.leases, at.ledger, at.venues).run,
                    Escalate(executions, at.system, at.halts).run,
                    wallets.page,
                    wallets.run,
                ],
                interceptors=[Translation(), Heartbeats()],
            ),
        ):
            yield

    @contextlib.asynccontextmanager
    async def key_maker(self) -> AsyncIterator[None]:
        custodians = {"kms-envelope": Keyring()}
        async with Worker(
            self.temporal,
            task_queue=SIGNER,
            activities=[CreateWalletKey(self.tools.wallets, custodians).run],
            interceptors=[Translation(), Heartbeats()],
        ):
            yield


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_server(Path(tmp_path_factory.mktemp("api-postgres"))) as url:
        yield url


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalDev]:
    with temporal_server(Path(tmp_path_factory.mktemp("api-temporal"))) as server:
        yield server


@pytest.fixture(scope="session")
async def world(database_url: str, engine: TemporalDev) -> AsyncIterator[World]:
    await migrate(database_url)
    settings = Settings(
        database_url=database_url,
        temporal_address=engine.address,
        temporal_ui_url="http://temporal.example",
        kms_key_id="unused",
        solana_rpc_urls=("http://127.0.0.1:1",),
        execution_enabled=True,
        dry_run=False,
        allowed_assets=(assets.SOL.id, assets.SOLANA_USDC.id),
        log_level="ERROR",
    )
    feed, venue = FakeFeed({MARKET: ("0.60", "0.62")}), FakeVenue()

    @contextlib.asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[Tools]:
        book = Book.open(database_url)
        try:
            yield assemble(settings, book, await connect(settings), {"kalshi": feed}, {"jupiter": venue})
        finally:
            await book.close()

    app = create_app(settings, opened)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        tools: Tools = app.state.tools
        made = await tools.owners.add_key(identity.api_key_id("tests", "admin"), None, "admin", ("admin", "read"), 1)
        assert made.secret is not None
        headers = {"Authorization": f"Bearer {made.secret}"}
        admin = httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)
        yield World(tools.book, tools.temporal, tools, feed, venue, admin, http, transport)
        await admin.aclose()


@pytest.fixture
async def alice(world: World) -> AsyncIterator[Member]:
    member = await world.joins("alice")
    yield member
    await member.http.aclose()


@pytest.fixture
async def mallory(world: World) -> AsyncIterator[Member]:
    member = await world.joins("mallory")
    yield member
    await member.http.aclose()


@pytest.fixture(autouse=True)
def everything_answers(world: World) -> Iterator[None]:
    yield
    world.feed.down = world.venue.down = False


def told_field(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["field"] for error in json.loads(answer.text)["errors"]]
