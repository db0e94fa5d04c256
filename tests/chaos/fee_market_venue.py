"""A venue of one account that counts up, on a chain where some payloads are taken only for more than the usual fee."""

import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from domain import assets
from domain.attempts import Fate, Sighting
from domain.intents import Intent, Leg, LegKind, Quote, Refusal, Slot, least_acceptable
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned

ETH, USDC = assets.BY_CHAIN["anvil"]["ETH"], assets.BY_CHAIN["anvil"]["USDC"]
FEE = 10**14  # wei
WEI_PER_USDC = 5 * 10**8  # for one millionth of a dollar: 2 000 USDC buy one ether
FOREVER = 2_000_000_000  # unix seconds


@dataclass
class FeeMarketVenue:
    """One account. What it is sent waits in `pool` until its nonce is next, and is final as soon as it is mined.

    Payloads of the kinds in `cheap` are mined only for more than the usual fee; `when_stuck` is called when one
    starts to wait for that.
    """

    name: str = "uniswap"
    sequential: bool = True
    balances_base: dict[str, int] = field(default_factory=lambda: {USDC.id: 500_000_000, ETH.id: 10**18})
    nonce: int = 0
    allowance: int = 0
    height: int = 1_000
    pool: dict[str, bytes] = field(default_factory=dict)
    mined: dict[int, str] = field(default_factory=dict)
    landed: dict[str, bool] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    built: int = 0
    cheap: frozenset[LegKind] = frozenset()
    when_stuck: Callable[[], Awaitable[None]] | None = None

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        return ()

    def fee_reserve(self) -> Amount:
        return Amount(10**16, ETH)

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        return (Leg(1, LegKind.APPROVE, intent), Leg(2, LegKind.SWAP, intent))

    async def quote(self, intent: Intent) -> Quote:
        bought = intent.sell.base * WEI_PER_USDC
        minimum = least_acceptable(bought, intent.max_slippage_bps)
        return Quote(intent.sell, Amount(bought, intent.buy), Amount(minimum, intent.buy))

    async def slot(self, wallet: Wallet) -> Slot:
        return Slot(str(self.nonce), FOREVER)

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        self.built += 1
        # `built` differs each time, as a real quote would: only the stored bytes can make two sends equal.
        return _unsigned(
            {
                "kind": leg.kind,
                "sell": leg.intent.sell.base,
                "to": leg.intent.destination,
                "nonce": int(slot.nonce),
                "fee": FEE,
                "built": self.built,
            }
        )

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        return ()

    async def replace(self, sent: Sent) -> Unsigned:
        message = decoded(sent.payload)
        return _unsigned(message | {"fee": 2 * message["fee"]})

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        return ()

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        payload = unsigned.message + signature
        return Signed(payload, hashlib.sha256(payload).hexdigest())

    async def submit(self, payload: bytes) -> Receipt:
        reference = hashlib.sha256(payload).hexdigest()
        self.received[reference] += 1
        if decoded(payload)["nonce"] < self.nonce:
            return Receipt("nonce too low")
        self.pool[reference] = payload
        self._mine()
        if reference in self.pool and self.when_stuck:
            await self.when_stuck()
        return Receipt("accepted")

    def _mine(self) -> None:
        while takers := [ref for ref, payload in self.pool.items() if self._takes(decoded(payload))]:
            reference = max(takers, key=lambda ref: int(decoded(self.pool[ref])["fee"]))
            self._execute(reference, decoded(self.pool[reference]))
            self.nonce += 1
            self.pool = {ref: left for ref, left in self.pool.items() if decoded(left)["nonce"] >= self.nonce}

    def _takes(self, message: dict[str, Any]) -> bool:
        return message["nonce"] == self.nonce and (message["fee"] > FEE or message["kind"] not in self.cheap)

    def _execute(self, reference: str, message: dict[str, Any]) -> None:
        self.height += 1
        self.mined[self.nonce] = reference
        self.balances_base[ETH.id] -= message["fee"]
        sold = message["sell"]
        if message["kind"] == LegKind.APPROVE:
            self.allowance, succeeded = sold, True
        elif succeeded := sold <= min(self.allowance, self.balances_base[USDC.id]):
            self.allowance -= sold
            self.balances_base[USDC.id] -= sold
            self.balances_base[ETH.id] += sold * WEI_PER_USDC
        self.landed[reference] = succeeded
        self.effects[message["kind"]] += succeeded

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        return tuple(self._look(one) for one in sent)

    def _look(self, sent: Sent) -> Sighting:
        if sent.venue_ref in self.landed:
            return Sighting(Fate.LANDED, succeeded=self.landed[sent.venue_ref], head=self.height)
        if rival := self.mined.get(int(sent.slot.nonce)):
            return Sighting(Fate.DEAD, head=self.height, proof=(("rival", rival),))
        return Sighting(Fate.PENDING, head=self.height, raisable=sent.venue_ref in self.pool)

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        swapped = leg.kind is LegKind.SWAP and self.landed[sent.venue_ref]
        sold = leg.intent.sell.base if swapped else 0
        bought, fee = sold * WEI_PER_USDC, decoded(sent.payload)["fee"]
        return Settlement(
            reference=sent.venue_ref,
            slot=self.height,
            succeeded=self.landed[sent.venue_ref],
            sold=Amount(sold, USDC),
            bought=Amount(bought, ETH),
            fee=Amount(fee, ETH),
            rent=Amount(0, ETH),
            wallet_changes={USDC.id: -sold, ETH.id: bought - fee},
        )

    async def balances(self, address: str, wanted: tuple[Asset, ...]) -> dict[str, Amount]:
        return {asset.id: Amount(self.balances_base.get(asset.id, 0), asset) for asset in wanted}


def decoded(payload: bytes) -> dict[str, Any]:
    """The message of a payload, whatever follows it."""
    message: dict[str, Any] = json.JSONDecoder().raw_decode(payload.decode("latin1"))[0]
    return message


def _unsigned(message: dict[str, Any]) -> Unsigned:
    return Unsigned(json.dumps(message).encode())
