"""What a final swap really moved, from the balances that the chain recorded before and after it."""

from collections import defaultdict

from solders.transaction import VersionedTransaction

from domain.assets import SOL, SOLANA, WRAPPED_SOL_MINT
from domain.errors import IntegrityBroken
from domain.intents import Intent
from domain.ledger import Settlement
from domain.money import Amount, Asset
from infra.chains.solana.answers import FinalTransaction, Meta
from infra.venues.jupiter.durable import cancels
from infra.venues.protocol import Sent


def settlement_of(sent: Sent, intent: Intent, final: FinalTransaction) -> Settlement:
    """Read a settlement. Amounts in base units; `rent` is negative when a deposit came back to the wallet.

    SOL is bought and sold unwrapped, so its amount is what the wallet's lamports and those of its token
    accounts changed by together, the fee aside. Lamports that stay in token accounts are rent.
    Errors: INTEGRITY_BROKEN (final), if the balances cannot be a swap of this intent.
    """
    meta = final.meta
    _same_wallet(sent, intent)
    deposits, tokens = _own_token_accounts(meta, intent.destination)
    native = meta.post_balances[0] - meta.pre_balances[0]
    swapped_sol = native + deposits + meta.fee
    changes = {SOL.id: native, **{f"{SOLANA}/token:{mint}": change for mint, change in tokens.items()}}

    def moved(asset: Asset) -> int:
        return swapped_sol if asset == SOL else changes.get(asset.id, 0)

    succeeded = meta.err is None and not cancels(sent)
    sold, bought = (-moved(intent.sell.asset), moved(intent.buy)) if succeeded else (0, 0)
    if sold < 0 or bought < 0:
        raise IntegrityBroken(f"{sent.venue_ref} changed the wallet by {changes}, which is no swap of its intent")
    return Settlement(
        reference=sent.venue_ref,
        slot=final.slot,
        succeeded=succeeded,
        sold=Amount(sold, intent.sell.asset),
        bought=Amount(bought, intent.buy),
        fee=Amount(meta.fee, SOL),
        rent=Amount(deposits, SOL),
        wallet_changes={asset: change for asset, change in changes.items() if change},
    )


def _same_wallet(sent: Sent, intent: Intent) -> None:
    payer = VersionedTransaction.from_bytes(sent.payload).message.account_keys[0]
    if str(payer) != intent.destination:
        raise IntegrityBroken(f"{sent.venue_ref} was paid by {payer}, not by the wallet {intent.destination}")


def _own_token_accounts(meta: Meta, wallet: str) -> tuple[int, dict[str, int]]:
    """Lamports that went into the wallet's token accounts, and base units per mint but wrapped SOL."""
    places: set[int] = set()
    tokens: defaultdict[str, int] = defaultdict(int)
    for sign, balances in ((-1, meta.pre_tokens), (1, meta.post_tokens)):
        for balance in balances:
            if balance.owner == wallet:
                places.add(balance.account_index)
                if balance.mint != WRAPPED_SOL_MINT:
                    tokens[balance.mint] += sign * balance.base
    deposits = sum(meta.post_balances[place] - meta.pre_balances[place] for place in places)
    return deposits, dict(tokens)
