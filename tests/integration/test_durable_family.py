"""A stale payload on a durable nonce is cancelled at its own nonce, and the swap is signed anew on the next."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from temporalio.client import Client

import domain.attempts
from domain import assets
from domain.attempts import Fate, Sighting
from domain.errors import FeesAboveCap
from domain.intents import NEVER, Refusal, Slot
from domain.wallets import Wallet
from infra.db.book import Book
from infra.venues.protocol import Receipt, Sent, Unsigned
from tests.fakes.chain_venue import FEE, ChainVenue
from tests.integration.desk import Desk, working
from tests.world.conditions import until


@dataclass
class DurableVenue(ChainVenue):
    """Takes one payload a nonce value. `stale` payloads may be replaced, at a price unless `dear`."""

    value: int = 1
    stale: bool = True
    dear: bool = False
    replaced: int = 0

    async def slot(self, wallet: Wallet) -> Slot:
        return Slot(f"account/{self.value}", NEVER + 1)

    async def replace(self, sent: Sent) -> Unsigned:
        self.replaced += 1
        if self.dear:
            raise FeesAboveCap("as the test says")
        self.deaf = False
        return Unsigned(json.dumps({"cancels": True, "slot": sent.slot.nonce}).encode())

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        return ()

    async def submit(self, payload: bytes) -> Receipt:
        message = json.JSONDecoder().raw_decode(payload.decode("latin1"))[0]
        if not self.deaf and message["slot"] != f"account/{self.value}":
            return Receipt("refused: its nonce is used up")
        return await super().submit(payload)

    def _execute(self, reference: str, payload: bytes) -> None:
        self.value += 1
        if "cancels" in json.JSONDecoder().raw_decode(payload.decode("latin1"))[0]:
            self.landed[reference] = False
            self.balances_base[assets.SOL.id] -= FEE
        else:
            super()._execute(reference, payload)

    def _look(self, sent: Sent) -> Sighting:
        if sent.venue_ref not in self.landed and sent.slot.nonce != f"account/{self.value}":
            return Sighting(Fate.DEAD, head=self.height, proof=(("nonce_value_seen", str(self.value)),))
        if sent.venue_ref not in self.landed:
            return Sighting(Fate.PENDING, head=self.height, raisable=self.stale)
        return super()._look(sent)


@pytest.fixture
def desk(book: Book, client: Client, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A first payload that never arrives, and no half minute of waiting before it is replaced."""
    monkeypatch.setattr(domain.attempts, "REPLACE_AFTER", timedelta(0))
    return Desk(book, client, venue=DurableVenue(deaf=True))


async def test_what_went_stale_is_cancelled_at_its_nonce_and_signed_anew(desk: Desk) -> None:
    async with working(desk):
        order = await desk.order()
        assert (await desk.ending(order)).status == "SETTLED"
    attempts = await desk.rows(
        "SELECT nonce, rank, fate, succeeded FROM attempt WHERE execution_id = :e ORDER BY attempt_no",
        e=order.execution_id,
    )
    assert [tuple(one.values()) for one in attempts] == [
        ("account/1", 0, "DEAD", None),
        ("account/1", 1, "LANDED", False),
        ("account/2", 0, "LANDED", True),
    ]
    assert sorted(desk.venue.landed.values()) == [False, True]
    booked = await desk.rows(
        "SELECT asset, CAST(sum(amount) AS text) AS base FROM v_ledger WHERE account = :a GROUP BY asset",
        a=f"wallet:{order.wallet_id}",
    )
    assert {row["asset"]: int(row["base"]) for row in booked} == desk.venue.balances_base


async def test_what_cannot_be_cancelled_within_the_cap_is_followed_as_it_is(desk: Desk) -> None:
    venue = desk.venue
    assert isinstance(venue, DurableVenue)
    venue.dear, venue.deaf = True, True
    async with working(desk):
        order = await desk.order()
        await until_replacing(venue)
        venue.deaf = False
        assert (await desk.ending(order)).status == "SETTLED"
    assert len(desk.custodian.signed) == 1


async def until_replacing(venue: DurableVenue) -> None:
    async def asked() -> bool:
        return venue.replaced > 0

    await until(asked)
