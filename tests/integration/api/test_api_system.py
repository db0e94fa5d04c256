"""Operators' routes: health, status, kill switch, audit, and the first keys."""

import asyncio
import stat
import time
from pathlib import Path

from api import bootstrap
from infra.db.owners import Owners
from tests.integration.api.conftest import Member, World


async def test_it_is_alive_and_ready(world: World) -> None:
    assert (await world.anonymous.get("/health")).json() == {"status": "ok"}
    ready = await world.anonymous.get("/ready")
    assert ready.status_code == 200
    assert {dependency["name"] for dependency in ready.json()["dependencies"]} == {"postgres", "temporal"}


async def test_status_names_every_dependency_and_this_process(world: World, alice: Member) -> None:
    ends = time.monotonic() + 20
    while not (found := (await alice.http.get("/system/status")).json())["processes"]:
        assert time.monotonic() < ends
        await asyncio.sleep(0.05)
    assert found["status"] == "ok"
    assert [(process["kind"], process["alive"]) for process in found["processes"]] == [("api", True)]
    world.feed.down = True
    found = (await alice.http.get("/system/status")).json()
    assert found["status"] == "degraded"
    down = [dependency["name"] for dependency in found["dependencies"] if not dependency["up"]]
    assert down == ["kalshi: feed"]


async def test_metrics_are_prometheus_text(world: World) -> None:
    answer = await world.anonymous.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "tripwire_triggers_total" in answer.text


async def test_the_kill_switch_needs_a_reason_and_is_audited(world: World, alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    assert (await world.admin.post("/admin/kill-switch", json={"on": True})).status_code == 422
    assert (await world.admin.post("/admin/kill-switch", json={"on": "yes", "reason": "x"})).status_code == 422
    await world.admin.post("/admin/kill-switch", json={"on": True, "reason": "drill"})
    try:
        assert (await alice.http.post(f"/rules/{rule_id}/explain")).json()["codes"] == ["KILL_SWITCH_ON"]
        assert (await alice.http.get("/system/status")).json()["kill_switch"] is True
    finally:
        await world.admin.post("/admin/kill-switch", json={"on": False, "reason": "drill over"})
    kinds = []
    cursor = None
    while True:
        page = (
            await world.admin.get("/admin/audit", params={"limit": "200"} | ({"cursor": cursor} if cursor else {}))
        ).json()
        kinds += [(event["kind"], event["body"].get("reason")) for event in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert ("kill_switch.changed", "drill") in kinds


async def test_a_changed_audit_record_shows(world: World, alice: Member) -> None:
    await alice.has_rule()
    whole = (await world.admin.get("/admin/audit/verify")).json()
    assert whole["intact"]
    assert whole["records"] == await world.count("event")
    async with world.book.begin() as tx:
        await tx.change("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
        await tx.change("UPDATE event SET kind = kind || '!' WHERE seq = 3")
    try:
        broken = (await world.admin.get("/admin/audit/verify")).json()
    finally:
        async with world.book.begin() as tx:
            await tx.change("UPDATE event SET kind = left(kind, -1) WHERE seq = 3")
            await tx.change("ALTER TABLE event ENABLE TRIGGER event_is_append_only")
    assert (broken["intact"], broken["broken_at"]) == (False, 3)


async def test_bootstrap_prints_the_same_keys_while_they_are_valid(world: World, tmp_path: Path) -> None:
    owners, file = Owners(world.book), tmp_path / "keys.json"
    first = await bootstrap.ensure(owners, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await bootstrap.ensure(owners, file) == first
    async with world.with_key(first.owner_key) as http:
        assert (await http.get("/wallets")).status_code == 200
    async with world.with_key(first.admin_key) as http:
        assert (await http.get("/admin/audit")).status_code == 200
    made = await owners.key_of(first.owner_key)
    assert made is not None
    await owners.revoke(None, made.id)
    second = await bootstrap.ensure(owners, file)
    assert second.owner_key != first.owner_key
    assert second.owner_id == first.owner_id
    file.write_text("{")
    assert (await bootstrap.ensure(owners, file)).owner_id == first.owner_id


async def test_an_unforeseen_error_tells_no_details(world: World, alice: Member) -> None:
    rule_id = await alice.has_rule()
    async with world.book.begin() as tx:
        await tx.change("""UPDATE rule SET spec = '{"secret": "detail"}' WHERE id = :id""", id=rule_id)
    answer = await alice.http.get(f"/rules/{rule_id}")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "detail" not in answer.json()["detail"]
    assert "secret" not in answer.text
