"""What a process sees of the world: a venue and a custodian that are asked over a wire, with a witness at its end.

A request leaves at one await and its answer arrives at another, so a process can end before it left, and after it
was heard.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from domain.attempts import Sighting
from domain.intents import Intent, Leg, Quote, Refusal, Slot
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.custody.protocol import Custodian, NewKey
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned, Venue
from tests.chaos.stepping import Tape
from tests.chaos.witness import Witness

T = TypeVar("T")


async def asked(request: Coroutine[Any, Any, T]) -> T:
    """The answer to a request; once it has left, it is answered whether or not somebody still listens."""
    try:
        await asyncio.sleep(0)
    except BaseException:
        request.close()
        raise
    return await asyncio.create_task(request)


class VenueWire:
    def __init__(self, venue: Venue, tape: Tape, witness: Witness) -> None:
        self.name, self.sequential = venue.name, venue.sequential
        self._venue = venue
        self._tape = tape
        self._witness = witness

    async def submit(self, payload: bytes) -> Receipt:
        async def received() -> Receipt:
            await self._witness.sees_received(payload)
            return await self._venue.submit(payload)

        await asyncio.sleep(0)
        self._tape.in_flight = "submit"
        return await asyncio.create_task(received())

    async def quote(self, intent: Intent) -> Quote:
        return await asked(self._venue.quote(intent))

    async def slot(self, wallet: Wallet) -> Slot:
        return await asked(self._venue.slot(wallet))

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        return await asked(self._venue.build(leg, quote, slot))

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        return await asked(self._venue.examine(leg, quote, slot, unsigned))

    async def replace(self, sent: Sent) -> Unsigned:
        return await asked(self._venue.replace(sent))

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        return await asked(self._venue.look_up(sent))

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        return await asked(self._venue.settle(sent, leg))

    async def balances(self, address: str, assets: tuple[Asset, ...]) -> dict[str, Amount]:
        return await asked(self._venue.balances(address, assets))

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        return await asked(self._venue.strangers(wallet, known))

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        return self._venue.legs(intent)

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        return self._venue.examine_replacement(sent, unsigned)

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        return self._venue.seal(unsigned, signature)

    def fee_reserve(self) -> Amount:
        return self._venue.fee_reserve()


class CustodianWire:
    def __init__(self, custodian: Custodian, tape: Tape, witness: Witness) -> None:
        self._custodian = custodian
        self._tape = tape
        self._witness = witness

    async def create(self, wallet_id: str, owner_id: str, family: str) -> NewKey:
        return await asked(self._custodian.create(wallet_id, owner_id, family))

    async def sign(self, wallet: Wallet, message: bytes) -> bytes:
        async def signed() -> bytes:
            await self._witness.sees_signing(wallet)
            return await self._custodian.sign(wallet, message)

        await asyncio.sleep(0)
        self._tape.in_flight = "sign"
        return await asyncio.create_task(signed())
