"""Who may do what: every route, every kind of key."""

import re

import httpx
import pytest

from tests.integration.api.conftest import Member, World

ANYTHING = "[a-z0-9]"

# Method, path, the scope that it needs.
ROUTES = [
    ("POST", "/owners", "admin"),
    ("POST", "/api-keys", "trade"),
    ("GET", "/api-keys", "read"),
    ("DELETE", "/api-keys/{key}", "trade"),
    ("POST", "/wallets", "trade"),
    ("GET", "/wallets", "read"),
    ("GET", "/wallets/{wallet}", "read"),
    ("GET", "/wallets/{wallet}/balances", "read"),
    ("POST", "/wallets/{wallet}/freeze", "trade"),
    ("POST", "/wallets/{wallet}/unfreeze", "trade"),
    ("POST", "/wallets/{wallet}/durable-nonce", "trade"),
    ("POST", "/rules", "trade"),
    ("GET", "/rules", "read"),
    ("GET", "/rules/{rule}", "read"),
    ("PATCH", "/rules/{rule}", "trade"),
    ("DELETE", "/rules/{rule}", "trade"),
    ("POST", "/rules/{rule}/activate", "trade"),
    ("POST", "/rules/{rule}/pause", "trade"),
    ("POST", "/rules/{rule}/resume", "trade"),
    ("POST", "/rules/{rule}/explain", "read"),
    ("POST", "/rules/{rule}/trigger", "trade"),
    ("POST", "/rules/pause-all", "trade"),
    ("POST", "/rules/resume-all", "trade"),
    ("GET", "/executions", "read"),
    ("GET", "/executions/{execution}", "read"),
    ("GET", "/executions/{execution}/events", "read"),
    ("POST", "/executions/{execution}/cancel", "trade"),
    ("GET", "/system/status", ""),
    ("POST", "/admin/kill-switch", "admin"),
    ("GET", "/admin/tasks", "admin"),
    ("GET", "/admin/tasks/{task}", "admin"),
    ("POST", "/admin/tasks/{task}/resolve", "admin"),
    ("POST", "/admin/executions/{execution}/resolve", "admin"),
    ("POST", "/admin/executions/{execution}/reset", "admin"),
    ("POST", "/admin/rules/{rule}/reset", "admin"),
    ("POST", "/admin/reconcile", "admin"),
    ("POST", "/admin/recover", "admin"),
    ("POST", "/admin/restored", "admin"),
    ("GET", "/admin/audit", "admin"),
    ("GET", "/admin/audit/verify", "admin"),
]
PUBLIC = {("GET", "/health"), ("GET", "/ready"), ("GET", "/metrics")}

# A body that is good enough for each route that wants one.
BODIES: dict[str, dict[str, object]] = {
    "/wallets/{wallet}/freeze": {"reason": "test"},
    "/wallets/{wallet}/unfreeze": {"reason": "test"},
    "/wallets/{wallet}/durable-nonce": {"account": None},
    "/rules/{rule}": {"name": "changed"},
}


@pytest.fixture
async def belongings(world: World, alice: Member) -> dict[str, str]:
    """One of everything of alice's, by the words in ROUTES."""
    rule_id = await alice.has_active_rule()
    fired = await alice.http.post(f"/rules/{rule_id}/trigger", headers={"Idempotency-Key": "hers"})
    key_id, _ = await world.key(alice.owner_id, "read")
    return {
        "rule": rule_id,
        "wallet": alice.wallet_id,
        "execution": fired.json()["execution_id"],
        "key": key_id,
        "task": "1",
    }


async def call(http: httpx.AsyncClient, method: str, template: str, ids: dict[str, str]) -> httpx.Response:
    body = BODIES.get(template) if method != "GET" else None
    headers = {"Idempotency-Key": "matrix"}
    return await http.request(method, template.format(**ids), json=body, headers=headers)


async def test_the_table_of_routes_is_complete(world: World) -> None:
    paths = (await world.anonymous.get("/openapi.json")).json()["paths"]
    found = {(method.upper(), re.sub(r"\{(\w+)_id\}", r"{\1}", path)) for path, at in paths.items() for method in at}
    assert found == {(method, path) for method, path, _ in ROUTES} | PUBLIC


@pytest.mark.parametrize(("method", "template", "_scope"), ROUTES)
async def test_without_a_valid_key_nothing_is_told(
    world: World, belongings: dict[str, str], method: str, template: str, _scope: str
) -> None:
    revoked_id, revoked = await world.key(None, "admin", "read", "trade")
    await world.tools.owners.revoke(None, revoked_id)
    expired_id, expired = await world.key(None, "admin", "read", "trade")
    async with world.book.begin() as tx:
        await tx.change("UPDATE api_key SET expires_at = clock_timestamp() WHERE id = :id", id=expired_id)
    for header in (
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer twk_unknown",
        f"Bearer {revoked}",
        f"Bearer {expired}",
    ):
        headers = {"Authorization": header} if header else {}
        answer = await world.anonymous.request(method, template.format(**belongings), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED"), header
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "template", "scope"), [route for route in ROUTES if route[2]])
async def test_a_key_without_the_scope_is_forbidden(
    world: World, alice: Member, belongings: dict[str, str], method: str, template: str, scope: str
) -> None:
    others = {"read", "trade", "admin"} - {scope}
    if template.startswith("/api-keys") and scope == "trade":
        others -= {"admin"}  # operators manage keys too
    if scope == "admin":
        others = {"read", "trade"}
    _, key = await world.key(alice.owner_id, *others)
    async with world.with_key(key) as http:
        answer = await call(http, method, template, belongings)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("method", "template"), [(m, t) for m, t, scope in ROUTES if "{" in t and scope != "admin"])
async def test_another_owners_things_do_not_exist(
    world: World, mallory: Member, belongings: dict[str, str], method: str, template: str
) -> None:
    before = await world.count("event")
    answer = await call(mallory.http, method, template, belongings)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    nothing = {name: of[:4] + "x" * 26 for name, of in belongings.items()}
    absent = await call(mallory.http, method, template, nothing)
    assert absent.status_code == 404
    assert await world.count("event") == before


async def test_lists_hold_only_ones_own(belongings: dict[str, str], mallory: Member) -> None:
    for path in ("/rules", "/executions"):
        assert (await mallory.http.get(path)).json()["items"] == []
    assert [w["id"] for w in (await mallory.http.get("/wallets")).json()["items"]] == [mallory.wallet_id]
    assert {k["owner_id"] for k in (await mallory.http.get("/api-keys")).json()["items"]} == {mallory.owner_id}


async def test_an_operators_key_owns_nothing(world: World) -> None:
    _, key = await world.key(None, "admin", "read", "trade")
    async with world.with_key(key) as http:
        for path in ("/rules", "/wallets", "/executions"):
            assert (await http.get(path)).status_code == 403


async def test_an_operator_adds_an_owner_and_its_first_key(world: World) -> None:
    name = {"name": "Treasury"}
    owner = (await world.admin.post("/owners", json=name, headers={"Idempotency-Key": "first"})).json()
    again = (await world.admin.post("/owners", json=name, headers={"Idempotency-Key": "first"})).json()
    assert again == owner
    body = {"name": "first key", "scopes": ["read", "trade"], "owner_id": owner["id"], "expires_in_days": 1}
    made = (await world.admin.post("/api-keys", json=body)).json()
    assert made["owner_id"] == owner["id"]
    async with world.with_key(made["key"]) as http:
        assert (await http.get("/rules")).json() == {"items": [], "next_cursor": None}


async def test_a_secret_is_told_once_and_kept_nowhere(world: World, alice: Member) -> None:
    body = {"name": "bot", "scopes": ["read"]}
    first = await alice.http.post("/api-keys", json=body, headers={"Idempotency-Key": "bot"})
    again = await alice.http.post("/api-keys", json=body, headers={"Idempotency-Key": "bot"})
    secret = first.json()["key"]
    assert again.json() == first.json() | {"key": None}
    assert secret not in (await alice.http.get("/api-keys")).text
    async with world.book.begin() as tx:
        for table in ("api_key", "idempotency", "event"):
            rows = await tx.rows(f'SELECT CAST("{table}" AS text) AS whole FROM "{table}"')
            assert not any(secret in row["whole"] for row in rows)
    other = await alice.http.post("/api-keys", json=body | {"scopes": ["trade"]}, headers={"Idempotency-Key": "bot"})
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_MISMATCH")


async def test_a_key_cannot_make_a_stronger_one(world: World, alice: Member, mallory: Member) -> None:
    _, weak = await world.key(alice.owner_id, "trade")
    async with world.with_key(weak) as http:
        for scopes in (["read"], ["admin"], ["trade", "admin"]):
            answer = await http.post("/api-keys", json={"name": "more", "scopes": scopes})
            assert answer.status_code == 403
        answer = await http.post("/api-keys", json={"name": "his", "scopes": ["trade"], "owner_id": mallory.owner_id})
        assert answer.status_code == 422


async def test_a_revoked_key_ends_at_once(world: World, alice: Member) -> None:
    made = (await alice.http.post("/api-keys", json={"name": "short", "scopes": ["read"]})).json()
    async with world.with_key(made["key"]) as http:
        assert (await http.get("/rules")).status_code == 200
        assert (await alice.http.delete(f"/api-keys/{made['id']}")).status_code == 204
        assert (await http.get("/rules")).status_code == 401


async def test_what_is_not_there_is_a_problem_too(world: World, alice: Member) -> None:
    missing = await alice.http.get("/no/such/route")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    wrong = await alice.http.put("/rules", json={})
    assert (wrong.status_code, wrong.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["Allow"]
    for junk in ("rul_%00", "rul_'--", "x" * 5_000, "rul_ÄÖ", "%ff"):
        answer = await alice.http.get(f"/rules/{junk}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), junk
