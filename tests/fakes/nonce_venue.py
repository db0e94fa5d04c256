"""A venue whose wallets count their payloads, with a small chain of its own: a pool, blocks, and reorganisations."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from domain.assets import BY_CHAIN
from domain.attempts import Fate, Sighting
from domain.errors import SettlementUnreadable
from domain.intents import Intent, Leg, LegKind, Objection, Quote, Refusal, Slot, least_acceptable
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned

ETH, USDC = BY_CHAIN["anvil"]["ETH"], BY_CHAIN["anvil"]["USDC"]
GAS = 10**13
WEI_PER_MICRO_USDC = 5 * 10**8  # one ether costs 2000 USDC
NEVER = 2**40


@dataclass
class Account:
    """`count` is how many nonces are used up in blocks."""

    count: int = 0
    held: dict[str, int] = field(default_factory=lambda: {USDC.id: 500_000_000, ETH.id: 10**18})


@dataclass
class NonceVenue:
    """An approval, then a swap of USDC for ETH.

    `waiting` are the kinds that stay in the pool until `mine`, `failing` those that fail in their block; `stuck`
    says that what waits could be replaced, `shallow` that no block is final yet, `unreadable` that no settlement can
    be read. `seen` is what was told to be in
    a block that is not final. `arriving` is called with the reference of all that arrives.
    """

    name: str = "uniswap"
    sequential: bool = True
    accounts: defaultdict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    pool: dict[str, dict[str, Any]] = field(default_factory=dict)
    mined: dict[str, dict[str, Any]] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    waiting: set[LegKind] = field(default_factory=set)
    failing: set[LegKind] = field(default_factory=set)
    stuck: bool = False
    shallow: bool = False
    unreadable: bool = False
    refusals: tuple[Objection, ...] = ()
    arriving: Callable[[str], Awaitable[None]] | None = None
    built: int = 0
    _before: dict[str, Account] = field(default_factory=dict)

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        return (Leg(1, LegKind.APPROVE, intent), Leg(2, LegKind.SWAP, intent))

    def fee_reserve(self) -> Amount:
        return Amount(4 * GAS, ETH)

    async def quote(self, intent: Intent) -> Quote:
        bought = intent.sell.base * WEI_PER_MICRO_USDC
        minimum = least_acceptable(bought, intent.max_slippage_bps)
        return Quote(intent.sell, Amount(bought, intent.buy), Amount(minimum, intent.buy))

    async def slot(self, wallet: Wallet) -> Slot:
        return Slot(str(self.accounts[wallet.address].count), NEVER)

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        self.built += 1  # another price each time: only stored bytes are ever the same again
        sell = leg.intent.sell.base
        message = {"from": leg.intent.destination, "nonce": int(slot.nonce), "kind": leg.kind, "sell": sell}
        return _message({**message, "fee": 1, "built": self.built})

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        return tuple(Refusal(objection, "as the test says") for objection in self.refusals)

    async def replace(self, sent: Sent) -> Unsigned:
        old = _read(sent.payload)
        return _message({**old, "fee": old["fee"] + 1})

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        old, new = _read(sent.payload), _read(unsigned.message)
        assert {**old, "fee": 0} == {**new, "fee": 0}
        return ()

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        payload = unsigned.message + signature
        return Signed(payload, _reference(payload))

    async def submit(self, payload: bytes) -> Receipt:
        reference, sent = _reference(payload), _read(payload)
        self.received[reference] += 1
        if self.arriving:
            await self.arriving(reference)
        if sent["nonce"] < self.accounts[sent["from"]].count:
            return Receipt("nonce too low")
        self.pool[reference] = sent
        if sent["kind"] not in self.waiting:
            self.mine(reference)
        return Receipt("accepted")

    def mine(self, reference: str) -> None:
        """Put a payload of the pool into a block; its rivals leave the pool."""
        sent = self.pool[reference]
        account = self.accounts[sent["from"]]
        assert sent["nonce"] == account.count, "a block takes no nonce out of turn"
        self._before[reference] = deepcopy(account)
        self.pool = {ref: one for ref, one in self.pool.items() if _place(one) != _place(sent)}
        succeeded = sent["kind"] not in self.failing
        self.mined[reference] = {**sent, "succeeded": succeeded}
        account.count += 1
        account.held[ETH.id] -= GAS
        if succeeded and sent["kind"] == LegKind.SWAP:
            account.held[USDC.id] -= sent["sell"]
            account.held[ETH.id] += sent["sell"] * WEI_PER_MICRO_USDC

    def reorganise(self, reference: str) -> None:
        """The block of a payload, the newest of its wallet, is none any more, and the payload is forgotten."""
        sent = self.mined.pop(reference)
        self.accounts[sent["from"]] = self._before.pop(reference)

    def use_nonce(self, address: str) -> None:
        """Somebody else signs with the wallet's key."""
        self.accounts[address].count += 1
        self.pool = {ref: one for ref, one in self.pool.items() if one["nonce"] >= self.accounts[one["from"]].count}

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        """As the chain itself, it knows whose a used nonce is only from the payloads that it is asked about."""
        asked = {one.venue_ref for one in sent}
        return tuple(self._look(one.venue_ref, _read(one.payload), asked) for one in sent)

    def _look(self, reference: str, sent: dict[str, Any], asked: set[str]) -> Sighting:
        ours = [ref for ref, one in self.mined.items() if ref in asked and _place(one) == _place(sent)]
        if ours and self.shallow:
            self.seen.update(ours)
            return Sighting(Fate.PENDING, seen=ours == [reference])
        if ours == [reference]:
            return Sighting(Fate.LANDED, succeeded=self.mined[reference]["succeeded"])
        if ours:
            return Sighting(Fate.DEAD, proof=(("rival", ours[0]),))
        if self.accounts[sent["from"]].count > sent["nonce"]:
            return Sighting(Fate.UNKNOWN, detail="its nonce is used up, and not by us", foreign=True)
        return Sighting(Fate.PENDING, raisable=self.stuck)

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        if self.unreadable:
            raise SettlementUnreadable("as the test says")
        swapped = self.mined[sent.venue_ref]["succeeded"] and leg.kind is LegKind.SWAP
        sold = leg.intent.sell.base if swapped else 0
        bought = sold * WEI_PER_MICRO_USDC
        return Settlement(
            reference=sent.venue_ref,
            slot=list(self.mined).index(sent.venue_ref),
            succeeded=self.mined[sent.venue_ref]["succeeded"],
            sold=Amount(sold, USDC),
            bought=Amount(bought, ETH),
            fee=Amount(GAS, ETH),
            rent=Amount(0, ETH),
            wallet_changes={USDC.id: -sold, ETH.id: bought - GAS},
        )

    async def balances(self, address: str, wanted: tuple[Asset, ...]) -> dict[str, Amount]:
        return {asset.id: Amount(self.accounts[address].held[asset.id], asset) for asset in wanted}

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        return ()


def _message(said: dict[str, Any]) -> Unsigned:
    return Unsigned(json.dumps(said).encode())


def _read(payload: bytes) -> dict[str, Any]:
    """What a message, or the payload that begins with it, says."""
    said: dict[str, Any] = json.JSONDecoder().raw_decode(payload.decode())[0]
    return said


def _reference(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _place(sent: dict[str, Any]) -> tuple[str, int]:
    return sent["from"], sent["nonce"]
