"""A small TripWire for tests: the real book and Temporal; venue, feed and custodian do as they are told."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from temporalio.client import Client, WorkflowHandle
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities.check_witness import CheckWitness
from activities.confirm import Confirm
from activities.escalate import Escalate
from activities.heartbeat import Heartbeats
from activities.lock import Lock
from activities.preflight import Preflight
from activities.reconcile import Reconcile
from activities.reconcile_wallets import ReconcileWallets
from activities.results import Ending
from activities.resume_stuck import ResumeStuck
from activities.sign import Sign
from activities.submit import Submit
from activities.sweep import Sweep
from activities.translation import Translation
from domain import assets
from domain.chains import CHAINS
from domain.executions import Order
from domain.policy import Policy
from domain.rules import RuleSpec
from infra.comparing import Comparison
from infra.custody.kms_envelope.custodian import NAME
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.halts import Halts
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.rules import Rule, Rules
from infra.db.standing import Standing
from infra.db.stuck import StuckExecutions
from infra.db.system import System
from infra.db.triggers import Triggers
from infra.db.wallets import Wallets
from infra.evaluation import Evaluation
from infra.temporal.queues import EXECUTIONS, SIGNER
from infra.temporal.runs import Runs
from infra.temporal.starter import Starter
from infra.venues.protocol import Venue
from tests.fakes.chain_venue import ChainVenue
from tests.fakes.seal_custodian import SealCustodian
from tests.fakes.told_feed import ToldFeed, observation
from workflows.execute_rule import ExecuteRule
from workflows.reconcile_wallets import ReconcileWalletsWorkflow
from workflows.sweep_outbox import SweepOutbox

V = TypeVar("V", bound=Venue)

MARKET = "FED-25DEC-CUT"
LIVE = Policy(
    execution_enabled=True,
    dry_run=False,
    allowed_assets=frozenset(asset.id for chain in ("solana", "anvil") for asset in assets.BY_CHAIN[chain].values()),
    max_slippage_bps=100,
    max_position_usd=Decimal(1000),
    max_price_age=timedelta(seconds=30),
)


@dataclass
class DeskAt(Generic[V]):
    """A desk whose wallets live on `chain` and trade at `venue`."""

    book: Book
    client: Client
    venue: V
    chain: str
    feed: ToldFeed = field(default_factory=ToldFeed)
    custodian: SealCustodian = field(default_factory=SealCustodian)
    policy: Policy = LIVE

    def __post_init__(self) -> None:
        self.feed.known[MARKET] = observation(MARKET, "0.55", "0.57")
        self.rules, self.triggers, self.system = Rules(self.book), Triggers(self.book), System(self.book)
        self.halts, self.standing = Halts(self.book), Standing(self.book)
        self.starter = Starter(self.client, self.triggers)

    async def wallet(self) -> tuple[str, str]:
        """A fresh owner with a wallet: their ids."""
        tag = secrets.token_hex(8)
        async with self.book.begin() as tx:
            await tx.change("INSERT INTO owner (id, name) VALUES (:id, 'somebody')", id=f"own_{tag}")
        chain = CHAINS[self.chain]
        await Wallets(self.book).add(f"wal_{tag}", f"own_{tag}", chain, f"address{tag}", NAME, {"v": "fake"})
        return f"own_{tag}", f"wal_{tag}"

    async def rule(
        self, owner_id: str, wallet_id: str, *, amount: str = "50", limits: dict[str, int] | None = None
    ) -> Rule:
        """An active rule that sells USDC at P ≥ 0.70."""
        buy = self.venue.fee_reserve().asset.symbol
        spec = RuleSpec.model_validate(
            {
                "name": f"Fed cut → {buy}",
                "wallet_id": wallet_id,
                "trigger": {
                    "kind": "market_probability",
                    "venue": "kalshi",
                    "market": MARKET,
                    "when": "at_or_above",
                    "threshold": "0.70",
                },
                "action": {"kind": "swap", "sell": "USDC", "buy": buy, "amount": amount, "max_slippage_bps": 50},
                "limits": limits or {},
            }
        )
        rule = await self.rules.add(f"rul_{secrets.token_hex(8)}", owner_id, spec)
        return await self.rules.activate(owner_id, rule.id)

    async def fire(self, rule: Rule, key: str = "once") -> Order:
        fired = await self.triggers.record_by_hand(rule.owner_id, rule.id, key, self.policy, {})
        await self.starter.start(fired.order, {})
        return fired.order

    async def order(self) -> Order:
        """A fresh rule, fired by hand."""
        return await self.fire(await self.rule(*await self.wallet()))

    def handle(self, order: Order) -> WorkflowHandle[Any, Ending]:
        return self.client.get_workflow_handle_for(ExecuteRule.run, f"execution/{order.trigger_id}")

    async def ending(self, order: Order) -> Ending:
        return await asyncio.wait_for(self.handle(order).result(), 60)

    async def resume(self) -> int:
        """What the sweep does about executions that do not move: how many workflows it started again."""
        leases, runs = Leases(self.book), Runs(self.client)
        step = ResumeStuck(
            StuckExecutions(self.book), Executions(self.book), leases, self.system, self.halts, runs, self.starter
        )
        return await ActivityEnvironment().run(step.run)

    async def rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        async with self.book.begin() as tx:
            return [dict(row) for row in await tx.rows(sql, **values)]

    async def change(self, sql: str, **values: object) -> None:
        """Change rows behind the product's back: at least one."""
        async with self.book.begin() as tx:
            assert await tx.change(sql, **values)

    async def status(self, order: Order) -> str:
        rows = await self.rows("SELECT status FROM execution WHERE id = :id", id=order.execution_id)
        return str(rows[0]["status"])


@dataclass
class Desk(DeskAt[ChainVenue]):
    """The usual desk, on Solana."""

    venue: ChainVenue = field(default_factory=ChainVenue)
    chain: str = "solana"


@asynccontextmanager
async def working(desk: DeskAt[V], signer_limits: Policy = LIVE, *, signing: bool = True) -> AsyncIterator[DeskAt[V]]:
    """Executor and signer for a desk, or the executor alone."""
    executions, attempts, leases = Executions(desk.book), Attempts(desk.book), Leases(desk.book)
    ledger, venues = Ledger(desk.book), {desk.venue.name: desk.venue}
    comparison = Comparison(executions, attempts, ledger, desk.standing, venues)
    wallets = ReconcileWallets(desk.standing, comparison, ledger, desk.system, desk.halts)
    stuck, runs = StuckExecutions(desk.book), Runs(desk.client)
    evaluation = Evaluation(venues, {"kalshi": desk.feed}, leases, desk.system)
    executor = Worker(
        desk.client,
        task_queue=EXECUTIONS,
        workflows=[ExecuteRule, SweepOutbox, ReconcileWalletsWorkflow],
        activities=[
            Preflight(executions, evaluation).run,
            Lock(executions, leases, ledger, desk.system, comparison, venues, evaluation).run,
            Submit(executions, attempts, venues).run,
            Confirm(executions, attempts, ledger, venues).run,
            Reconcile(executions, attempts, leases, ledger, venues).run,
            Escalate(executions, desk.system, desk.halts).run,
            CheckWitness(desk.halts).run,
            ResumeStuck(stuck, executions, leases, desk.system, desk.halts, runs, desk.starter).run,
            wallets.page,
            wallets.run,
            Sweep(desk.triggers, desk.rules, desk.starter).run,
        ],
        interceptors=[Translation(), Heartbeats()],
    )
    async with AsyncExitStack() as workers:
        await workers.enter_async_context(executor)
        if signing:
            await workers.enter_async_context(_signer(desk, signer_limits))
        yield desk


def _signer(desk: DeskAt[V], limits: Policy) -> Worker:
    steps = Sign(
        Executions(desk.book),
        Attempts(desk.book),
        desk.system,
        {desk.venue.name: desk.venue},
        {NAME: desk.custodian},
        limits,
    )
    return Worker(desk.client, task_queue=SIGNER, activities=[steps.run], interceptors=[Translation(), Heartbeats()])
