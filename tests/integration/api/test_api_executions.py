"""Firing, following and cancelling over HTTP, with a real Temporal and an executor but no signer."""

import asyncio
import time
from typing import Any

from domain import assets
from domain.money import Amount
from infra.db.reading import EVENTS_IN_DETAIL
from tests.integration.api.conftest import Member, World

DEADLINE_S = 30


async def fired(member: Member, rule_id: str, key: str) -> dict[str, Any]:
    answer = await member.http.post(f"/rules/{rule_id}/trigger", headers={"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def reaches(member: Member, execution_id: str, *wanted: str) -> dict[str, Any]:
    ends = time.monotonic() + DEADLINE_S
    while True:
        execution: dict[str, Any] = (await member.http.get(f"/executions/{execution_id}")).json()
        if execution["status"] in wanted:
            return execution
        assert time.monotonic() < ends, f"{execution['status']} instead of {wanted}: {execution}"
        await asyncio.sleep(0.05)


async def test_the_same_key_fires_once(world: World, alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    before = await world.count("trigger")
    calls = [alice.http.post(f"/rules/{rule_id}/trigger", headers={"Idempotency-Key": "k"}) for _ in range(5)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["execution_id"] for answer in answers}) == 1
    assert await world.count("trigger") == before + 1
    late = await alice.http.post(f"/rules/{rule_id}/trigger", headers={"Idempotency-Key": "another"})
    assert (late.status_code, late.json()["code"]) == (409, "ILLEGAL_TRANSITION")


async def test_firing_needs_a_key_of_its_own_and_an_active_rule(world: World, alice: Member) -> None:
    rule_id = await alice.has_rule()
    before = await world.count("trigger")
    without = await alice.http.post(f"/rules/{rule_id}/trigger")
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    created = await alice.http.post(f"/rules/{rule_id}/trigger", headers={"Idempotency-Key": "k"})
    assert (created.status_code, created.json()["code"]) == (409, "ILLEGAL_TRANSITION")
    assert await world.count("trigger") == before


async def test_a_refused_key_may_be_used_again_once_the_rule_is_active(alice: Member) -> None:
    rule_id = await alice.has_rule()
    await alice.http.post(f"/rules/{rule_id}/trigger", headers={"Idempotency-Key": "k"})
    await alice.http.post(f"/rules/{rule_id}/activate")
    assert (await fired(alice, rule_id, "k"))["rule_id"] == rule_id


async def test_what_was_fired_is_running_in_temporal(world: World, alice: Member) -> None:
    order = await fired(alice, await alice.has_active_rule(), "k")
    described = await world.temporal.get_workflow_handle(order["workflow_id"]).describe()
    assert described.workflow_type == "ExecuteRule"
    execution = (await alice.http.get(f"/executions/{order['execution_id']}")).json()
    assert execution["trigger"]["started_at"] is not None
    assert execution["trigger"]["evidence"] == {"by": "hand", "key": "k"}
    assert execution["temporal_url"] == (
        f"http://temporal.example/namespaces/default/workflows/execution%2F{order['trigger_id']}"
    )


async def test_a_blocked_execution_tells_every_verdict(world: World, alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    world.venue.fund(alice.address, Amount(0, assets.SOLANA_USDC))
    async with world.executor():
        order = await fired(alice, rule_id, "k")
        execution = await reaches(alice, order["execution_id"], "BLOCKED")
    assert execution["final"]
    assert execution["codes"] == ["INSUFFICIENT_BALANCE"]
    assert len(execution["verdicts"]) == 12
    assert [verdict["check"] for verdict in execution["verdicts"] if not verdict["passed"]] == ["balance"]
    assert execution["sell"]["amount"] == "5"
    assert (execution["attempts"], execution["settlement"]) == ([], None)
    kinds = [event["kind"] for event in execution["events"]]
    assert kinds[0] == "trigger.recorded"
    assert kinds[-1] == "execution.moved"
    late = await alice.http.post(f"/executions/{execution['id']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "TOO_LATE_TO_CANCEL")


async def test_a_waiting_execution_is_cancelled_and_one_that_may_have_signed_is_not(
    world: World, alice: Member
) -> None:
    first_rule, second_rule = await alice.has_active_rule(), await alice.has_active_rule(name="second")
    async with world.executor():
        signing = await fired(alice, first_rule, "first")
        await reaches(alice, signing["execution_id"], "LOCKED")
        waiting = await fired(alice, second_rule, "second")
        await reaches(alice, waiting["execution_id"], "PREFLIGHT")
        cancelled = await alice.http.post(f"/executions/{waiting['execution_id']}/cancel")
        assert cancelled.status_code == 200
        execution = await reaches(alice, waiting["execution_id"], "CANCELLED")
        refused = await refusal(alice, signing["execution_id"])
    assert execution["codes"] == ["CANCELLED_BY_OWNER"]
    assert (refused["status"], refused["code"]) == (409, "TOO_LATE_TO_CANCEL")
    assert "signed" in refused["detail"]


async def refusal(member: Member, execution_id: str) -> dict[str, Any]:
    """The workflow's refusal, once it has come as far as signing."""
    answer = await member.http.post(f"/executions/{execution_id}/cancel")
    return dict(answer.json())


async def test_executions_are_listed_newest_first_and_by_rule_and_status(alice: Member) -> None:
    rules = [await alice.has_active_rule(name=f"rule {number}") for number in range(3)]
    made = [(await fired(alice, rule_id, "k"))["execution_id"] for rule_id in rules]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await alice.http.get("/executions", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == made[::-1]
    only = (await alice.http.get("/executions", params={"rule_id": rules[1]})).json()["items"]
    assert [item["id"] for item in only] == [made[1]]
    assert (await alice.http.get("/executions", params={"status": "SETTLED"})).json()["items"] == []
    wrong = await alice.http.get("/executions", params={"status": "settled?"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "status")


async def test_events_are_paged_in_their_order(alice: Member) -> None:
    order = await fired(alice, await alice.has_active_rule(), "k")
    path = f"/executions/{order['execution_id']}/events"
    whole = (await alice.http.get(path)).json()["items"]
    first = (await alice.http.get(path, params={"limit": "1"})).json()
    rest = (await alice.http.get(path, params={"cursor": first["next_cursor"]})).json()
    assert first["items"] + rest["items"] == whole
    assert len(whole) < EVENTS_IN_DETAIL
    assert [event["seq"] for event in whole] == sorted(event["seq"] for event in whole)
