"""Is it alive, is it ready, how is everything, and the numbers for Prometheus."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api import probing
from api.assembly import At
from api.auth import Anyone
from api.probing import DependencyAnswer
from api.problems import problems
from infra.db.heartbeat import DEAD_AFTER_S
from infra.db.system import Heartbeat

router = APIRouter(tags=["system"])

# After ten minutes a dead process is history; that none of its kind lives is told all the same.
FORGOTTEN_AFTER_S = 600

# Without one of each no rule fires, or nothing that fires is carried out.
NEEDED = ("executor", "signer", "watcher")


class HealthAnswer(BaseModel):
    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    ready: bool
    dependencies: list[DependencyAnswer]


class ProcessAnswer(BaseModel):
    process: str
    kind: str
    alive: bool
    age_s: int
    beat_at: datetime


class HaltAnswer(BaseModel):
    """A switch that is on: `kill`, turned by an operator, or `restored`, until chain and book are compared."""

    name: str
    reason: str
    since: datetime


class StatusAnswer(BaseModel):
    """`ok` only if every dependency answers and no process is `missing`: a kind of which none is alive.

    `kill_switch`: nothing is signed or sent, for the reasons in `halts`.

    `open_tasks` counts the decisions that wait for an operator. A dead process is listed until another of its
    kind lives.
    """

    status: Literal["ok", "degraded"]
    kill_switch: bool
    halts: list[HaltAnswer]
    execution_enabled: bool
    dry_run: bool
    open_tasks: int
    missing: list[str]
    dependencies: list[DependencyAnswer]
    processes: list[ProcessAnswer]


@router.get("/health")
async def health() -> HealthAnswer:
    """This process answers. It asks nothing else."""
    return HealthAnswer(status="ok")


@router.get("/ready", response_model=ReadyAnswer, responses={503: {"model": ReadyAnswer}})
async def ready(at: At) -> Response:
    """Postgres and Temporal answer, so requests may come."""
    found = await probing.ask(probing.vital(at))
    answer = ReadyAnswer(ready=all(dependency.up for dependency in found), dependencies=found)
    return JSONResponse(answer.model_dump(mode="json"), 200 if answer.ready else 503)


@router.get("/system/status", responses=problems())
async def show_status(_caller: Anyone, at: At) -> StatusAnswer:
    """Every dependency with its latency, and every process with its last heartbeat."""
    found = await probing.ask(probing.all_of(at))
    processes = [_told(beat) for beat in await at.system.heartbeats(FORGOTTEN_AFTER_S)]
    living = {process.kind for process in processes if process.alive}
    missing = [kind for kind in NEEDED if kind not in living]
    policy = at.settings.policy
    halts = await at.halts.now()
    return StatusAnswer(
        status="ok" if all(dependency.up for dependency in found) and not missing else "degraded",
        kill_switch=bool(halts),
        halts=[HaltAnswer(name=halt.name, reason=halt.reason, since=halt.since) for halt in halts],
        execution_enabled=policy.execution_enabled,
        dry_run=policy.dry_run,
        open_tasks=await at.reading.open_tasks(),
        missing=missing,
        dependencies=found,
        processes=[process for process in processes if process.alive or process.kind not in living],
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """This process's numbers in Prometheus's text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _told(beat: Heartbeat) -> ProcessAnswer:
    return ProcessAnswer(
        process=beat.process,
        kind=beat.kind,
        alive=beat.age_s <= DEAD_AFTER_S,
        age_s=beat.age_s,
        beat_at=beat.beat_at,
    )
