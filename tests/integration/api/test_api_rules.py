"""Rules over HTTP: written whole or not at all."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.api.conftest import MARKET, Member, World, told_field


async def test_a_rule_is_written_down_and_does_nothing_until_activated(alice: Member) -> None:
    answer = await alice.http.post("/rules", json=alice.rule())
    assert answer.status_code == 201
    rule = answer.json()
    assert rule["state"] == "CREATED"
    assert rule["trigger"]["threshold"] == "0.70"
    assert rule["action"]["amount"] == "5"
    assert rule["limits"] == {"cooldown_hours": 24, "max_executions": 1}
    assert (await alice.http.get(f"/rules/{rule['id']}")).json() == rule


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action__amount": "-5"}, "action.amount"),
        ({"action__amount": "1e3"}, "action.amount"),
        ({"action__amount": "NaN"}, "action.amount"),
        ({"action__amount": "Infinity"}, "action.amount"),
        ({"action__amount": "0.1.2"}, "action.amount"),
        ({"action__amount": "0"}, "action.amount"),
        ({"action__amount": "1.0000000000000000001"}, "action.amount"),
        ({"action__amount": "٥٠"}, "action.amount"),
        ({"action__amount": "5０"}, "action.amount"),
        ({"action__amount": ""}, "action.amount"),
        ({"action__amount": 5}, "action.amount"),
        ({"action__amount": 0.1}, "action.amount"),
        ({"action__amount": None}, "action.amount"),
        ({"action__amount": "9" * 60}, "action.amount"),
        ({"action__sell": "DOGE"}, "action.sell"),
        ({"action__buy": "DOGE"}, "action.buy"),
        ({"action__buy": "USDC"}, "action.buy"),
        ({"action__max_slippage_bps": 10_001}, "action.max_slippage_bps"),
        ({"action__max_slippage_bps": "50"}, "action.max_slippage_bps"),
        ({"action__kind": "transfer"}, "action.kind"),
        ({"trigger__threshold": "0"}, "trigger.threshold"),
        ({"trigger__threshold": "1"}, "trigger.threshold"),
        ({"trigger__threshold": "1.5"}, "trigger.threshold"),
        ({"trigger__threshold": "-0.5"}, "trigger.threshold"),
        ({"trigger__threshold": "NaN"}, "trigger.threshold"),
        ({"trigger__threshold": 0.7}, "trigger.threshold"),
        ({"trigger__threshold": "0.7000000000000000000"}, "trigger.threshold"),
        ({"trigger__threshold": "٠.٧"}, "trigger.threshold"),
        ({"trigger__market": "NO-SUCH-MARKET"}, "trigger.market"),
        ({"trigger__market": "../../etc"}, "trigger.market"),
        ({"trigger__venue": "polymarket"}, "trigger.venue"),
        ({"trigger__when": "above"}, "trigger.when"),
        ({"wallet_id": "wal_nobodys"}, "wallet_id"),
        ({"wallet_id": "x"}, "wallet_id"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "nul\u0000"}, "name"),
        ({"limits__max_executions": 0}, "limits.max_executions"),
        ({"limits__cooldown_hours": -1}, "limits.cooldown_hours"),
        ({"surprise": 1}, "surprise"),
        ({"action__destination": "elsewhere"}, "action.destination"),
    ],
)
async def test_bad_input_is_refused_by_its_fields_name_and_writes_no_row(
    world: World, alice: Member, changes: dict[str, object], field: str
) -> None:
    before = await world.count("rule"), await world.count("event")
    answer = await alice.http.post("/rules", json=alice.rule(**changes), headers={"Idempotency-Key": "bad"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "INVALID_INPUT"
    assert told_field(answer) == [field]
    assert (await world.count("rule"), await world.count("event")) == before


async def test_another_owners_wallet_is_no_wallet(world: World, alice: Member, mallory: Member) -> None:
    before = await world.count("rule")
    answer = await mallory.http.post("/rules", json=mallory.rule(wallet_id=alice.wallet_id))
    assert answer.status_code == 422
    assert told_field(answer) == ["wallet_id"]
    assert await world.count("rule") == before


async def test_a_rule_waits_for_its_markets_source(world: World, alice: Member) -> None:
    before = await world.count("rule")
    world.feed.down = True
    refused = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "later"})
    assert (refused.status_code, refused.json()["code"]) == (503, "FEED_UNAVAILABLE")
    assert "Retry-After" in refused.headers
    assert await world.count("rule") == before
    world.feed.down = False
    again = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "later"})
    assert again.status_code == 201


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"name": NaN}', "NaN"),
        (b'{"name": -Infinity}', "-Infinity"),
        (b'{"name": "a", "name": "b"}', "twice"),
        (b'{"name": ', "not JSON"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b"[" * 5_000 + b"]" * 5_000, "nested"),
        (b'{"a":' * 1_900 + b"1" + b"}" * 400, "nested"),
        (b'{"name": ' + b"9" * 5_000 + b"}", "thousands of digits"),
        (b'{"\\ud800": 1}', "unicode"),
        (b"[]", "dictionary"),
        (b"null", ""),
    ],
)
async def test_what_is_no_strict_json_is_refused(alice: Member, raw: bytes, says: str) -> None:
    answer = await alice.http.post("/rules", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


async def test_a_body_is_counted_while_it_streams(alice: Member) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 1_000

    bodies: tuple[bytes | AsyncIterator[bytes], ...] = (b" " * 10_001, trickle())
    for body in bodies:
        answer = await alice.http.post("/rules", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_says_that_it_is_json(alice: Member) -> None:
    answer = await alice.http.post("/rules", data={"name": "form"})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_the_same_key_gets_the_same_rule_and_another_body_is_refused(world: World, alice: Member) -> None:
    before = await world.count("rule")
    first = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "once"})
    again = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "once"})
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await alice.http.post("/rules", json=alice.rule(action__amount="6"), headers={"Idempotency-Key": "once"})
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert await world.count("rule") == before + 1


async def test_a_crash_before_the_answer_was_kept_changes_nothing(world: World, alice: Member) -> None:
    first = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "crash"})
    async with world.book.begin() as tx:
        await tx.change("UPDATE idempotency SET status = 0, answer = '{}' WHERE owner_id = :o", o=alice.owner_id)
    again = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "crash"})
    assert again.json() == first.json()
    async with world.book.begin() as tx:
        await tx.change("DELETE FROM idempotency WHERE owner_id = :o", o=alice.owner_id)
    other = await alice.http.post("/rules", json=alice.rule(name="other"), headers={"Idempotency-Key": "crash"})
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_MISMATCH")


async def test_two_owners_may_use_the_same_key(alice: Member, mallory: Member) -> None:
    hers = await alice.http.post("/rules", json=alice.rule(), headers={"Idempotency-Key": "shared"})
    his = await mallory.http.post("/rules", json=mallory.rule(), headers={"Idempotency-Key": "shared"})
    assert hers.status_code == his.status_code == 201
    assert hers.json()["id"] != his.json()["id"]


@pytest.mark.parametrize("key", [b"", b" ", b"a b", b"x" * 256, "ключ".encode()])
async def test_an_idempotency_key_is_visible_ascii(alice: Member, key: bytes) -> None:
    headers = httpx.Headers([(b"Idempotency-Key", key)])
    answer = await alice.http.post("/rules", json=alice.rule(), headers=headers)
    assert answer.status_code == 422
    assert told_field(answer) == ["Idempotency-Key"]


async def test_rules_are_switched_along_their_states(alice: Member) -> None:
    rule_id = await alice.has_rule()
    states = []
    for step in ("activate", "activate", "pause", "pause", "resume"):
        states.append((await alice.http.post(f"/rules/{rule_id}/{step}")).json()["state"])
    assert states == ["ACTIVE", "ACTIVE", "PAUSED", "PAUSED", "ACTIVE"]


async def test_a_rule_that_was_never_active_cannot_be_resumed_or_paused(alice: Member) -> None:
    rule_id = await alice.has_rule()
    for step in ("resume", "pause"):
        answer = await alice.http.post(f"/rules/{rule_id}/{step}")
        assert (answer.status_code, answer.json()["code"]) == (409, "ILLEGAL_TRANSITION")


async def test_a_patch_changes_what_it_names(alice: Member) -> None:
    rule_id = await alice.has_rule()
    answer = await alice.http.patch(f"/rules/{rule_id}", json={"trigger": {"threshold": "0.80"}, "name": "higher"})
    assert answer.status_code == 200
    rule = answer.json()
    assert (rule["trigger"]["threshold"], rule["name"], rule["version"]) == ("0.80", "higher", 2)
    assert rule["trigger"]["market"] == MARKET


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"action": {"amount": "-1"}}, "action.amount"),
        ({"trigger": {"threshold": 0.5}}, "trigger.threshold"),
        ({"trigger": {"market": "NO-SUCH-MARKET"}}, "trigger.market"),
        ({"trigger": "soon"}, "trigger"),
        ({"wallet_id": None}, "wallet_id"),
        ({"owner_id": "own_x"}, "owner_id"),
    ],
)
async def test_a_patched_rule_is_checked_like_a_new_one(alice: Member, patch: dict[str, object], field: str) -> None:
    rule_id = await alice.has_rule()
    before = (await alice.http.get(f"/rules/{rule_id}")).json()
    answer = await alice.http.patch(f"/rules/{rule_id}", json=patch)
    assert answer.status_code == 422
    assert told_field(answer) == [field]
    assert (await alice.http.get(f"/rules/{rule_id}")).json() == before


async def test_an_active_rule_is_paused_before_it_is_changed(alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    answer = await alice.http.patch(f"/rules/{rule_id}", json={"name": "other"})
    assert (answer.status_code, answer.json()["code"]) == (409, "ILLEGAL_TRANSITION")


async def test_a_deleted_rule_leaves_the_list(alice: Member) -> None:
    rule_id, kept = await alice.has_rule(), await alice.has_rule(name="kept")
    assert (await alice.http.delete(f"/rules/{rule_id}")).status_code == 204
    assert (await alice.http.delete(f"/rules/{rule_id}")).status_code == 204
    assert [rule["id"] for rule in (await alice.http.get("/rules")).json()["items"]] == [kept]
    assert (await alice.http.get(f"/rules/{rule_id}")).json()["state"] == "DELETED"


async def test_pause_all_and_resume_all_touch_only_ones_own(alice: Member, mallory: Member) -> None:
    active, created = await alice.has_active_rule(), await alice.has_rule()
    his = await mallory.has_active_rule()
    assert (await alice.http.post("/rules/pause-all")).json() == {"changed": [active], "refused": []}
    assert (await mallory.http.get(f"/rules/{his}")).json()["state"] == "ACTIVE"
    assert (await alice.http.get(f"/rules/{created}")).json()["state"] == "CREATED"
    assert (await alice.http.post("/rules/resume-all")).json() == {"changed": [active], "refused": []}
    assert (await alice.http.get(f"/rules/{active}")).json()["state"] == "ACTIVE"


async def test_a_list_is_paged_by_cursor_without_loss_or_repeat(alice: Member) -> None:
    made = {await alice.has_rule(name=f"rule {number}") for number in range(5)}
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await alice.http.get("/rules", params=query)).json()
        seen += [rule["id"] for rule in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=eA", "cursor"),
    ],
)
async def test_a_foreign_cursor_or_limit_is_refused(alice: Member, query: str, field: str) -> None:
    for path in ("/rules", "/wallets", "/executions", "/api-keys"):
        answer = await alice.http.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert told_field(answer) == [field]


async def test_explain_gives_every_verdict_and_executes_nothing(world: World, alice: Member) -> None:
    rule_id = await alice.has_active_rule(action__amount="500")
    before = await world.count("execution")
    explained = (await alice.http.post(f"/rules/{rule_id}/explain")).json()
    assert explained["would_pass"] is False
    assert set(explained["codes"]) == {"POSITION_TOO_LARGE", "INSUFFICIENT_BALANCE"}
    by_check = {verdict["check"]: verdict for verdict in explained["verdicts"]}
    assert len(by_check) == 12
    assert by_check["balance"]["would_pass"] == "400 USDC more in the wallet"
    assert by_check["market_active"]["passed"]
    assert await world.count("execution") == before


async def test_explain_answers_while_everything_else_is_down(world: World, alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    world.feed.down = world.venue.down = True
    answer = await alice.http.post(f"/rules/{rule_id}/explain")
    assert answer.status_code == 200
    assert {"MARKET_UNREADABLE", "NO_QUOTE", "BALANCE_UNREADABLE"} <= set(answer.json()["codes"])


async def test_a_rule_that_would_pass_says_so(alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    explained = (await alice.http.post(f"/rules/{rule_id}/explain")).json()
    assert (explained["would_pass"], explained["codes"]) == (True, []), json.dumps(explained)


@pytest.mark.parametrize(("when", "side"), [("at_or_above", "below"), ("at_or_below", "above")])
async def test_a_rule_says_in_words_what_it_waits_for(world: World, alice: Member, when: str, side: str) -> None:
    rule_id = await alice.has_active_rule(trigger__when=when)
    assert await arming(alice, rule_id) == f"waits to see the market {side} 0.70 first"
    rule = await world.tools.rules.find(alice.owner_id, rule_id)
    await world.tools.rules.arm(rule_id, rule.activation)
    assert await arming(alice, rule_id) == "armed"
    await alice.http.post(f"/rules/{rule_id}/pause")
    assert await arming(alice, rule_id) == "does not watch the market"


@pytest.mark.parametrize(
    ("state", "executions", "says"),
    [
        ("PAUSED", 0, ""),
        ("TRIGGERED", 0, "under way"),
        ("EXECUTING", 0, "under way"),
        ("EXECUTED", 1, "this rule has used its 1 execution(s); create another"),
        ("EXECUTED", 0, "when its cooldown is over"),
        ("FAILED", 0, "create another"),
        ("DELETED", 0, "create another"),
    ],
)
async def test_explain_advises_only_what_can_help(
    world: World, alice: Member, state: str, executions: int, says: str
) -> None:
    rule_id = await alice.has_active_rule()
    async with world.book.begin() as tx:
        await tx.change(
            "UPDATE rule SET state = :state, executions = :done WHERE id = :id",
            state=state,
            done=executions,
            id=rule_id,
        )
    explained = (await alice.http.post(f"/rules/{rule_id}/explain")).json()
    advice = {verdict["code"]: verdict["would_pass"] for verdict in explained["verdicts"]}["RULE_NOT_ACTIVE"]
    assert explained["would_pass"] is False
    assert says in explained["note"]
    assert advice == (explained["note"] or "activate or resume the rule")


async def test_resuming_takes_a_paused_rule_and_an_active_one_as_it_is(alice: Member) -> None:
    rule_id = await alice.has_active_rule()
    assert (await alice.http.post(f"/rules/{rule_id}/resume")).json()["state"] == "ACTIVE"
    await alice.http.post(f"/rules/{rule_id}/pause")
    assert (await alice.http.post(f"/rules/{rule_id}/resume")).json()["state"] == "ACTIVE"
    await alice.http.delete(f"/rules/{rule_id}")
    assert (await alice.http.post(f"/rules/{rule_id}/resume")).json()["code"] == "ILLEGAL_TRANSITION"


async def arming(member: Member, rule_id: str) -> str:
    """The words, which are the same wherever the rule is told."""
    shown = (await member.http.get(f"/rules/{rule_id}")).json()
    explained = (await member.http.post(f"/rules/{rule_id}/explain")).json()
    assert shown["arming"] == explained["arming"]
    return str(shown["arming"])
