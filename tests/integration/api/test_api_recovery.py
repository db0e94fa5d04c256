"""Operators' comparisons of chain and book: on demand, and after a restore."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.api.conftest import Member, World


async def test_a_wallet_is_compared_on_demand_and_told_asset_by_asset(world: World, alice: Member) -> None:
    async with world.executor():
        first = await world.admin.post("/admin/reconcile", json={"wallet_id": alice.wallet_id})
        again = await world.admin.post("/admin/reconcile", json={"wallet_id": alice.wallet_id})
    assert first.status_code == again.status_code == 200, first.text
    [told] = first.json()["wallets"]
    assert (told["attributed_to"], told["code"]) == ("arrived", "")
    assert told["assets"] == [
        {"asset": "SOL", "chain": "1", "book": "0", "difference": "1"},
        {"asset": "USDC", "chain": "100", "book": "0", "difference": "100"},
    ]
    [told] = again.json()["wallets"]
    assert (told["attributed_to"], told["detail"]) == ("agrees", "Nothing to do.")


async def test_only_operators_compare_and_only_wallets_that_are_there(world: World, alice: Member) -> None:
    assert (await alice.http.post("/admin/reconcile", json={})).status_code == 403
    assert (await alice.http.post("/admin/recover", json={"reason": "because I can"})).status_code == 403
    unknown = await world.admin.post("/admin/reconcile", json={"wallet_id": "wal_nobody"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")


async def test_a_recovery_is_refused_where_nothing_was_restored(world: World) -> None:
    answer = await world.admin.post("/admin/recover", json={"reason": "to be sure"})
    assert (answer.status_code, answer.json()["code"]) == (409, "ILLEGAL_TRANSITION")


@pytest.fixture
async def restored(world: World) -> AsyncIterator[None]:
    """The book is held for restored, and has been long enough."""
    await world.tools.halts.halt_restored("event 7 of the audit chain is gone")
    async with world.book.begin() as tx:
        await tx.change("UPDATE switch SET changed_at = changed_at - interval '1 hour' WHERE name = 'restored'")
    yield
    async with world.book.begin() as tx:
        await tx.change("UPDATE switch SET \"on\" = false WHERE name = 'restored'")


async def test_an_operator_can_say_that_the_book_was_restored(world: World, alice: Member) -> None:
    assert (await alice.http.post("/admin/restored", json={"reason": "because I can"})).status_code == 403
    try:
        said = await world.admin.post("/admin/restored", json={"reason": "last night's copy"})
        assert (said.status_code, said.json()) == (200, {"new": True})
        [halt] = await world.tools.halts.now()
        assert "last night's copy" in halt.reason
        early = await world.admin.post("/admin/recover", json={"reason": "at once"})
        assert (early.status_code, early.json()["code"]) == (409, "ILLEGAL_TRANSITION")
        assert "seconds" in early.json()["detail"]
    finally:
        async with world.book.begin() as tx:
            await tx.change("UPDATE switch SET \"on\" = false WHERE name = 'restored'")


@pytest.mark.usefixtures("restored")
async def test_a_restore_is_told_and_a_recovery_freezes_what_does_not_agree(world: World, alice: Member) -> None:
    status = (await alice.http.get("/system/status")).json()
    assert status["kill_switch"] is True
    assert [(halt["name"], halt["reason"]) for halt in status["halts"]] == [
        ("restored", "event 7 of the audit chain is gone")
    ]
    tried = await world.admin.post("/admin/recover", json={"reason": "last night's copy", "dry_run": True})
    assert tried.status_code == 200, tried.text
    assert tried.json()["recovered"] is False
    assert await world.tools.halts.restored()
    assert await frozen(alice) is False

    done = (await world.admin.post("/admin/recover", json={"reason": "last night's copy"})).json()
    assert (done["recovered"], done["frozen"]) == (True, len(done["wallets"]))
    mine = next(told for told in done["wallets"] if told["wallet_id"] == alice.wallet_id)
    assert (mine["attributed_to"], mine["code"]) == ("behind", "BOOK_BEHIND_CHAIN")
    assert await frozen(alice) is True
    assert (await alice.http.get("/system/status")).json()["halts"] == []


async def frozen(member: Member) -> bool:
    return bool((await member.http.get(f"/wallets/{member.wallet_id}")).json()["frozen"])


@pytest.mark.usefixtures("restored", "alice")
async def test_a_chain_that_does_not_answer_keeps_everything_halted(world: World) -> None:
    world.venue.down = True
    answer = await world.admin.post("/admin/recover", json={"reason": "last night's copy"})
    assert (answer.status_code, answer.json()["code"]) == (503, "CHAIN_UNAVAILABLE")
    assert await world.tools.halts.restored()
