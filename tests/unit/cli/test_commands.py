"""The command as a person meets it: run for real against a small HTTP server that answers as the API would."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import ROOT, TIMEOUT_S, Server, against, tripwire

RULE = {
    "id": "rul_a",
    "name": "[red]loud[/red]",
    "wallet_id": "wal_a",
    "trigger": {"market": "FED", "outcome": "yes", "price": "mid", "when": "at_or_above", "threshold": "0.70"},
    "action": {"sell": "USDC", "buy": "SOL", "amount": "50", "max_slippage_bps": 50},
    "limits": {"cooldown_hours": 24, "max_executions": 1},
    "state": "CREATED",
    "arming": "does not watch the market",
    "executions": 0,
    "cooldown_until": None,
    "created_at": "2025-11-21T04:00:00Z",
}
PROBLEM = {
    "code": "INVALID_INPUT",
    "detail": "no",
    "errors": [{"field": "action.amount", "message": "write digits"}],
}


def execution(status: str) -> dict[str, Any]:
    money = {"amount": "50", "asset": "USDC", "asset_id": "x", "base": "50000000"}
    return {
        "id": "exe_a",
        "status": status,
        "final": status in ("SETTLED", "BLOCKED"),
        "codes": ["PRICE_STALE"] if status == "BLOCKED" else [],
        "sell": money,
        "buy": "SOL",
        "dry_run": False,
        "rule_id": "rul_a",
        "wallet_id": "wal_a",
        "created_at": "2025-11-21T04:00:00Z",
        "temporal_url": None,
        "trigger": {"id": "trg_a", "evidence": {"source": "kalshi", "price": {"bid": "0.70", "ask": None}}},
        "attempts": [],
        "settlement": None,
        "verdicts": [],
        "events": [],
    }


def test_help_loads_no_part_of_the_product() -> None:
    program = (
        "import sys, cli.main\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(loaded & {'api', 'infra', 'workers', 'workflows', 'activities', 'domain', 'temporalio', 'sqlalchemy'})"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_every_command_explains_itself() -> None:
    for words in (
        [],
        ["rule"],
        ["rule", "create"],
        ["execution"],
        ["wallet"],
        ["task"],
        ["owner"],
        ["key"],
        ["worker"],
        ["dev"],
    ):
        ended = tripwire(*words, "--help")
        assert ended.returncode == 0, ended.stderr
        assert "Usage" in ended.stdout


def test_a_missing_key_is_named(server: Server) -> None:
    ended = tripwire("rule", "list", TRIPWIRE_API_URL=server.url)
    assert ended.returncode == 2
    assert "TRIPWIRE_API_KEY" in ended.stderr
    assert ended.stdout == ""


def test_where_nobody_answers_it_asks_for_the_world() -> None:
    ended = tripwire("rule", "list", TRIPWIRE_API_URL="http://127.0.0.1:1", TRIPWIRE_API_KEY="k")
    assert ended.returncode == 69
    assert "is `tripwire dev` running?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_is_no_api_is_said_so(server: Server) -> None:
    server.will("GET /rules", (200, b"<html>"))
    ended = against(server, "rule", "list")
    assert ended.returncode == 69
    assert "not TripWire's API" in ended.stderr


def test_a_refusal_names_each_field_and_what_to_do(server: Server) -> None:
    server.will("POST /rules", (422, PROBLEM))
    ended = against(server, "rule", "create", "--wallet", "wal_a", "--amount", "x")
    assert ended.returncode == 1
    assert "action.amount: write digits" in ended.stderr
    server.will("GET /rules", (401, {"code": "UNAUTHENTICATED", "detail": "this API key is unknown"}))
    ended = against(server, "rule", "list")
    assert "TRIPWIRE_OWNER_KEY" in ended.stderr


def test_a_rule_is_written_from_options_in_the_only_wallet_and_activated(server: Server) -> None:
    server.will("GET /wallets", (200, {"items": [{"id": "wal_only"}], "next_cursor": None}))
    server.will("POST /rules", (201, RULE))
    server.will("POST /rules/rul_a/activate", (200, RULE | {"state": "ACTIVE"}))
    options = "--market FED --when at_or_above --threshold 0.70 --sell USDC --buy SOL --amount 50 --slippage-bps 30"
    ended = against(server, "rule", "create", *options.split(), "--activate")
    assert ended.returncode == 0, ended.stderr
    assert "ACTIVE" in ended.stdout
    assert "[red]loud[/red]" in ended.stdout  # what an owner wrote is no markup
    _, body, headers = server.asked[1]
    assert body == {
        "name": "FED 0.70: USDC → SOL",
        "wallet_id": "wal_only",
        "trigger": {
            "kind": "market_probability",
            "venue": "kalshi",
            "market": "FED",
            "when": "at_or_above",
            "threshold": "0.70",
        },
        "action": {"kind": "swap", "sell": "USDC", "buy": "SOL", "amount": "50", "max_slippage_bps": 30},
    }
    assert headers["Authorization"] == "Bearer twk_mine"
    assert headers["Idempotency-Key"]


def test_a_rule_is_written_from_a_file_that_options_change(server: Server, tmp_path: Path) -> None:
    server.will("POST /rules", (201, RULE))
    file = tmp_path / "rule.json"
    written = {"name": "mine", "wallet_id": "wal_a", "trigger": {"market": "FED"}, "action": {"amount": "50"}}
    file.write_text(json.dumps(written))
    ended = against(server, "rule", "create", "--file", str(file), "--amount", "60", "--json")
    assert json.loads(ended.stdout) == RULE
    _, body, _ = server.asked[0]
    assert (body["name"], body["action"]["amount"], body["trigger"]["market"]) == ("mine", "60", "FED")


@pytest.mark.parametrize("content", ["{", "[]", '{"trigger": 1}'])
def test_a_file_that_is_no_rule_is_refused_before_anything_is_sent(
    server: Server, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "rule.json"
    file.write_text(content)
    ended = against(server, "rule", "create", "--file", str(file))
    assert ended.returncode == 2
    assert str(file) in ended.stderr
    assert server.asked == []


def test_two_wallets_need_a_choice(server: Server) -> None:
    server.will("GET /wallets", (200, {"items": [{"id": "wal_a"}, {"id": "wal_b"}], "next_cursor": None}))
    ended = against(server, "rule", "create", "--amount", "1")
    assert ended.returncode == 2
    assert "--wallet" in ended.stderr


def test_a_list_follows_the_pages(server: Server) -> None:
    first, second = RULE, RULE | {"id": "rul_b"}
    pages = ({"items": [first], "next_cursor": "c"}, {"items": [second], "next_cursor": None})
    server.will("GET /rules", *((200, page) for page in pages))
    ended = against(server, "rule", "list", "--json")
    assert [rule["id"] for rule in json.loads(ended.stdout)["items"]] == ["rul_a", "rul_b"]
    assert "cursor=c" in server.asked[1][0]


def test_firing_by_hand_sends_the_key_that_was_chosen(server: Server) -> None:
    server.will("POST /rules/rul_a/trigger", (202, {"execution_id": "exe_a"}))
    ended = against(server, "rule", "trigger", "rul_a", "--key", "mine")
    assert "tripwire execution watch exe_a" in ended.stdout
    assert server.asked[0][2]["Idempotency-Key"] == "mine"


def test_watching_ends_with_the_execution_and_tells_how(server: Server) -> None:
    call = "GET /executions/exe_a"
    server.will(call, (200, execution("SIGNED")), (200, execution("SUBMITTED")), (200, execution("SETTLED")))
    ended = against(server, "execution", "watch", "exe_a")
    assert (ended.returncode, len(server.asked)) == (0, 3)
    assert "SETTLED" in ended.stdout
    server.will(call, (200, execution("BLOCKED")))
    ended = against(server, "execution", "watch", "exe_a", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["codes"] == ["PRICE_STALE"]


def test_watching_gives_up_when_told_to(server: Server) -> None:
    server.will("GET /executions/exe_a", (200, execution("SUBMITTED")))
    ended = against(server, "execution", "watch", "exe_a", "--timeout", "0")
    assert ended.returncode == 75
    assert "SUBMITTED" in ended.stderr


def test_an_operators_command_takes_the_operators_key(server: Server) -> None:
    server.will("POST /owners", (201, {"id": "own_a", "name": "Treasury"}))
    ended = tripwire(
        "owner",
        "create",
        "Treasury",
        TRIPWIRE_API_URL=server.url,
        TRIPWIRE_API_KEY="twk_owner",
        TRIPWIRE_ADMIN_KEY="twk_admin",
    )
    assert ended.returncode == 0, ended.stderr
    assert server.asked[0][2]["Authorization"] == "Bearer twk_admin"


def test_a_deleted_thing_has_no_body(server: Server) -> None:
    server.will("DELETE /rules/rul_a", (204, b""))
    ended = against(server, "rule", "delete", "rul_a")
    assert (ended.returncode, ended.stdout.strip()) == (0, "rul_a is deleted.")


def test_a_rule_that_waits_to_be_armed_says_so(server: Server) -> None:
    waits = "waits to see the market below 0.70 first"
    server.will("GET /rules/rul_a", (200, RULE | {"state": "ACTIVE", "arming": waits}))
    assert waits in against(server, "rule", "show", "rul_a").stdout
    explained = {"rule_id": "rul_a", "state": "ACTIVE", "arming": waits, "note": "used up", "would_pass": True}
    server.will("POST /rules/rul_a/explain", (200, explained | {"codes": [], "verdicts": []}))
    ended = against(server, "rule", "explain", "rul_a")
    assert waits in ended.stdout
    assert "used up" in ended.stdout


@pytest.mark.parametrize("columns", [{}, {"COLUMNS": "80"}])
def test_ids_and_addresses_are_never_broken(server: Server, columns: dict[str, str]) -> None:
    wallet = {"id": "wal_" + "i" * 26, "address": "A" * 44, "family": "solana", "chain": "solana", "frozen": True}
    rule = RULE | {"id": "rul_" + "i" * 26, "name": "a name that is long " * 5}
    for path, item in (("/wallets", wallet), ("/rules", rule), ("/executions", execution("SETTLED") | rule)):
        server.will(f"GET {path}", (200, {"items": [item], "next_cursor": None}))
    for command, wanted in (("wallet", wallet), ("rule", rule), ("execution", rule)):
        environment = {"TRIPWIRE_API_URL": server.url, "TRIPWIRE_OWNER_KEY": "twk_mine", **columns}
        ended = subprocess.run(
            [sys.executable, "-m", "cli.main", command, "list"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        assert str(wanted["id"]) in ended.stdout.split(), ended.stdout
        if command == "wallet":
            assert wallet["address"] in ended.stdout.split(), ended.stdout


def test_a_wallet_that_did_not_come_in_time_can_be_asked_for_again(server: Server) -> None:
    server.will("POST /wallets", (503, {"code": "ENGINE_UNAVAILABLE", "detail": "no answer"}))
    ended = against(server, "wallet", "create")
    key = server.asked[0][2]["Idempotency-Key"]
    assert f"Ask again with --key {key}" in ended.stderr
    against(server, "wallet", "create", "--key", key)
    assert server.asked[1][2]["Idempotency-Key"] == key
    server.will("POST /wallets", (422, PROBLEM))
    assert "--key" not in against(server, "wallet", "create").stderr


def test_an_execution_is_shown_with_its_evidence_its_stages_and_every_reason(server: Server) -> None:
    blank = dict.fromkeys(("code", "limit", "used", "held", "asked", "would_pass"), "")
    reasons = ["unknown_program: Evil1", "wrong_destination: Evil2"]
    refused = {"at": "2025-11-21T04:00:00Z", "kind": "payload.refused", "body": {"attempt": 1, "reasons": reasons}}
    verdict = {"check": "slippage", "passed": True, "stage": "preflight"} | blank
    server.will("GET /executions/exe_a", (200, execution("FAILED") | {"events": [refused], "verdicts": [verdict]}))
    ended = against(server, "execution", "show", "exe_a")
    assert ended.returncode == 0, ended.stderr
    for words in ("kalshi", "bid=0.70, ask=–", "preflight", "reasons=" + "; ".join(reasons)):
        assert words in ended.stdout


def test_status_names_what_is_missing(server: Server) -> None:
    found = {
        "status": "degraded",
        "dry_run": False,
        "execution_enabled": True,
        "kill_switch": False,
        "halts": [],
        "open_tasks": 0,
        "missing": ["signer"],
        "dependencies": [],
        "processes": [],
    }
    server.will("GET /system/status", (200, found))
    ended = against(server, "status")
    assert ended.returncode == 1
    assert "signer: start one with `tripwire worker signer`" in ended.stdout


def test_a_durable_nonce_is_named_or_done_without_and_nothing_in_between(server: Server) -> None:
    wallet = {"id": "wal_a", "chain": "solana", "address": "A", "custodian": "kms", "frozen": False}
    shown = wallet | {"durable_nonce": "N", "created_at": "2025-11-21T00:00:00Z"}
    server.will("POST /wallets/wal_a/durable-nonce", (200, shown))
    assert against(server, "wallet", "nonce", "wal_a", "N").returncode == 0
    assert against(server, "wallet", "nonce", "wal_a", "--none").returncode == 0
    assert [body for _, body, _ in server.asked] == [{"account": "N"}, {"account": None}]
    for wrong in (["wal_a"], ["wal_a", "N", "--none"]):
        assert "name a nonce account" in against(server, "wallet", "nonce", *wrong).stderr
    assert len(server.asked) == 2
