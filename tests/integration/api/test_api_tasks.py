"""Operators' tasks over HTTP: listed, looked at, decided, and refused with what would make it safe."""

from typing import Any

import httpx
import pytest

from domain import assets
from domain.attempts import Fate, Sighting
from domain.executions import Execution
from infra.venues.protocol import Sent
from tests.fakes.venue import FakeVenue
from tests.integration.api.conftest import Member, World
from tests.integration.api.test_api_executions import fired

REASON = "the pager woke me up"
EVIDENCE = "explorer at 04:10 UTC: no such signature in any block"


async def task_about(world: World, member: Member, code: str, *, freeze: bool = True) -> str:
    """An open task about the member's wallet; its number."""
    wallet = await world.tools.wallets.find(member.owner_id, member.wallet_id)
    if freeze:
        await world.tools.system.freeze(wallet, code, "as the test says")
    (number,) = await world.tools.tasks.open_of_wallet(wallet.id)
    return str(number)


async def resolve(
    world: World, path: str, key: str, http: httpx.AsyncClient | None = None, **body: object
) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await (http or world.admin).post(path, json={"reason": REASON, **body}, headers=headers)


async def stuck(world: World, member: Member) -> Execution:
    """An execution whose only payload was signed, and of which nobody knows what became."""
    order = await fired(member, await member.has_active_rule(), "k")
    at = world.tools
    execution = await at.executions.load(order["execution_id"])
    await at.executions.pass_preflight(execution, ())
    epoch = await at.leases.acquire(execution)
    assert epoch is not None
    await at.leases.hold(execution, epoch, (execution.intent.sell,), ())
    (leg,), venue = world.venue.legs(execution.intent), world.venue
    slot = await venue.slot(execution.wallet)
    attempt = await at.attempts.allocate(execution, epoch, leg, 1, slot, venue)
    unsigned = await venue.build(leg, await venue.quote(leg.intent), slot)
    await at.attempts.store(execution, epoch, attempt, venue.seal(unsigned, execution.id.encode()))
    await at.system.escalate(execution, "FATE_UNKNOWN", "nobody knows")
    return await at.executions.load(execution.id)


def offered(task: dict[str, Any]) -> set[str]:
    return {move["move"] for move in task["moves"] if move["offered"]}


async def test_tasks_are_for_operators_alone(world: World, alice: Member) -> None:
    number = await task_about(world, alice, "STEP_FAILED")
    for call in (alice.http.get("/admin/tasks"), alice.http.get(f"/admin/tasks/{number}")):
        assert (await call).status_code == 403
    answer = await resolve(world, f"/admin/tasks/{number}/resolve", "k", alice.http, move="unfreeze")
    assert answer.status_code == 403
    for path in ("executions/exe_a/resolve", "executions/exe_a/reset", "rules/rul_a/reset"):
        answer = await resolve(world, f"/admin/{path}", "k", alice.http)
        assert answer.status_code == 403, path


async def test_open_tasks_are_listed_first_and_paged(world: World, alice: Member, mallory: Member) -> None:
    first = await task_about(world, alice, "STEP_FAILED")
    second = await task_about(world, mallory, "STEP_FAILED")
    answer = await resolve(world, f"/admin/tasks/{second}/resolve", f"list-{second}", move="unfreeze")
    assert answer.status_code == 200, answer.text
    whole = (await world.admin.get("/admin/tasks", params={"limit": "200"})).json()["items"]
    numbers = [task["id"] for task in whole]
    assert numbers.index(first) < numbers.index(second)
    assert [task["open"] for task in whole] == sorted((task["open"] for task in whole), reverse=True)
    paged, cursor = [], None
    while True:
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await world.admin.get("/admin/tasks", params=query)).json()
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == whole


async def test_a_task_shows_execution_wallet_venue_and_every_move(
    world: World, alice: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await stuck(world, alice)
    says(monkeypatch, Sighting(Fate.UNKNOWN, head=140, detail="absent, without proof"))
    number = await task_about(world, alice, "FATE_UNKNOWN", freeze=False)
    task = (await world.admin.get(f"/admin/tasks/{number}")).json()
    assert (task["execution"]["id"], task["execution"]["status"]) == (execution.id, "UNKNOWN")
    assert (task["wallet"]["id"], task["wallet"]["held_by"]) == (alice.wallet_id, execution.id)
    (attempt,) = task["attempts"]
    assert attempt["venue_says"] == {
        "fate": "UNKNOWN",
        "succeeded": None,
        "head": 140,
        "detail": "absent, without proof",
    }
    assert offered(task) == {"look_again"}
    dead = next(move for move in task["moves"] if move["move"] == "declare_dead")
    assert "until 150, the venue is at 140" in dead["refused_because"]
    assert "past 150" in dead["would_be_safe"]
    assert dead["needs_evidence"]
    usdc = next(b for b in task["wallet"]["balances"] if b["asset"] == assets.SOLANA_USDC.symbol)
    assert usdc["difference"]["amount"] == "100"


def says(monkeypatch: pytest.MonkeyPatch, sighting: Sighting) -> None:
    async def look_up(_self: FakeVenue, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        return tuple(sighting for _ in sent)

    monkeypatch.setattr(FakeVenue, "look_up", look_up)


async def test_a_refused_move_is_a_conflict_that_says_what_would_make_it_safe(
    world: World, alice: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await stuck(world, alice)
    says(monkeypatch, Sighting(Fate.UNKNOWN, head=140))
    path = f"/admin/executions/{execution.id}/resolve"
    refused = await resolve(world, path, "k", move="declare_dead", evidence=EVIDENCE)
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "MOVE_NOT_SAFE"
    assert "may still land until 150" in problem["detail"]
    assert problem["would_be_safe"] == "ask again once the venue's own clock is past 150"
    without = await resolve(world, path, "k", move="declare_dead")
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "evidence")
    assert "would_be_safe" not in without.json()


async def test_past_its_last_block_it_is_declared_dead_by_execution_once_per_key(
    world: World, alice: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await stuck(world, alice)
    says(monkeypatch, Sighting(Fate.UNKNOWN, head=151, detail="absent, without proof"))
    path = f"/admin/executions/{execution.id}/resolve"
    first = await resolve(world, path, "dead", move="declare_dead", evidence=EVIDENCE)
    assert first.status_code == 200, first.text
    assert first.json()["move"] == "declare_dead"
    again = await resolve(world, path, "dead", move="declare_dead", evidence=EVIDENCE)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    (attempt,) = await world.tools.attempts.of_execution(execution.id)
    assert attempt.fate is Fate.DEAD
    late = await resolve(world, path, "later", move="look_again")
    assert (late.status_code, late.json()["code"]) == (409, "MOVE_NOT_SAFE")
    shown = (await alice.http.get(f"/executions/{execution.id}")).json()
    assert "task.resolved" in [event["kind"] for event in shown["events"]]


async def test_a_choice_needs_a_key_a_move_and_a_reason(world: World, alice: Member) -> None:
    path = f"/admin/tasks/{await task_about(world, alice, 'STEP_FAILED')}/resolve"
    without = await world.admin.post(path, json={"move": "unfreeze", "reason": REASON})
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    for move, reason, field in (("pay_again", REASON, "move"), ("unfreeze", "so", "reason")):
        wrong = await resolve(world, path, "k", move=move, reason=reason)
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, field)
    assert (await resolve(world, "/admin/tasks/999999999/resolve", "k", move="unfreeze")).status_code == 404
    assert (await resolve(world, "/admin/executions/exe_none/resolve", "k", move="retry")).status_code == 404


async def test_what_the_venue_does_not_tell_is_shown_as_unknown_and_decides_nothing(
    world: World, alice: Member
) -> None:
    await stuck(world, alice)
    world.venue.down = True
    number = await task_about(world, alice, "FATE_UNKNOWN", freeze=False)
    task = (await world.admin.get(f"/admin/tasks/{number}")).json()
    assert task["wallet"]["balances"] is None
    assert offered(task) == {"look_again"}


async def test_a_wallet_stays_frozen_for_its_owner_while_a_task_about_it_is_open(world: World, alice: Member) -> None:
    number = await task_about(world, alice, "STEP_FAILED")
    path = f"/wallets/{alice.wallet_id}/unfreeze"
    refused = await alice.http.post(path, json={"reason": "mine"})
    assert (refused.status_code, refused.json()["code"]) == (409, "MOVE_NOT_SAFE")
    assert f"task {number}" in refused.json()["detail"]
    assert number in refused.json()["would_be_safe"]
    assert (await alice.http.get(f"/wallets/{alice.wallet_id}")).json()["frozen"]
    resolved = await resolve(world, f"/admin/tasks/{number}/resolve", f"u-{number}", move="unfreeze")
    assert resolved.status_code == 200
    assert not (await alice.http.get(f"/wallets/{alice.wallet_id}")).json()["frozen"]
    await alice.http.post(f"/wallets/{alice.wallet_id}/freeze", json={"reason": "mine"})
    assert (await alice.http.post(path, json={"reason": "mine"})).status_code == 200


async def test_a_resolved_task_shows_who_chose_what_and_offers_nothing(world: World, alice: Member) -> None:
    number = await task_about(world, alice, "STEP_FAILED")
    await resolve(world, f"/admin/tasks/{number}/resolve", f"r-{number}", move="unfreeze")
    task = (await world.admin.get(f"/admin/tasks/{number}")).json()
    assert (task["open"], task["move"], task["reason"], task["moves"]) == (False, "unfreeze", REASON, [])
    assert task["resolved_by"].startswith("key_")
