"""`tripwire reconcile` and `tripwire recover`, against a small server."""

import subprocess

from tests.unit.cli.conftest import Server, tripwire

WALLET = {
    "wallet_id": "wal_a",
    "attributed_to": "unexplained",
    "code": "BALANCE_UNEXPLAINED",
    "detail": "Money left without a payload of ours: move what is left, and find out how.",
    "assets": [{"asset": "USDC", "chain": "449", "book": "450", "difference": "-1"}],
}


def operating(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tripwire(*arguments, TRIPWIRE_API_URL=server.url, TRIPWIRE_ADMIN_KEY="twk_admin")


def test_a_comparison_is_a_table_and_fails_where_a_person_is_needed(server: Server) -> None:
    server.will("POST /admin/reconcile", (200, {"compared": 1, "wallets": [WALLET]}))
    shown = operating(server, "reconcile", "--wallet", "wal_a")
    assert shown.returncode == 1
    assert "wal_a   USDC   449    450   -1          unexplained" in shown.stdout
    assert "BALANCE_UNEXPLAINED Money left" in shown.stdout
    assert server.asked[0][1] == {"wallet_id": "wal_a"}


def test_a_comparison_without_findings_says_so(server: Server) -> None:
    server.will("POST /admin/reconcile", (200, {"compared": 12, "wallets": []}))
    shown = operating(server, "reconcile")
    assert (shown.returncode, shown.stdout) == (0, "12 compared; nothing is noteworthy.\n")


def test_a_recovery_that_is_tried_out_changes_nothing_and_says_so(server: Server) -> None:
    answer = {"recovered": False, "compared": 12, "frozen": 1, "wallets": [WALLET | {"code": "BOOK_BEHIND_CHAIN"}]}
    server.will("POST /admin/recover", (200, answer))
    shown = operating(server, "recover", "--dry-run", "--reason", "last night's copy")
    assert shown.returncode == 0
    assert "1 of 12 wallets do not agree with the chain. Nothing was changed." in shown.stdout
    assert server.asked[0][1] == {"reason": "last night's copy", "dry_run": True}


def test_whoever_restores_a_database_says_so(server: Server) -> None:
    server.will("POST /admin/restored", (200, {"new": True}))
    shown = operating(server, "restored", "--reason", "last night's copy")
    assert (shown.returncode, server.asked[0][1]) == (0, {"reason": "last night's copy"})
    assert "tripwire recover --dry-run" in shown.stdout
