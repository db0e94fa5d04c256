"""What no careful client would send (F56)."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import MARKET, Lane
from infra.devnet.chaos.scene import Scene

MOST_BYTES = 10_000  # of a body. Source: api/bodies.py
AMOUNTS = (
    *("NaN", "Infinity", "1e400", "1E2", "-1", "+1", "0", "0.0000000", "", " 5", "5 ", "0x5", "5,0", "1_000"),
    *("1.0000000000000000001", "٥", "５", "5\u200b", "9" * 79, "1'; DROP TABLE execution; --"),
)
# Answers to a body that is refused, to an address where nothing of the caller's is, and to a caller without a right.
REFUSED, ABSENT, KEYLESS, UNSCOPED = (400, 413, 415, 422), (404,), (401,), (403,)
_COUNTED = ("owner", "api_key", "wallet", "rule", "trigger", "execution", "leg", "attempt", "hold", "ledger_entry")

Wrong = tuple[str, str, bytes, dict[str, str], tuple[int, ...]]  # method, path, body, headers, expected statuses


@drill("F56", "bad numbers, bad bodies, other people's ids, and keys that do not open this door", guards=("G4", "G5"))
async def bad_input(scene: Scene) -> None:
    lane, other = await scene.lane(), await scene.lane()
    rule, strangers = await lane.rule(), await other.rule()
    expired = await _expired(scene, lane)
    before, calls = await _rows(scene), _outbound(scene)
    for method, path, body, headers, expected in _wrong(lane, rule, other, strangers, expired):
        answer = await scene.http.request(method, lane.api + path, content=body, headers=headers)
        scene.check(
            answer.status_code in expected,
            f"{method} {path} {body[:80]!r} was answered {answer.status_code}, {expected}",
        )
        told = answer.json()
        scene.check({"code", "detail", "status"} <= set(told), f"{method} {path}: the refusal names its code: {told}")
    scene.check(await _rows(scene) == before, "nothing was written down, and no workflow begun")
    scene.check(_outbound(scene) == calls, "no chain, quote or key service was asked")


def _wrong(lane: Lane, rule: str, other: Lane, strangers: str, expired: str) -> Iterator[Wrong]:
    good = _rule(lane)
    yield from ((*_posted(lane, "/rules", one), REFUSED) for one in _bad_rules(good, other))
    for body in _bad_bodies(good):
        yield ("POST", "/rules", body, _headers(lane.key), REFUSED)
    yield ("POST", "/rules", json.dumps(good).encode(), {**_headers(lane.key), "Content-Type": "text/xml"}, REFUSED)
    for key in ("", "a b", "k" * 256):
        yield ("POST", f"/rules/{rule}/trigger", b"", {**_headers(lane.key), "Idempotency-Key": key}, REFUSED)
    for path in (f"/rules/{strangers}/trigger", "/rules/rul_%27%20OR%201=1/trigger", "/rules/..%2Fadmin/trigger"):
        yield (*_posted(lane, path, None), ABSENT)
    for path in (f"/rules/{strangers}", f"/wallets/{other.wallet_id}", f"/wallets/{other.wallet_id}/balances"):
        yield ("GET", path, b"", _headers(lane.key), ABSENT)
    for path in ("/executions?limit=-1", "/executions?limit=1e9", "/executions?cursor=%00", "/rules?cursor=AAAA"):
        yield ("GET", path, b"", _headers(lane.key), REFUSED)
    for key in ("", "twk_nonsense", lane.key[:-1], lane.key.swapcase(), expired):
        yield ("POST", f"/rules/{rule}/trigger", b"", _headers(key), KEYLESS)
    yield (*_posted(lane, "/admin/kill-switch", {"on": True, "reason": "not yours"}), UNSCOPED)
    yield (*_posted(lane, "/owners", {"name": "another"}), UNSCOPED)
    yield (*_posted(lane, "/api-keys", {"name": "more", "scopes": ["admin"]}), UNSCOPED)


def _bad_rules(good: dict[str, Any], other: Lane) -> Iterator[dict[str, Any]]:
    """Rules that differ from a good one in a single place."""
    for amount in AMOUNTS:
        yield _with(good, "action", "amount", amount)
    numbers: tuple[object, ...] = (5, 5.0, -1, True, None, [], {})
    yield from (_with(good, "action", "amount", number) for number in numbers)
    for bps in (-1, 10_001, 0.5, "50", True):
        yield _with(good, "action", "max_slippage_bps", bps)
    for threshold in ("0", "1", "-0.1", "1.01", "NaN", "7e-1", 0.7):
        yield _with(good, "trigger", "threshold", threshold)
    for market in ("", "fed", "../etc/passwd", "A" * 101, "http://169.254.169.254/"):
        yield _with(good, "trigger", "market", market)
    for hours in (-1, 8_761, 1.5, "24"):
        yield _with(good, "limits", "cooldown_hours", hours)
    yield _with(good, "action", "buy", good["action"]["sell"])
    yield _with(good, "action", "buy", "DOGE")
    yield _with(good, "action", "destination", "somebody else")
    yield {**good, "wallet_id": other.wallet_id}
    yield {**good, "wallet_id": "wal_'; DELETE FROM wallet; --"}
    yield {**good, "name": "a\u0000b"}
    yield {**good, "name": "\u202etxt.exe"}
    yield {**good, "callback_url": "http://169.254.169.254/latest/meta-data/"}


def _bad_bodies(good: dict[str, Any]) -> Iterator[bytes]:
    """Bodies that no model ever sees."""
    text = json.dumps(good)
    yield text.replace('"5"', "NaN").encode()
    yield text.replace('"5"', "1e400").encode()
    yield text.replace('"5"', "9" * 5_000).encode()
    yield text[:-1].encode()
    yield text.encode("utf-16")
    yield b"\xff" + text.encode()
    yield text.replace('"name"', '"name": "twice", "name"', 1).encode()
    yield b"[" * 5_000 + b"]" * 5_000
    yield text.encode() + b" " * (MOST_BYTES + 1 - len(text.encode()))
    yield b"null"


def _rule(lane: Lane) -> dict[str, Any]:
    trigger = {"kind": "market_probability", "venue": "kalshi", "market": MARKET}
    return {
        "name": "drill",
        "wallet_id": lane.wallet_id,
        "trigger": {**trigger, "when": "at_or_above", "threshold": "0.99"},
        "action": {"kind": "swap", "sell": lane.records.sells, "buy": lane.records.buys, "amount": "5"},
        "limits": {"cooldown_hours": 0, "max_executions": 1},
    }


def _with(good: dict[str, Any], part: str, name: str, value: object) -> dict[str, Any]:
    wrong = copy.deepcopy(good)
    wrong[part][name] = value
    return wrong


def _posted(lane: Lane, path: str, body: object) -> tuple[str, str, bytes, dict[str, str]]:
    return "POST", path, b"" if body is None else json.dumps(body).encode(), _headers(lane.key)


def _headers(key: str) -> dict[str, str]:
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    return {**authorization, "Idempotency-Key": "bad-input", "Content-Type": "application/json"}


async def _expired(scene: Scene, lane: Lane) -> str:
    """A key of the lane's owner whose time is over."""
    made = await lane.post("/api-keys", {"name": "old", "scopes": ["read", "trade"]})
    await scene.rows(
        "UPDATE api_key SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1 RETURNING id", made["id"]
    )
    return str(made["key"])


async def _rows(scene: Scene) -> dict[str, int]:
    """How many rows there are of what matters, and how many workflows beside those that schedules begin."""
    counts = {}
    for table in _COUNTED:
        ((count,),) = [row.values() for row in await scene.rows(f'SELECT count(*) FROM "{table}"')]  # noqa: S608
        counts[table] = int(count)
    executions = await (await scene.temporal()).count_workflows("WorkflowType IN ('ExecuteRule', 'CreateWallet')")
    return {**counts, "workflows": executions.count}


def _outbound(scene: Scene) -> dict[str, int]:
    counts = {"kms": scene.proxies["kms"].log.count, "jupiter": scene.proxies["jupiter"].log.count}
    return {**counts, "sends": len(scene.node.log.calls(scene.send))}
