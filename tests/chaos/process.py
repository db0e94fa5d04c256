"""A worker process of the walk: connections and tools of its own, which end with it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import event
from temporalio.testing import ActivityEnvironment

from activities.confirm import Confirm
from activities.escalate import Escalate
from activities.lock import Lock
from activities.preflight import Preflight
from activities.reconcile import Reconcile
from activities.sign import Sign
from activities.submit import Submit
from domain.policy import Policy
from infra.comparing import Comparison
from infra.custody.kms_envelope.custodian import NAME
from infra.custody.protocol import Custodian
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.halts import Halts
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.standing import Standing
from infra.db.system import System
from infra.evaluation import Evaluation
from infra.feeds.protocol import Feed
from infra.venues.protocol import Venue
from tests.chaos.stepping import Died, Point, Stepped, Tape


class Process:
    """Runs steps until `dies` says so. `points` are the awaits that it came by, each once, in order."""

    def __init__(
        self,
        url: str,
        venue: Venue,
        feed: Feed,
        custodian: Custodian,
        limits: Policy,
        tape: Tape,
        dies: Callable[[Point, int], bool],
        sign: type[Sign] = Sign,
    ) -> None:
        self._tape = tape
        self._dies = dies
        self.points: dict[Point, None] = {}
        self.left: Stepped[Any] | None = None
        self._attempt = 1
        self._out: dict[int, Any] = {}
        self._book = Book.open(url)
        self._watch_commits()
        executions, attempts, leases = Executions(self._book), Attempts(self._book), Leases(self._book)
        ledger, system, venues = Ledger(self._book), System(self._book), {venue.name: venue}
        comparison = Comparison(executions, attempts, ledger, Standing(self._book), venues)
        evaluation = Evaluation(venues, {"kalshi": feed}, leases, system)
        self._steps: Mapping[Callable[..., Any], Callable[[Any], Any]] = {
            Preflight.run: Preflight(executions, evaluation).run,
            Lock.run: Lock(executions, leases, ledger, system, comparison, venues, evaluation).run,
            Sign.run: sign(executions, attempts, system, venues, {NAME: custodian}, limits).run,
            Submit.run: Submit(executions, attempts, venues).run,
            Confirm.run: Confirm(executions, attempts, ledger, venues).run,
            Reconcile.run: Reconcile(executions, attempts, leases, ledger, venues).run,
            Escalate.run: Escalate(executions, system, Halts(self._book)).run,
        }

    async def run(self, step: Callable[..., Any], argument: Any, attempt: int) -> Any:
        """One try of a step. Errors: the step's own; `Died`, and nothing of this process runs on but by `resume`."""
        self._attempt = attempt
        name = step.__qualname__.split(".")[0].lower()

        async def stepped() -> Any:
            self.left = Stepped(self._steps[step](argument), name, self._tape, self._visit)
            result = await self.left
            self.left = None
            return result

        try:
            return await self._in_activity(stepped)
        except Died:
            raise
        except BaseException:
            self.left = None
            raise

    async def resume(self) -> None:
        """A process that was only slow: it goes on where it stood, after all is over. What it raises is nobody's."""
        if self.left is not None:
            left, self.left = self.left, None
            try:
                await self._in_activity(left.resume)
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001 - a lost connection, a lost race, a lost lease: all mean "not any more"
                return

    async def close(self) -> None:
        await self._book.close()

    def cut(self) -> None:
        """Its connections end as by a kill: Postgres takes back what was not committed."""
        for connection in self._out.values():
            connection.terminate()

    async def _in_activity(self, body: Callable[[], Any]) -> Any:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=self._attempt)
        return await environment.run(body)

    def _visit(self, point: Point) -> bool:
        known = point in self.points
        self.points[point] = None
        if known or not self._dies(point, len(self.points)):
            return False
        if not point.during:
            self.cut()
        return True

    def _watch_commits(self) -> None:
        """Put a commit on the tape while it is on its way, if its transaction has changed anything."""
        engine = self._book.engine.sync_engine

        @event.listens_for(engine, "after_cursor_execute")
        def executed(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE") and cursor.rowcount:
                connection.info["changed"] = True

        @event.listens_for(engine, "commit")
        def committing(connection: Any) -> None:
            if connection.info.pop("changed", False):
                self._tape.in_flight = "commit"

        @event.listens_for(engine, "rollback")
        def rolled_back(connection: Any) -> None:
            connection.info.pop("changed", None)

        @event.listens_for(engine, "checkout")
        def taken(connection: Any, record: Any, proxy: Any) -> None:
            self._out[id(connection)] = connection.driver_connection

        @event.listens_for(engine, "checkin")
        def given_back(connection: Any, record: Any) -> None:
            self._out.pop(id(connection), None)
