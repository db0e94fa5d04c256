"""What a venue does. A new venue is one package that fits `Venue`; workflows and activities stay as they are."""

from dataclasses import dataclass
from typing import Protocol

from domain.attempts import Sighting
from domain.intents import Intent, Quote, Refusal, Slot
from domain.ledger import Settlement
from domain.money import Amount, Asset


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A built payload: `message` is what the custodian signs."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload ready to send. `venue_ref` is the venue's id of it, known before the first byte leaves."""

    payload: bytes
    venue_ref: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A signed payload as the book holds it, for looking up and settling. Times of life as in `Slot`."""

    payload: bytes
    venue_ref: str
    slot: Slot


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a venue said to a broadcast. It is kept for people; the look-up decides (law 2)."""

    answer: str


class Venue(Protocol):
    """The verbs of a venue. Every call has a deadline and one try; retrying is Temporal's work."""

    name: str

    async def quote(self, intent: Intent) -> Quote:
        """A price now. Errors: QUOTE_UNAVAILABLE (retried), NO_ROUTE (final)."""

    async def slot(self) -> Slot:
        """A fresh slot for one payload. Errors: CHAIN_UNAVAILABLE (retried)."""

    async def build(self, intent: Intent, quote: Quote, slot: Slot) -> Unsigned:
        """The payload for an intent. Errors: QUOTE_UNAVAILABLE (retried), NO_ROUTE (final)."""

    async def examine(self, intent: Intent, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign (law 4), from decoding the payload and from simulating it.

        Empty means: signing it can do nothing but what `intent` says. Errors: CHAIN_UNAVAILABLE (retried).
        """

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        """Join message and signature to the bytes that are sent."""

    async def submit(self, payload: bytes) -> Receipt:
        """Send the very bytes. Errors: CHAIN_UNAVAILABLE (retried): they may or may not have arrived."""

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        """The fate of each, in order. A lookup that fails is a sighting of UNKNOWN, never an absence."""

    async def settle(self, sent: Sent, intent: Intent) -> Settlement:
        """What a landed payload really moved. Errors: SETTLEMENT_UNREADABLE, CHAIN_UNAVAILABLE (retried)."""

    async def balances(self, address: str, assets: tuple[Asset, ...]) -> dict[str, Amount]:
        """Final balances by CAIP-19 id. Errors: CHAIN_UNAVAILABLE (retried)."""

    def fee_reserve(self) -> Amount:
        """The most that one execution may cost in fees and deposits, in the native asset."""
