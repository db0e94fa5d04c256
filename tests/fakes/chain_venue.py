"""A venue with a small chain of its own, which keeps what it was sent and pays exactly once per payload."""

import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from domain import assets
from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable, QuoteUnavailable
from domain.intents import Intent, Leg, LegKind, Objection, Quote, Refusal, Slot, least_acceptable
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned

FEE = 5_000
SOL_PER_USDC = 5_000  # lamports for one millionth of a dollar: 200 USDC buy one SOL


@dataclass
class ChainVenue:
    """`deaf` loses what it is sent, `mute` keeps it and loses the answer, `blind` cannot look anything up;
    `unexplained` lamports arrive that no settlement accounts for."""

    name: str = "jupiter"
    sequential: bool = False
    balances_base: dict[str, int] = field(
        default_factory=lambda: {assets.SOLANA_USDC.id: 500_000_000, assets.SOL.id: 1_000_000_000}
    )
    height: int = 1_000
    landed: dict[str, bool] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    slots: int = 0
    built: int = 0
    deaf: bool = False
    mute: bool = False
    blind: bool = False
    quoting: bool = True
    failing: bool = False
    unexplained: int = 0
    foreign: tuple[str, ...] = ()
    refusals: tuple[Objection, ...] = ()
    while_examined: Callable[[], Awaitable[None]] | None = None

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        return self.foreign

    def fee_reserve(self) -> Amount:
        return Amount(10_000_000, assets.SOL)

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        return (Leg(1, LegKind.SWAP, intent),)

    async def quote(self, intent: Intent) -> Quote:
        if not self.quoting:
            raise QuoteUnavailable("switched off by the test")
        bought = intent.sell.base * SOL_PER_USDC
        minimum = least_acceptable(bought, intent.max_slippage_bps)
        return Quote(intent.sell, Amount(bought, intent.buy), Amount(minimum, intent.buy))

    async def slot(self, wallet: Wallet) -> Slot:
        self.slots += 1  # a blockhash is never the same for two payloads of a wallet
        return Slot(f"hash-{self.slots}", self.height + 150)

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        self.built += 1
        # `built` differs each time, as a real quote would: only the stored bytes can make two sends equal.
        message = {"sell": leg.intent.sell.base, "to": leg.intent.destination, "slot": slot.nonce, "built": self.built}
        return Unsigned(json.dumps(message).encode())

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        if self.while_examined:
            await self.while_examined()
        return tuple(Refusal(objection, "as the test says") for objection in self.refusals)

    async def replace(self, sent: Sent) -> Unsigned:
        raise AssertionError("nothing here is raisable")

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        raise AssertionError("nothing here is raisable")

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        payload = unsigned.message + signature
        return Signed(payload, hashlib.sha256(payload).hexdigest())

    async def submit(self, payload: bytes) -> Receipt:
        reference = hashlib.sha256(payload).hexdigest()
        self.received[reference] += 1
        if self.deaf:
            raise ChainUnavailable("lost on the way there")
        if reference not in self.landed:
            self._execute(reference, payload)
        if self.mute:
            raise ChainUnavailable("lost on the way back")
        return Receipt("accepted")

    def _execute(self, reference: str, payload: bytes) -> None:
        self.landed[reference] = not self.failing
        self.balances_base[assets.SOL.id] -= FEE
        if not self.failing:
            sold = json.JSONDecoder().raw_decode(payload.decode("latin1"))[0]["sell"]
            self.balances_base[assets.SOLANA_USDC.id] -= sold
            self.balances_base[assets.SOL.id] += sold * SOL_PER_USDC

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        return tuple(self._look(one) for one in sent)

    def _look(self, sent: Sent) -> Sighting:
        if self.blind:
            return Sighting(Fate.UNKNOWN, detail="the node does not answer")
        if sent.venue_ref in self.landed:
            return Sighting(Fate.LANDED, succeeded=self.landed[sent.venue_ref], head=self.height)
        if self.height > sent.slot.valid_until:
            return Sighting(Fate.DEAD, head=self.height, proof=(("height", str(self.height)),))
        return Sighting(Fate.PENDING, head=self.height)

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        succeeded = self.landed[sent.venue_ref]
        intent = leg.intent
        sold = intent.sell.base if succeeded else 0
        bought = sold * SOL_PER_USDC
        return Settlement(
            reference=sent.venue_ref,
            slot=self.height,
            succeeded=succeeded,
            sold=Amount(sold, intent.sell.asset),
            bought=Amount(bought, intent.buy),
            fee=Amount(FEE, assets.SOL),
            rent=Amount(0, assets.SOL),
            wallet_changes={intent.sell.asset.id: -sold, assets.SOL.id: bought - FEE + self.unexplained},
        )

    async def balances(self, address: str, wanted: tuple[Asset, ...]) -> dict[str, Amount]:
        return {asset.id: Amount(self.balances_base.get(asset.id, 0), asset) for asset in wanted}
