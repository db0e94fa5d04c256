"""The operators' commands: what is woken at night has to read one screen, and may not slip."""

import json
import subprocess
from typing import Any

from tests.unit.cli.conftest import Server, tripwire

TASK = {
    "id": "7",
    "open": True,
    "code": "FATE_UNKNOWN",
    "execution_id": "exe_a",
    "wallet_id": "wal_a",
    "detail": "nobody can say [red]yet[/red]",
    "raised_at": "2025-11-21T04:00:00Z",
    "resolved_at": None,
    "move": None,
    "reason": None,
    "evidence": None,
    "resolved_by": None,
}
MOVES = [
    {
        "move": "declare_dead",
        "offered": False,
        "does": "d",
        "cannot_pay_twice": "c",
        "needs_evidence": True,
        "refused_because": "ref-a may still land until 1150",
        "would_be_safe": "ask again past 1150",
    },
    {
        "move": "look_again",
        "offered": True,
        "does": "Asks the venue again.",
        "cannot_pay_twice": "Looking signs nothing.",
        "needs_evidence": False,
        "refused_because": None,
        "would_be_safe": None,
    },
]
MONEY = {"amount": "50", "asset": "USDC", "asset_id": "x", "base": "50000000"}
DETAIL: dict[str, Any] = {
    "moves": MOVES,
    "wallet": {
        "id": "wal_a",
        "chain": "solana",
        "address": "A1",
        "frozen": False,
        "held_by": "exe_a",
        "next_nonce_in_book": None,
        "next_nonce_on_chain": None,
        "balances": [{"asset": "USDC", "chain": MONEY, "book": MONEY, "difference": MONEY}],
    },
    "execution": {
        "id": "exe_a",
        "status": "UNKNOWN",
        "codes": ["FATE_UNKNOWN"],
        "workflow_id": "execution/trg_a",
        "sell": MONEY,
        "buy": "SOL",
    },
    "attempts": [
        {
            "leg": 1,
            "seq": 1,
            "fate": "UNKNOWN",
            "valid_until": 1150,
            "id_on_venue": "ref-a",
            "venue_says": {"fate": "UNKNOWN", "succeeded": None, "head": 1100, "detail": "absent, without proof"},
        }
    ],
}


def operate(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tripwire(*arguments, TRIPWIRE_API_URL=server.url, TRIPWIRE_ADMIN_KEY="twk_admin")


def test_tasks_are_listed_with_what_they_are_about(server: Server) -> None:
    server.will("GET /admin/tasks", (200, {"items": [TASK], "next_cursor": None}))
    ended = operate(server, "task", "list")
    assert ended.returncode == 0, ended.stderr
    for words in ("7", "FATE_UNKNOWN", "open", "exe_a"):
        assert words in ended.stdout
    assert server.asked[0][2]["Authorization"] == "Bearer twk_admin"
    server.will("GET /admin/tasks", (200, {"items": [], "next_cursor": None}))
    assert "nothing waits for a person" in operate(server, "task", "list").stdout


def test_a_task_shows_safe_moves_first_and_what_the_others_lack(server: Server) -> None:
    server.will("GET /admin/tasks/7", (200, TASK | DETAIL))
    ended = operate(server, "task", "show", "7")
    assert ended.returncode == 0, ended.stderr
    for words in (
        "[red]yet[/red]",
        "UNKNOWN at 1100: absent, without proof",
        "held by",
        "50 USDC",
        "ask again past 1150",
    ):
        assert words in ended.stdout
    assert ended.stdout.index("look_again") < ended.stdout.index("declare_dead")
    assert json.loads(operate(server, "task", "show", "7", "--json").stdout) == TASK | DETAIL


def test_a_move_is_sent_with_its_words_and_a_refusal_says_what_would_be_safe(server: Server) -> None:
    call = "POST /admin/tasks/7/resolve"
    resolved = TASK | {"open": False, "move": "declare_dead", "reason": "r", "resolved_at": "2025-11-21T05:00:00Z"}
    server.will(call, (200, resolved))
    options = ("--reason", "the node is gone", "--evidence", "explorer, 04:10", "--key", "mine")
    ended = operate(server, "task", "resolve", "7", "declare_dead", *options)
    assert ended.returncode == 0, ended.stderr
    _, body, headers = server.asked[0]
    assert body == {"move": "declare_dead", "reason": "the node is gone", "evidence": "explorer, 04:10"}
    assert headers["Idempotency-Key"] == "mine"
    refusal = {"code": "MOVE_NOT_SAFE", "detail": "it may still land", "would_be_safe": "ask again past 1150"}
    server.will(call, (409, refusal))
    ended = operate(server, "task", "resolve", "7", "declare_dead", "--reason", "the node is gone")
    assert ended.returncode == 1
    assert "it may still land (MOVE_NOT_SAFE). Would be safe: ask again past 1150." in ended.stderr
    assert "evidence" not in server.asked[1][1]


def test_a_reset_is_a_dry_run_unless_it_is_said_otherwise(server: Server) -> None:
    step = {"step": "submit", "answers": "sends ref-a again", "cannot_pay_twice": "same bytes"}
    answer = {
        "execution_id": "exe_a",
        "workflow_id": "execution/trg_a",
        "status": "SUBMITTED",
        "dry_run": True,
        "done": "nothing",
        "run_id": None,
        "steps": [step],
    }
    server.will("POST /admin/executions/exe_a/reset", (200, answer), (200, answer | {"done": "reset"}))
    ended = operate(server, "execution", "reset", "exe_a", "--reason", "rolled back a worker")
    assert ended.returncode == 0, ended.stderr
    for words in ("--no-dry-run", "sends ref-a again", "same bytes"):
        assert words in ended.stdout
    ended = operate(server, "execution", "reset", "exe_a", "--reason", "rolled back a worker", "--no-dry-run")
    assert "was reset to its first step" in ended.stdout
    assert [body["dry_run"] for _, body, _ in server.asked] == [True, False]


def test_a_rule_is_reset_by_name_of_its_state(server: Server) -> None:
    server.will("POST /admin/rules/rul_a/reset", (409, {"code": "MOVE_NOT_SAFE", "detail": "exe_a is not over"}))
    ended = operate(server, "rule", "reset", "rul_a", "--to", "active", "--reason", "the pool trades again")
    assert ended.returncode == 1
    assert server.asked[0][1] == {"to": "ACTIVE", "reason": "the pool trades again"}
