"""What the handlers work with, put together once per process."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from temporalio.client import Client

from api.quoting import QuoteProbe
from infra.comparing import Comparison
from infra.config import Settings
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.halts import Halts
from infra.db.idempotency import Idempotency
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.owners import Owners
from infra.db.reading import Reading
from infra.db.rules import Rules
from infra.db.standing import Standing
from infra.db.system import System
from infra.db.tasks import Tasks
from infra.db.triggers import Triggers
from infra.db.wallets import Wallets
from infra.evaluation import Evaluation
from infra.feeds.protocol import Feed
from infra.operations import Operations
from infra.recovery import Recovery
from infra.temporal.starter import Starter
from infra.venues.protocol import Venue

Probe = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Tools:
    settings: Settings
    book: Book
    owners: Owners
    idempotency: Idempotency
    reading: Reading
    rules: Rules
    triggers: Triggers
    wallets: Wallets
    executions: Executions
    attempts: Attempts
    tasks: Tasks
    ledger: Ledger
    leases: Leases
    system: System
    halts: Halts
    standing: Standing
    recovery: Recovery
    feeds: Mapping[str, Feed]
    venues: Mapping[str, Venue]
    quote_probes: Mapping[str, Probe]
    evaluation: Evaluation
    temporal: Client
    starter: Starter
    operations: Operations


def assemble(
    settings: Settings, book: Book, temporal: Client, feeds: Mapping[str, Feed], venues: Mapping[str, Venue]
) -> Tools:
    leases, ledger, system, triggers = Leases(book), Ledger(book), System(book), Triggers(book)
    wallets, executions, attempts, tasks = Wallets(book), Executions(book), Attempts(book), Tasks(book)
    starter = Starter(temporal, triggers)
    halts, standing = Halts(book), Standing(book)
    comparison = Comparison(executions, attempts, ledger, standing, venues)
    return Tools(
        settings=settings,
        book=book,
        owners=Owners(book),
        idempotency=Idempotency(book),
        reading=Reading(book),
        rules=Rules(book),
        triggers=triggers,
        wallets=wallets,
        executions=executions,
        attempts=attempts,
        tasks=tasks,
        ledger=ledger,
        leases=leases,
        system=system,
        halts=halts,
        standing=standing,
        recovery=Recovery(halts, standing, comparison, system),
        feeds=feeds,
        venues=venues,
        quote_probes={name: QuoteProbe(venue, settings.chains[name]) for name, venue in venues.items()},
        evaluation=Evaluation(venues, feeds, leases, system),
        temporal=temporal,
        starter=starter,
        operations=Operations(tasks, wallets, executions, attempts, leases, ledger, venues, starter),
    )


def _of_request(request: Request) -> Tools:
    tools = request.app.state.tools
    assert isinstance(tools, Tools)  # noqa: S101 - the lifespan put it there
    return tools


At = Annotated[Tools, Depends(_of_request)]
