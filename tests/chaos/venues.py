"""The worlds to die in: each a fake venue that keeps its own record, and the trouble it makes."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from domain.assets import BY_CHAIN
from domain.errors import ChainUnavailable
from domain.intents import LegKind, Slot
from domain.money import Asset
from domain.wallets import Wallet
from infra.venues.protocol import Receipt, Venue
from tests.chaos.fee_market_venue import FeeMarketVenue, decoded
from tests.fakes.chain_venue import ChainVenue


class KeepsRecords(Venue, Protocol):
    """`landed` says of each payload in a block whether it succeeded, `effects` counts the successes by leg."""

    balances_base: dict[str, int]
    landed: dict[str, bool]

    @property
    def effects(self) -> Counter[str]: ...


@dataclass
class Mortal(ChainVenue):
    """A chain that refuses a payload whose blockhash has expired. It loses the first `losses` it is sent for ever."""

    losses: int = 0
    expiry: dict[str, int] = field(default_factory=dict)

    @property
    def effects(self) -> Counter[str]:
        return Counter({LegKind.SWAP.value: sum(self.landed.values())}) if self.landed else Counter()

    async def slot(self, wallet: Wallet) -> Slot:
        slot = await super().slot(wallet)
        self.expiry[slot.nonce] = slot.valid_until
        return slot

    async def submit(self, payload: bytes) -> Receipt:
        if self.losses:
            self.losses -= 1
            self.height += 151
            raise ChainUnavailable("lost on the way there, and a minute went by")
        if self.height > self.expiry[decoded(payload)["slot"]]:
            return Receipt("Blockhash not found")
        return await super().submit(payload)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`make` builds a fresh venue; its argument lets half a minute go by for what is signed."""

    name: str
    chain: str
    legs: int
    assets: tuple[Asset, ...]
    make: Callable[[Callable[[], Awaitable[None]]], KeepsRecords]


def _scenarios() -> dict[str, Scenario]:
    solana, evm = tuple(BY_CHAIN["solana"].values()), tuple(BY_CHAIN["anvil"].values())
    every = (
        Scenario("solana", "solana", 1, solana, lambda later: Mortal()),
        Scenario("solana-expired", "solana", 1, solana, lambda later: Mortal(losses=1)),
        Scenario("evm", "anvil", 2, evm, lambda later: FeeMarketVenue()),
        Scenario(
            "evm-replaced",
            "anvil",
            2,
            evm,
            lambda later: FeeMarketVenue(cheap=frozenset({LegKind.SWAP}), when_stuck=later),
        ),
    )
    return {scenario.name: scenario for scenario in every}


SCENARIOS = _scenarios()
