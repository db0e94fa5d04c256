"""A venue that prices and tells balances, and that a test can take down. It moves nothing."""

from dataclasses import dataclass, field

from domain import assets
from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable, QuoteUnavailable
from domain.intents import Intent, Leg, LegKind, Quote, Refusal, Slot, least_acceptable
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned

LAMPORTS_PER_MICRO_USDC = 5  # one SOL costs 200 USDC


@dataclass(slots=True)
class FakeVenue:
    """`held` is base units by address and CAIP-19 id."""

    name: str = "jupiter"
    sequential: bool = False
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    down: bool = False
    foreign: tuple[str, ...] = ()

    def fund(self, address: str, *amounts: Amount) -> None:
        for amount in amounts:
            self.held[address, amount.asset.id] = amount.base

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        return (Leg(1, LegKind.SWAP, intent),)

    async def quote(self, intent: Intent) -> Quote:
        if self.down:
            raise QuoteUnavailable("the quote service does not answer")
        base = intent.sell.base
        sells_dollars = intent.sell.asset == assets.SOLANA_USDC
        expected = base * LAMPORTS_PER_MICRO_USDC if sells_dollars else base // LAMPORTS_PER_MICRO_USDC
        minimum = least_acceptable(expected, intent.max_slippage_bps)
        return Quote(intent.sell, Amount(expected, intent.buy), Amount(minimum, intent.buy))

    async def slot(self, wallet: Wallet) -> Slot:
        self._answer()
        return Slot("11111111111111111111111111111111", 150)

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        self._answer()
        return Unsigned(f"{leg.intent} {quote.minimum} {slot}".encode())

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        self._answer()
        return ()

    async def replace(self, sent: Sent) -> Unsigned:
        raise AssertionError("nothing here is raisable")

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        raise AssertionError("nothing here is raisable")

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        return Signed(unsigned.message + signature, signature.hex())

    async def submit(self, payload: bytes) -> Receipt:
        self._answer()
        return Receipt("taken and forgotten")

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        return tuple(Sighting(Fate.UNKNOWN if self.down else Fate.PENDING) for _ in sent)

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        raise ChainUnavailable("nothing lands here")

    async def balances(self, address: str, assets: tuple[Asset, ...]) -> dict[str, Amount]:
        self._answer()
        return {asset.id: Amount(self.held.get((address, asset.id), 0), asset) for asset in assets}

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        return self.foreign

    def fee_reserve(self) -> Amount:
        return Amount(10_000_000, assets.SOL)

    def _answer(self) -> None:
        if self.down:
            raise ChainUnavailable("the node does not answer")
