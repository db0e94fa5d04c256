"""What a venue does. A new venue is one package that fits `Venue`; workflows and activities stay as they are."""

from dataclasses import dataclass
from typing import Protocol

from domain.attempts import Sighting
from domain.intents import Intent, Leg, Quote, Refusal, Slot
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet


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
    """A signed payload as the book holds it, for looking up and settling. Times of life as in `Slot`.

    `address` is the wallet that signed it.
    """

    payload: bytes
    venue_ref: str
    slot: Slot
    address: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a venue said to a broadcast. It is kept for people; the look-up decides (law 2)."""

    answer: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the book holds of a wallet's payloads: the ids of all it ever signed, and the next nonce it expects.

    `next_nonce` is 0 before the first payload, and means nothing where nonces do not count up.
    """

    refs: frozenset[str]
    next_nonce: int


class Venue(Protocol):
    """The verbs of a venue. Every call has a deadline and one try; retrying is Temporal's work.

    `sequential`: the nonces of a wallet count up from zero, and one that is skipped stops all that follow, so
    T1 takes them from the wallet's own row. Elsewhere a slot's nonce is used as the venue gave it.
    """

    name: str
    sequential: bool

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        """The legs of an intent, in order, from the intent alone. Errors: INVALID_INPUT (final)."""

    async def quote(self, intent: Intent) -> Quote:
        """A price now. Errors: QUOTE_UNAVAILABLE (retried), NO_ROUTE (final)."""

    async def slot(self, wallet: Wallet) -> Slot:
        """A fresh slot for one payload; where nonces count up, the one that the chain expects next.

        Errors: CHAIN_UNAVAILABLE (retried).
        """

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        """The payload for a leg.

        Errors: QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE, FEES_ABOVE_CAP (retried), NO_ROUTE (final).
        """

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign (law 4), from decoding the payload and from simulating it.

        Empty means: signing it can do nothing but what `leg` says. Errors: CHAIN_UNAVAILABLE (retried).
        """

    async def replace(self, sent: Sent) -> Unsigned:
        """What takes the place of a payload at its own nonce: the same for a higher fee, or, when its time is
        past, what only uses the nonce up. Only a venue whose sightings are `raisable` is asked.

        Errors: FEES_ABOVE_CAP, CHAIN_UNAVAILABLE (retried).
        """

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign a replacement, judged against the payload it replaces (law 4)."""

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        """Join message and signature to the bytes that are sent."""

    async def submit(self, payload: bytes) -> Receipt:
        """Send the very bytes. Errors: CHAIN_UNAVAILABLE (retried): they may or may not have arrived."""

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        """The fate of each, in order. A lookup that fails is a sighting of UNKNOWN, never an absence."""

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        """What a landed payload really moved. Errors: SETTLEMENT_UNREADABLE, CHAIN_UNAVAILABLE (retried)."""

    async def balances(self, address: str, assets: tuple[Asset, ...]) -> dict[str, Amount]:
        """Final balances by CAIP-19 id. Errors: CHAIN_UNAVAILABLE (retried)."""

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        """What this wallet has signed at the venue and the book does not know, a sentence each, with its id.

        Errors: CHAIN_UNAVAILABLE (retried).
        """

    def fee_reserve(self) -> Amount:
        """The most that one execution may cost in fees and deposits, in the native asset."""
