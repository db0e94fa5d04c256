"""Messages of swaps as bytes, written by the stand-in's own hand and not by the product's."""

from dataclasses import dataclass, replace

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from domain.intents import least_acceptable
from domain.solana_intent import Terms
from infra.chains.solana.addresses import USDC_MINT, WSOL_MINT, associated_token_account
from infra.devnet.jupiter.instructions import FormName, Steps, Wish, steps
from infra.devnet.jupiter.lies import LieName, bend_steps, bend_wish

WALLET = Keypair.from_seed(bytes([7]) * 32)
BLOCKHASH = Hash(bytes([9]) * 32)
FORMS: tuple[FormName, ...] = ("route", "route_v2", "shared_accounts_route", "shared_accounts_route_v2")
SLIPPAGE_BPS = 50
PRICE_MICRO_LAMPORTS = 50_000
UNITS = 60_000


@dataclass(frozen=True, slots=True)
class Swap:
    """An honest swap in one of the forms, and what was agreed about it."""

    form: FormName
    sell: Pubkey
    buy: Pubkey
    amount: int = 1_000_000_000
    quoted: int = 5_000_000

    @property
    def wish(self) -> Wish:
        destination = associated_token_account(WALLET.pubkey(), self.buy)
        terms = (self.amount, self.quoted, SLIPPAGE_BPS, self.form, destination)
        return Wish(WALLET.pubkey(), self.sell, self.buy, *terms)

    @property
    def terms(self) -> Terms:
        return Terms(
            wallet=str(WALLET.pubkey()),
            blockhash=str(BLOCKHASH),
            sell_mint=str(self.sell),
            sell_base=self.amount,
            buy_mint=str(self.buy),
            minimum_base=least_acceptable(self.quoted, SLIPPAGE_BPS),
            max_slippage_bps=SLIPPAGE_BPS,
            token_account=lambda mint: str(associated_token_account(WALLET.pubkey(), Pubkey.from_string(mint))),
        )

    def instructions(self, lie: LieName = "none") -> list[Instruction]:
        wish = bend_wish(lie, self.wish)
        made: Steps = bend_steps(lie, wish, steps(wish, PRICE_MICRO_LAMPORTS, wrap=True))
        return [set_compute_unit_limit(UNITS), *made.all]


def both_ways(form: FormName) -> tuple[Swap, Swap]:
    """USDC for SOL, and SOL for USDC."""
    bought_sol = Swap(form, USDC_MINT, WSOL_MINT, amount=50_000_000, quoted=249_000_000)
    return bought_sol, replace(bought_sol, sell=WSOL_MINT, buy=USDC_MINT, amount=10**9, quoted=199_000_000)


def message_of(
    instructions: list[Instruction],
    payer: Pubkey | None = None,
    blockhash: Hash = BLOCKHASH,
    tables: dict[Pubkey, tuple[Pubkey, ...]] | None = None,
) -> bytes:
    """Compiled to a v0 message."""
    looked_up = [AddressLookupTableAccount(key, list(held)) for key, held in (tables or {}).items()]
    compiled = MessageV0.try_compile(payer or WALLET.pubkey(), instructions, looked_up, blockhash)
    return bytes(to_bytes_versioned(compiled))
