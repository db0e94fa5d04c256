"""Operators' routes: health, status, kill switch, audit, and the first keys."""

import asyncio
import re
import stat
import time
from pathlib import Path
from typing import Any

from api import bootstrap
from api.assembly import assemble
from infra.db.heartbeat import DEAD_AFTER_S
from infra.db.owners import Owners
from tests.integration.api.conftest import Member, World
from tests.integration.api.test_api_outages import served


async def test_it_is_alive_and_ready(world: World) -> None:
    assert (await world.anonymous.get("/health")).json() == {"status": "ok"}
    ready = await world.anonymous.get("/ready")
    assert ready.status_code == 200
    assert {dependency["name"] for dependency in ready.json()["dependencies"]} == {"postgres", "temporal"}


async def test_status_names_every_dependency_and_this_process(world: World, alice: Member) -> None:
    ends = time.monotonic() + 20
    while not await listed(alice, "api"):
        assert time.monotonic() < ends
        await asyncio.sleep(0.05)
    found = await status(alice)
    named = {dependency["name"] for dependency in found["dependencies"]}
    assert named == {"postgres", "temporal", "jupiter: chain", "jupiter: quotes", "kalshi: feed"}
    world.feed.down = True
    down = [dependency["name"] for dependency in (await status(alice))["dependencies"] if not dependency["up"]]
    assert down == ["kalshi: feed"]


async def test_status_is_ok_only_while_one_of_each_worker_lives(world: World, alice: Member) -> None:
    await forget_workers(world)
    assert await overall(alice) == ("degraded", ["executor", "signer", "watcher"])
    for kind in ("executor", "signer", "watcher"):
        await world.tools.system.beat(f"{kind}@one", kind)
    assert await overall(alice) == ("ok", [])
    await grow_old(world, "signer@one")
    assert await overall(alice) == ("degraded", ["signer"])
    world.feed.down = True
    await world.tools.system.beat("signer@one", "signer")
    assert await overall(alice) == ("degraded", [])


async def test_a_dead_process_is_listed_until_another_of_its_kind_lives(world: World, alice: Member) -> None:
    await forget_workers(world)
    await world.tools.system.beat("signer@old", "signer")
    await grow_old(world, "signer@old")
    assert await listed(alice, "signer") == [("signer@old", False)]
    await world.tools.system.beat("signer@new", "signer")
    assert await listed(alice, "signer") == [("signer@new", True)]


async def test_status_is_degraded_while_a_venue_does_not_quote(world: World, alice: Member) -> None:
    at = world.tools
    world.venue.down = True
    headers = {"Authorization": f"Bearer {alice.key}"}
    async with served(assemble(at.settings, at.book, at.temporal, at.feeds, at.venues)) as http:
        found = (await http.get("/system/status", headers=headers)).json()
    told = {dependency["name"]: dependency["detail"] for dependency in found["dependencies"] if not dependency["up"]}
    assert found["status"] == "degraded"
    assert told["jupiter: quotes"] == "the quote service does not answer"


async def status(member: Member) -> dict[str, Any]:
    answer = await member.http.get("/system/status")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def overall(member: Member) -> tuple[str, list[str]]:
    found = await status(member)
    return found["status"], found["missing"]


async def listed(member: Member, kind: str) -> list[tuple[str, bool]]:
    found = await status(member)
    return [(one["process"], one["alive"]) for one in found["processes"] if one["kind"] == kind]


async def forget_workers(world: World) -> None:
    async with world.book.begin() as tx:
        await tx.change("DELETE FROM heartbeat WHERE kind <> 'api'")


async def grow_old(world: World, process: str) -> None:
    async with world.book.begin() as tx:
        await tx.change(
            "UPDATE heartbeat SET beat_at = beat_at - make_interval(secs => :age) WHERE process = :process",
            age=DEAD_AFTER_S + 1,
            process=process,
        )


async def test_the_documentation_needs_nothing_from_elsewhere(world: World) -> None:
    page = await world.anonymous.get("/docs")
    assert page.status_code == 200
    assert re.findall(r"https?://", page.text) == []
    assert 'fetch("openapi.json")' in page.text


async def test_every_operation_has_a_summary_of_its_own_and_every_body_an_example(world: World) -> None:
    spec = (await world.anonymous.get("/openapi.json")).json()
    operations = [operation for methods in spec["paths"].values() for operation in methods.values()]
    summaries = [operation["summary"] for operation in operations]
    assert len(set(summaries)) == len(summaries)
    for operation in operations:
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            schema = content["schema"]
            named = spec["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
            assert schema.get("examples") or named.get("examples") or content.get("examples"), operation["summary"]


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
