"""A wallet that swaps: a key with money, a Jupiter, a node, and the venue between them."""

from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from solders.address_lookup_table_account import derive_lookup_table_address
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import (
    CreateLookupTableParams,
    ExtendLookupTableParams,
    create_lookup_table,
    extend_lookup_table,
)
from solders.transaction import VersionedTransaction

from domain.assets import SOL, SOLANA_USDC
from domain.attempts import Fate, Sighting
from domain.intents import Intent, Slot
from domain.ledger import Settlement
from domain.money import Amount
from domain.wallets import Wallet
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Sent, Signed, Unsigned
from tests.world.conditions import until
from tests.world.jupiter import JupiterExchange
from tests.world.solana import SolanaNode


@dataclass(frozen=True, slots=True)
class Swapper:
    """One wallet, and everything it needs to swap."""

    node: SolanaNode
    jupiter: JupiterExchange
    http: httpx.AsyncClient
    venue: JupiterVenue
    key: Keypair
    durable_nonce: str | None = None

    @property
    def address(self) -> str:
        return str(self.key.pubkey())

    @property
    def wallet(self) -> Wallet:
        named = ("wal_1", "own_1", "solana", "solana", self.address, "keypair")
        return Wallet(*named, False, datetime.now(UTC), {}, durable_nonce=self.durable_nonce)

    def buys_sol(self, usdc: int = 50_000_000) -> Intent:
        return Intent(Amount(usdc, SOLANA_USDC), SOL, 50, self.address)

    def sells_sol(self, lamports: int = 2 * 10**9) -> Intent:
        return Intent(Amount(lamports, SOL), SOLANA_USDC, 50, self.address)

    async def made(self, intent: Intent) -> tuple[Slot, Unsigned]:
        """Built and found good."""
        (leg,) = self.venue.legs(intent)
        quote, slot = await self.venue.quote(intent), await self.venue.slot(self.wallet)
        unsigned = await self.venue.build(leg, quote, slot)
        assert await self.venue.examine(leg, quote, slot, unsigned) == ()
        return slot, unsigned

    def signed(self, unsigned: Unsigned) -> Signed:
        return self.venue.seal(unsigned, bytes(self.key.sign_message(unsigned.message)))

    async def sent(self, intent: Intent) -> Sent:
        slot, unsigned = await self.made(intent)
        signed = self.signed(unsigned)
        await self.venue.submit(signed.payload)
        return Sent(signed.payload, signed.venue_ref, slot, self.address)

    async def landed(self, sent: Sent) -> Sighting:
        """Its sighting once it is final."""
        seen: list[Sighting] = []

        async def is_final() -> bool:
            seen[:] = await self.venue.look_up((sent,))
            return seen[0].fate is Fate.LANDED

        await until(is_final)
        return seen[0]

    async def settled(self, intent: Intent) -> Settlement:
        sent = await self.sent(intent)
        assert (await self.landed(sent)).succeeded is True
        return await self.venue.settle(sent, *self.venue.legs(intent))

    async def held(self) -> dict[str, int]:
        held = await self.venue.balances(self.address, (SOL, SOLANA_USDC))
        return {asset: amount.base for asset, amount in held.items()}


def begin_anew(solana: SolanaNode, exchange: JupiterExchange) -> None:
    """As if no test had been here."""
    exchange.lie("none")
    exchange.tables()
    exchange.form("route_v2", price_micro_lamports=50_000)
    for part in (solana.rpc_url, exchange.url):
        httpx.delete(f"{part}/_control/faults", timeout=5).raise_for_status()
    solana.set_pool(usdc=2_000_000 * 10**6, sol=10_000 * 10**9)


async def table_of(swapper: Swapper, *addresses: Pubkey) -> Pubkey:
    """A lookup table that the world's wallet made on the chain, ready for use."""
    payer = swapper.key.pubkey()
    # The newest slot is not yet among those that the chain's programs see.
    slot = int(swapper.node.call("getSlot", {"commitment": "confirmed"})) - 1
    table, _ = derive_lookup_table_address(payer, slot)
    made, _ = create_lookup_table(
        CreateLookupTableParams(authority_address=payer, payer_address=payer, recent_slot=slot)
    )
    filled = extend_lookup_table(
        ExtendLookupTableParams(
            lookup_table_address=table,
            authority_address=payer,
            payer_address=payer,
            new_addresses=list(addresses),
        )
    )
    latest = swapper.node.call("getLatestBlockhash", {"commitment": "confirmed"})["value"]
    message = MessageV0.try_compile(payer, [made, filled], [], Hash.from_string(latest["blockhash"]))
    receipt = await swapper.venue.submit(bytes(VersionedTransaction(message, [swapper.key])))
    assert "accepted" in receipt.answer
    seen = {"encoding": "base64", "commitment": "confirmed"}

    async def there() -> bool:
        return swapper.node.call("getAccountInfo", str(table), seen)["value"] is not None

    await until(there)
    return table
