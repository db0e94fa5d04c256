"""A wallet that trades on the embedded EVM chain through the venue itself, with a key of its own."""

from dataclasses import dataclass
from datetime import UTC, datetime

from domain.assets import BY_CHAIN, WRAPPED
from domain.chains import CHAINS
from domain.intents import Intent, Leg, Quote, Slot
from domain.ledger import Settlement, entries
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.custody.kms_envelope.curves import Secp256k1
from infra.venues.protocol import Sent, Unsigned
from infra.venues.uniswap.venue import UniswapVenue
from tests.world.anvil import Anvil
from tests.world.evm_account import EvmAccount

ANVIL = CHAINS["anvil"]
ETH, USDC, WETH = BY_CHAIN["anvil"]["ETH"], BY_CHAIN["anvil"]["USDC"], WRAPPED["anvil"]
FINAL_BLOCKS = 2  # on top of one, until it is final


@dataclass(slots=True)
class UniswapTrader:
    node: Anvil
    venue: UniswapVenue
    account: EvmAccount

    @property
    def address(self) -> str:
        return self.account.address

    @property
    def wallet(self) -> Wallet:
        return Wallet("wal_1", "own_1", "evm", "anvil", self.address, "kms-envelope", False, datetime.now(UTC), {})

    def intent(self, sell: Asset, whole: str, buy: Asset, max_slippage_bps: int = 100) -> Intent:
        return Intent(Amount.parse(whole, sell), buy, max_slippage_bps, self.address)

    def signed(self, unsigned: Unsigned, slot: Slot) -> Sent:
        signature = Secp256k1().sign(bytearray(self.account.key.key), unsigned.message)
        made = self.venue.seal(unsigned, signature)
        return Sent(made.payload, made.venue_ref, slot, self.address)

    async def drawn(self, leg: Leg, quote: Quote | None = None) -> Sent:
        """A leg, built, found good and signed."""
        quote = quote or await self.venue.quote(leg.intent)
        slot = await self.venue.slot(self.wallet)
        unsigned = await self.venue.build(leg, quote, slot)
        assert await self.venue.examine(leg, quote, slot, unsigned) == ()
        return self.signed(unsigned, slot)

    async def send(self, sent: Sent) -> None:
        await self.venue.submit(sent.payload)

    async def settled(self, sent: Sent, leg: Leg) -> Settlement:
        """Make it final; its postings explain the wallet's differences, or this fails."""
        await self.node.mine(FINAL_BLOCKS)
        settlement = await self.venue.settle(sent, leg)
        entries(settlement, "wal_1", self.venue.name)
        return settlement

    async def executed(self, intent: Intent) -> list[Settlement]:
        """Every leg, one after the other."""
        settlements = []
        for leg in self.venue.legs(intent):
            sent = await self.drawn(leg)
            await self.send(sent)
            settlements.append(await self.settled(sent, leg))
        return settlements

    async def held(self, *assets: Asset) -> dict[str, int]:
        """Base units by CAIP-19 id, final."""
        return {asset: amount.base for asset, amount in (await self.venue.balances(self.address, assets)).items()}
