"""Resets over HTTP: first told, then done; of executions and of rules that failed."""

import asyncio
from typing import Any

import httpx

from domain import assets
from domain.lifecycle import ExecutionState, RuleState
from domain.money import Amount
from infra.db.executions import move_rule
from tests.integration.api.conftest import Member, World
from tests.integration.api.test_api_executions import fired, reaches
from tests.integration.api.test_api_tasks import stuck

REASON = "its worker was rolled back"


async def reset(world: World, what: str, key: str, **body: object) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await world.admin.post(f"/admin/{what}/reset", json={"reason": REASON, **body}, headers=headers)


async def blocked(world: World, member: Member) -> dict[str, Any]:
    """An execution that is over."""
    rule_id = await member.has_active_rule()
    world.venue.fund(member.address, Amount(0, assets.SOLANA_USDC))
    order = await fired(member, rule_id, "k")
    return await reaches(member, order["execution_id"], "BLOCKED")


async def test_a_dry_run_lists_the_steps_and_changes_nothing(world: World, alice: Member) -> None:
    execution = await stuck(world, alice)
    handle = world.temporal.get_workflow_handle(execution.workflow_id)
    before = (await handle.describe()).run_id
    answer = await reset(world, f"executions/{execution.id}", f"dry-{execution.id}")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["dry_run"], told["done"], told["run_id"]) == (True, "nothing", None)
    assert [step["step"] for step in told["steps"]] == ["preflight", "lock", "sign", "submit", "confirm", "reconcile"]
    (attempt,) = await world.tools.attempts.of_execution(execution.id)
    assert attempt.venue_ref is not None
    assert f"sends {attempt.venue_ref} again, byte for byte" in [step["answers"] for step in told["steps"]]
    assert all(step["cannot_pay_twice"] for step in told["steps"])
    assert (await handle.describe()).run_id == before
    kinds = [event["kind"] for event in (await alice.http.get(f"/executions/{execution.id}")).json()["events"]]
    assert "execution.reset" not in kinds


async def test_a_reset_of_what_is_over_runs_it_again_to_the_same_end(world: World, alice: Member) -> None:
    async with world.executor():
        execution = await blocked(world, alice)
        handle = world.temporal.get_workflow_handle(execution["workflow_id"])
        first = await asyncio.wait_for(handle.result(), 30)
        answer = await reset(world, f"executions/{execution['id']}", f"do-{execution['id']}", dry_run=False)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["done"], [step["step"] for step in told["steps"]]) == ("reset", ["preflight", "reconcile"])
        described = await handle.describe()
        assert described.run_id == told["run_id"]
        again = await asyncio.wait_for(world.temporal.get_workflow_handle(execution["workflow_id"]).result(), 30)
    assert again["status"] == first["status"] == "BLOCKED"
    after = (await alice.http.get(f"/executions/{execution['id']}")).json()
    assert (after["status"], after["attempts"]) == ("BLOCKED", [])
    (noted,) = [event for event in after["events"] if event["kind"] == "execution.reset"]
    assert noted["body"]["reason"] == REASON


async def test_without_a_history_it_is_started_anew_under_the_same_id(world: World, alice: Member) -> None:
    at, rule_id = world.tools, await alice.has_active_rule()
    order = (await at.triggers.record_by_hand(alice.owner_id, rule_id, "k", at.settings.policy, {})).order
    answer = await reset(world, f"executions/{order.execution_id}", f"anew-{rule_id}", dry_run=False)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["done"], answer.json()["run_id"]) == ("started", None)
    described = await world.temporal.get_workflow_handle(answer.json()["workflow_id"]).describe()
    assert described.workflow_type == "ExecuteRule"
    again = await reset(world, f"executions/{order.execution_id}", f"soon-{rule_id}", dry_run=False)
    assert again.json()["done"] == "running"


async def test_what_is_over_and_forgotten_has_nothing_left_to_run(world: World, alice: Member) -> None:
    at, rule_id = world.tools, await alice.has_active_rule()
    order = (await at.triggers.record_by_hand(alice.owner_id, rule_id, "k", at.settings.policy, {})).order
    await at.executions.block_at_preflight(await at.executions.load(order.execution_id), (), ("PRICE_STALE",))
    answer = await reset(world, f"executions/{order.execution_id}", f"over-{rule_id}", dry_run=False)
    assert (answer.status_code, answer.json()["code"]) == (409, "ILLEGAL_TRANSITION")


async def failed_rule(world: World, member: Member) -> str:
    """A rule that is FAILED, with its one execution over."""
    execution = await stuck(world, member)
    at = world.tools
    await _end(world, execution.id, execution.order.rule_id)
    assert (await at.rules.find(member.owner_id, execution.order.rule_id)).state is RuleState.FAILED
    return execution.order.rule_id


async def _end(world: World, execution_id: str, rule_id: str) -> None:
    async with world.book.begin() as tx:
        await tx.change("UPDATE execution SET status = :s WHERE id = :e", s=ExecutionState.FAILED.value, e=execution_id)
        await move_rule(tx, rule_id, RuleState.EXECUTING, RuleState.FAILED)


async def test_a_failed_rule_is_active_again_unarmed_and_in_a_new_activation(world: World, alice: Member) -> None:
    rule_id = await failed_rule(world, alice)
    before = await world.tools.rules.find(alice.owner_id, rule_id)
    for key in ("first", "again"):  # there already is the same answer
        answer = await reset(world, f"rules/{rule_id}", f"{key}-{rule_id}", to="ACTIVE")
        assert (answer.status_code, answer.json()["state"]) == (200, "ACTIVE"), answer.text
    after = await world.tools.rules.find(alice.owner_id, rule_id)
    assert (after.activation, after.armed) == (before.activation + 1, False)


async def test_a_failed_rule_may_begin_anew_and_is_then_activated_by_its_owner(world: World, alice: Member) -> None:
    rule_id = await failed_rule(world, alice)
    answer = await reset(world, f"rules/{rule_id}", f"new-{rule_id}", to="CREATED")
    assert (answer.status_code, answer.json()["state"]) == (200, "CREATED")
    assert (await alice.http.post(f"/rules/{rule_id}/activate")).json()["state"] == "ACTIVE"


async def test_a_rule_is_not_reset_while_it_executes_or_unless_it_failed(world: World, alice: Member) -> None:
    execution = await stuck(world, alice)
    rule_id = execution.order.rule_id
    answer = await reset(world, f"rules/{rule_id}", f"early-{rule_id}", to="ACTIVE")
    assert (answer.status_code, answer.json()["code"]) == (409, "ILLEGAL_TRANSITION")
    async with world.book.begin() as tx:
        await move_rule(tx, rule_id, RuleState.EXECUTING, RuleState.FAILED)
    answer = await reset(world, f"rules/{rule_id}", f"open-{rule_id}", to="ACTIVE")
    assert (answer.status_code, answer.json()["code"]) == (409, "MOVE_NOT_SAFE")
    assert execution.id in answer.json()["detail"]
    wrong = await reset(world, f"rules/{rule_id}", f"wrong-{rule_id}", to="DELETED")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "to")
    assert (await reset(world, "rules/rul_none", "none", to="ACTIVE")).status_code == 404
