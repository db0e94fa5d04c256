"""Chain and book of a wallet are compared while nobody uses it, and each kind of difference gets its own answer."""

import json
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from activities.reconcile_wallets import WalletReport
from domain import assets
from domain.executions import Order
from infra.temporal.queues import EXECUTIONS
from tests.fakes.chain_venue import FEE, SOL_PER_USDC
from tests.integration.desk import Desk, working
from tests.integration.restorable import restorable_book
from tests.integration.test_resuming import is_at
from tests.world.conditions import until
from workflows.reconcile_wallets import ReconcileWalletsWorkflow, Round, RoundReport

USDC, SOL = assets.SOLANA_USDC.id, assets.SOL.id


@pytest.fixture
async def desk(postgres_url: str, client: Client) -> AsyncIterator[Desk]:
    async with restorable_book(postgres_url, "reconciling") as fresh:
        yield Desk(fresh.book, client)


async def compare(desk: Desk, wallet_id: str | None) -> RoundReport:
    return await desk.client.execute_workflow(
        ReconcileWalletsWorkflow.run, Round(wallet_id), id=f"reconcile/{wallet_id or 'all'}", task_queue=EXECUTIONS
    )


async def one(desk: Desk, wallet_id: str) -> WalletReport:
    [told] = (await compare(desk, wallet_id)).told
    return told


async def settled(desk: Desk) -> Order:
    order = await desk.order()
    assert (await desk.ending(order)).status == "SETTLED"
    return order


async def booked(desk: Desk, wallet_id: str) -> dict[str, int]:
    rows = await desk.rows(
        "SELECT asset, CAST(sum(amount) AS text) AS base FROM v_ledger WHERE account = :a GROUP BY asset",
        a=f"wallet:{wallet_id}",
    )
    return {row["asset"]: int(row["base"]) for row in rows}


async def frozen(desk: Desk, wallet_id: str) -> tuple[bool, list[str]]:
    """Whether the wallet is, and the codes of its open tasks."""
    [wallet] = await desk.rows("SELECT frozen FROM wallet WHERE id = :w", w=wallet_id)
    tasks = await desk.rows(
        "SELECT code FROM operator_task WHERE wallet_id = :w AND resolved_at IS NULL ORDER BY id", w=wallet_id
    )
    return bool(wallet["frozen"]), [task["code"] for task in tasks]


async def test_what_arrived_is_booked_as_come_from_outside_each_time(desk: Desk) -> None:
    _, wallet = await desk.wallet()
    async with working(desk):
        assert (await one(desk, wallet)).cause == "arrived"
        assert (await one(desk, wallet)).cause == "agrees"
        for _ in range(2):
            desk.venue.balances_base[USDC] += 7
            assert (await one(desk, wallet)).cause == "arrived"
    assert await booked(desk, wallet) == desk.venue.balances_base
    assert await frozen(desk, wallet) == (False, [])
    rows = await desk.rows("SELECT execution_id, sum(amount) AS sum FROM v_ledger GROUP BY execution_id, asset")
    assert [(row["execution_id"], int(row["sum"])) for row in rows] == [(None, 0), (None, 0)]


async def test_money_that_left_without_a_payload_of_ours_freezes_the_wallet_and_is_not_booked(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        before = await booked(desk, order.wallet_id)
        desk.venue.balances_base[USDC] -= 1
        desk.venue.balances_base[SOL] += 1
        told = await one(desk, order.wallet_id)
        assert (told.cause, told.code) == ("unexplained", "BALANCE_UNEXPLAINED")
        assert [(line.asset, line.difference) for line in told.assets] == [
            ("SOL", "0.000000001"),
            ("USDC", "-0.000001"),
        ]
        assert (await one(desk, order.wallet_id)).code == "BALANCE_UNEXPLAINED"
    assert await booked(desk, order.wallet_id) == before
    assert await frozen(desk, order.wallet_id) == (True, ["BALANCE_UNEXPLAINED"])


async def test_what_somebody_else_signed_freezes_the_wallet_even_where_the_balances_agree(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        desk.venue.foreign = ("somebody signed 5Zk with this key",)
        told = await one(desk, order.wallet_id)
    assert told.code == "FOREIGN_NONCE"
    assert "5Zk" in told.detail
    assert await frozen(desk, order.wallet_id) == (True, ["FOREIGN_NONCE"])


async def test_a_payload_that_was_held_for_dead_and_landed_is_shown_and_not_booked(desk: Desk) -> None:
    desk.venue.deaf = True
    async with working(desk):
        order = await desk.order()
        await is_at(desk, order, "SUBMITTED")
        desk.venue.height += 151

        async def signed_anew() -> bool:
            return len(await desk.rows("SELECT 1 FROM attempt WHERE state = 'SIGNED'")) == 2

        await until(signed_anew)
        desk.venue.deaf = False
        assert (await desk.ending(order)).status == "SETTLED"
        before = await booked(desk, order.wallet_id)
        [dead] = await desk.rows("SELECT payload, venue_ref FROM attempt WHERE fate = 'DEAD'")
        await desk.venue.submit(dead["payload"])  # a proof of death that was none
        told = await one(desk, order.wallet_id)
    assert (told.cause, told.code) == ("late_fill", "LATE_FILL")
    assert dead["venue_ref"] in told.detail
    assert await booked(desk, order.wallet_id) == before
    assert await frozen(desk, order.wallet_id) == (True, ["LATE_FILL"])


async def test_a_settlement_that_the_chain_took_back_is_reversed_and_frozen(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        [(reference, _)] = desk.venue.landed.items()
        del desk.venue.landed[reference]
        desk.venue.balances_base[USDC] += 50_000_000
        desk.venue.balances_base[SOL] += FEE - 50_000_000 * SOL_PER_USDC
        desk.venue.height += 151
        told = await one(desk, order.wallet_id)
        assert told.code == "REORG_AFTER_FINAL"
        assert reference in told.detail
        assert await booked(desk, order.wallet_id) == desk.venue.balances_base
        sums = await desk.rows(
            "SELECT sum(amount) AS sum FROM v_ledger WHERE execution_id = :e GROUP BY asset, account",
            e=order.execution_id,
        )
        assert {int(row["sum"]) for row in sums} == {0}
        assert await desk.status(order) == "SETTLED", "final states never change"
        assert (await one(desk, order.wallet_id)).cause == "agrees", "it is reversed once"
    assert await frozen(desk, order.wallet_id) == (True, ["REORG_AFTER_FINAL"])


async def test_a_settlement_that_came_back_after_its_reversal_is_shown_to_a_person(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        kept = (dict(desk.venue.landed), dict(desk.venue.balances_base))
        desk.venue.landed.clear()
        desk.venue.balances_base[USDC] += 50_000_000
        desk.venue.balances_base[SOL] += FEE - 50_000_000 * SOL_PER_USDC
        desk.venue.height += 151
        await one(desk, order.wallet_id)
        desk.venue.landed, desk.venue.balances_base = kept
        assert (await one(desk, order.wallet_id)).code == "LATE_FILL"
    assert await frozen(desk, order.wallet_id) == (True, ["REORG_AFTER_FINAL", "LATE_FILL"])


async def test_a_look_up_that_fails_takes_nothing_back(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        desk.venue.blind = True
        assert (await one(desk, order.wallet_id)).cause == "agrees"


async def test_a_node_that_is_behind_takes_nothing_back_and_freezes_nothing(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        before = await booked(desk, order.wallet_id)
        desk.venue.landed.clear()  # what another node shows, that has not come to the swap's block
        desk.venue.height -= 1
        desk.venue.balances_base[USDC] += 50_000_000
        desk.venue.balances_base[SOL] += FEE - 50_000_000 * SOL_PER_USDC
        told = await one(desk, order.wallet_id)
    assert (told.cause, told.code) == ("", "")
    assert "CHAIN_UNAVAILABLE" in told.detail
    assert await booked(desk, order.wallet_id) == before
    assert await frozen(desk, order.wallet_id) == (False, [])


async def test_a_wallet_in_use_is_not_judged(desk: Desk) -> None:
    desk.venue.deaf = True
    async with working(desk):
        order = await desk.order()
        await is_at(desk, order, "SUBMITTED")
        desk.venue.balances_base[USDC] -= 1
        told = await one(desk, order.wallet_id)
        assert (told.cause, told.code, told.detail) == ("", "", "not judged: in use")
        desk.venue.balances_base[USDC] += 1
        desk.venue.deaf = False
        await desk.ending(order)
    assert await frozen(desk, order.wallet_id) == (False, [])


async def test_nothing_is_adopted_from_a_chain_that_a_restored_book_is_behind_of(desk: Desk) -> None:
    _, wallet = await desk.wallet()
    await desk.halts.halt_restored("a drill")
    async with working(desk):
        assert (await one(desk, wallet)).cause == ""
    assert await booked(desk, wallet) == {}


async def test_a_loss_found_under_the_lock_blocks_the_execution_and_freezes_the_wallet(desk: Desk) -> None:
    async with working(desk):
        order = await settled(desk)
        desk.venue.balances_base[USDC] -= 1
        ending = await desk.ending(await desk.fire(await desk.rule(order.owner_id, order.wallet_id)))
    assert (ending.status, ending.codes) == ("BLOCKED", ("BALANCE_UNEXPLAINED",))
    assert await frozen(desk, order.wallet_id) == (True, ["BALANCE_UNEXPLAINED"])
    assert len(desk.custodian.signed) == 1


async def test_a_round_goes_through_every_wallet_and_tells_those_that_differ(desk: Desk) -> None:
    wallets = [(await desk.wallet())[1] for _ in range(3)]
    async with working(desk):
        first = await compare(desk, None)
        again = await compare(desk, None)
    assert (first.compared, {told.wallet_id for told in first.told}) == (3, set(wallets))
    assert (again.compared, again.told) == (3, ())
    assert json.dumps(sorted(wallets)) == json.dumps(list(await desk.standing.page("", 10)))
