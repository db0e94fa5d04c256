"""Exact-in swaps through Jupiter on Solana."""

import base64
from typing import Any, Final

from pydantic import TypeAdapter
from solders.pubkey import Pubkey
from solders.signature import Signature

from domain.assets import SOL, WRAPPED_SOL_MINT
from domain.attempts import Fate, Sighting
from domain.errors import (
    ChainUnavailable,
    FeesAboveCap,
    IntegrityBroken,
    InvalidInput,
    QuoteUnavailable,
    SettlementUnreadable,
)
from domain.intents import Intent, Leg, LegKind, Objection, Quote, Refusal, Slot, least_acceptable
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.solana_intent import (
    MAX_FEE_LAMPORTS,
    MAX_OPENED_ACCOUNTS,
    TOKEN_ACCOUNT_RENT_LAMPORTS,
    Terms,
    judge,
    judge_cancellation,
)
from domain.wallets import Wallet
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.addresses import SYSTEM_PROGRAM, associated_token_account
from infra.chains.solana.answers import AccountState, FinalTransaction, InContext, LatestBlockhash
from infra.chains.solana.message import UnreadableMessage, read_message, signers_named, tables_named
from infra.chains.solana.rpc import SolanaNode, SolanaRpc
from infra.venues.jupiter.accounts import CONFIRMED, accounts_of, tables_of, usable_tables
from infra.venues.jupiter.api import Built, JupiterApi
from infra.venues.jupiter.assembly import MAX_UNITS, assemble, units_for
from infra.venues.jupiter.decoding import payload_of
from infra.venues.jupiter.durable import blockhash_of, cancellation, cancels, durable_of, durable_slot, offered_by
from infra.venues.jupiter.effect import token_account_of
from infra.venues.jupiter.fate import seconded, sightings
from infra.venues.jupiter.priority import PriorityFees, advised_by, written_by
from infra.venues.jupiter.settlement import settlement_of
from infra.venues.jupiter.simulation import objections, units_used
from infra.venues.jupiter.strangers import strangers_of
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned

# An address that pays fees may not fall below it. Source: getMinimumBalanceForRentExemption(0).
WALLET_RENT_LAMPORTS: Final = 890_880

_BLOCKHASH = TypeAdapter(InContext[LatestBlockhash])
_TEXT = TypeAdapter(str)
_FINAL_TRANSACTION = TypeAdapter(FinalTransaction | None)


class JupiterVenue:
    """Fits `infra.venues.protocol.Venue`. Sells exactly, with the wallet as payer and only signer."""

    name = "jupiter"
    sequential = False

    def __init__(self, api: JupiterApi, rpc: SolanaRpc, helius: SolanaNode | None = None) -> None:
        self._api, self._rpc, self._fees = api, rpc, PriorityFees(helius)

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        """A swap, and nothing before it: Solana's tokens need no approval."""
        return (Leg(1, LegKind.SWAP, intent),)

    async def quote(self, intent: Intent) -> Quote:
        """What Jupiter's own route would pay now. Errors: QUOTE_UNAVAILABLE (retried), NO_ROUTE (final)."""
        built = await self._route(intent)
        expected = int(built.out_amount)
        minimum = least_acceptable(expected, intent.max_slippage_bps)
        return Quote(intent.sell, Amount(expected, intent.buy), Amount(minimum, intent.buy))

    async def slot(self, wallet: Wallet) -> Slot:
        """A blockhash, and the last block height it is good for; or the wallet's durable nonce, which does not age.

        Errors: CHAIN_UNAVAILABLE (retried), INTEGRITY_BROKEN (final), if the nonce account is none of the wallet's.
        """
        account = wallet.durable_nonce
        try:
            if account is not None:
                return await self._rpc.ask(lambda node: durable_slot(node, wallet, account))
            latest = await self._rpc.call("getLatestBlockhash", [CONFIRMED], _BLOCKHASH)
        except RpcRefusal as refusal:
            raise ChainUnavailable(f"no blockhash or nonce: {refusal}") from refusal
        return Slot(latest.value.blockhash, latest.value.last_valid_block_height)

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        """Our own message around Jupiter's instructions, with a compute limit that a simulation measured.

        What it offers per unit is what the network asks now, raised with each earlier payload of the leg.

        Errors: QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE (retried), NO_ROUTE (final).
        """
        built = await self._route(leg.intent)
        named = tuple(map(Pubkey.from_string, built.tables or {}))
        wallet, minimum = leg.intent.destination, quote.minimum.base

        async def measured(node: SolanaNode) -> bytes:
            tables = await usable_tables(node, named)
            price = await self._fees.price(node, written_by(built), advised_by(built), slot.earlier)
            widest = assemble(built, wallet, minimum, slot, tables, MAX_UNITS, price)
            units = units_for(await units_used(node, widest))
            return assemble(built, wallet, minimum, slot, tables, units, price)

        try:
            return Unsigned(await self._rpc.ask(measured))
        except RpcRefusal as refusal:
            raise QuoteUnavailable(f"the route's lookup tables cannot be read: {refusal}") from refusal

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign, from the bytes; and if there is none, from a simulation of them.

        What the bytes already condemn is not simulated: it may be made to look well there.
        Errors: CHAIN_UNAVAILABLE (retried).
        """
        terms = _terms(leg.intent, quote, slot)

        async def examined(node: SolanaNode) -> tuple[Refusal, ...]:
            try:
                named = tables_named(unsigned.message)
                read = read_message(unsigned.message, await tables_of(node, named))
            except UnreadableMessage as reason:
                return (Refusal(Objection.UNREADABLE, str(reason)),)
            payload = payload_of(read)
            found = judge(payload, terms)
            return found or await objections(node, unsigned.message, read, payload, terms)

        try:
            return await self._rpc.ask(examined)
        except RpcRefusal as refusal:
            return (Refusal(Objection.SIMULATION_FAILED, f"the node refuses to simulate: {refusal}"),)

    async def replace(self, sent: Sent) -> Unsigned:
        """A cancellation at a higher price: it uses the durable nonce up, and the swap is then built anew.

        A route's price is stale by the time it is worth replacing, so the swap itself is never sent dearer.
        Errors: FEES_ABOVE_CAP, CHAIN_UNAVAILABLE (retried), INTEGRITY_BROKEN (final), for a payload that dies with
        its blockhash and cannot be replaced.
        """
        durable = durable_of(sent.slot)
        if durable is None:
            raise IntegrityBroken(f"{sent.venue_ref} cannot be replaced: it dies with its blockhash")
        offered = offered_by(sent)
        price = await self._rpc.ask(
            lambda node: self._fees.price(node, [durable.account], advised=max(offered, 1), earlier=1)
        )
        if cancels(sent) and price <= offered:
            raise FeesAboveCap(f"the cancellation {sent.venue_ref} offers the most that is allowed already")
        return Unsigned(cancellation(sent.slot, sent.address, price))

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign a cancellation: it may do nothing but use the nonce up."""
        durable = durable_of(sent.slot)
        if durable is None:
            return (Refusal(Objection.OTHER_SLOT, f"{sent.venue_ref} dies with its blockhash, nothing replaces it"),)
        try:
            payload = payload_of(read_message(unsigned.message, {}))
        except UnreadableMessage as reason:
            return (Refusal(Objection.UNREADABLE, str(reason)),)
        return judge_cancellation(payload, sent.address, durable.account, durable.value)

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        """Signature and message as a transaction. Errors: INTEGRITY_BROKEN (final), if they do not belong."""
        wallet = _only_signer(unsigned.message)
        made = Signature.from_bytes(signature)
        if not made.verify(wallet, unsigned.message):
            raise IntegrityBroken(f"the signature is not that of {wallet} over this message")
        return Signed(b"\x01" + signature + unsigned.message, str(made))

    async def submit(self, payload: bytes) -> Receipt:
        """Offer the bytes to one node after the other until one accepts; the same bytes land once at most.

        Preflight is on: what would fail now costs no fee, and is offered again at the next broadcast. Its
        verdict proves nothing, and is only written down. `maxRetries` 0: rebroadcasting is ours.
        Errors: CHAIN_UNAVAILABLE (retried): the bytes may or may not have arrived.
        """
        options = {
            "encoding": "base64",
            "skipPreflight": False,
            "preflightCommitment": "confirmed",
            "maxRetries": 0,
        }
        params: list[Any] = [base64.b64encode(payload).decode(), options]
        answers, refused = [], False
        for node in self._rpc.nodes:
            try:
                signature = await node.call("sendTransaction", params, _TEXT)
            except RpcRefusal as refusal:
                refused = True
                answers.append(f"{node.host} refused: {refusal}")
            except ChainUnavailable as error:
                answers.append(str(error))
            else:
                return Receipt("; ".join([*answers, f"{node.host} accepted {signature}"]))
        if not refused:
            raise ChainUnavailable("; ".join(answers))
        return Receipt("; ".join(answers))

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        """The fate of each, in order; UNKNOWN for all when no node answers.

        With several nodes configured, death takes two that prove it.
        """
        if not sent:
            return ()

        async def seen(node: SolanaNode) -> tuple[SolanaNode, tuple[Sighting, ...]]:
            return node, await sightings(node, sent)

        try:
            node, first = await self._rpc.ask(seen)
            others = [other for other in self._rpc.nodes if other is not node]
            return await seconded(node, others, sent, first)
        except (ChainUnavailable, RpcRefusal) as error:
            return tuple(Sighting(Fate.UNKNOWN, detail=str(error)) for _ in sent)

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        """What a final transaction moved.

        Errors: SETTLEMENT_UNREADABLE, CHAIN_UNAVAILABLE (retried), INTEGRITY_BROKEN (final).
        """
        options = {"encoding": "json", "commitment": "finalized", "maxSupportedTransactionVersion": 0}

        async def found(node: SolanaNode) -> FinalTransaction:
            final = await node.call("getTransaction", [sent.venue_ref, options], _FINAL_TRANSACTION)
            if final is None:
                raise ChainUnavailable(f"{node.host} does not show {sent.venue_ref} yet")
            return final

        try:
            return settlement_of(sent, leg.intent, await self._rpc.ask(found))
        except (ChainUnavailable, RpcRefusal) as error:
            raise SettlementUnreadable(f"{sent.venue_ref} is final, its balances cannot be read: {error}") from error

    async def balances(self, address: str, assets: tuple[Asset, ...]) -> dict[str, Amount]:
        """Final balances, tokens from the wallet's associated accounts, which are all that swaps use.

        Errors: CHAIN_UNAVAILABLE (retried).
        """
        places = [address if asset == SOL else _token_account(address, _mint(asset)) for asset in assets]
        try:
            states = await self._rpc.ask(lambda node: accounts_of(node, places, "finalized"))
        except RpcRefusal as refusal:
            raise ChainUnavailable(f"balances of {address} cannot be read: {refusal}") from refusal
        return {
            asset.id: Amount(_held(address, asset, state), asset) for asset, state in zip(assets, states, strict=True)
        }

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        """Final transactions that the wallet signed and the book does not know. What others sent it is none.

        Errors: CHAIN_UNAVAILABLE (retried).
        """
        try:
            return await self._rpc.ask(lambda node: strangers_of(node, wallet.address, known.refs))
        except RpcRefusal as refusal:
            raise ChainUnavailable(f"the history of {wallet.address} cannot be read: {refusal}") from refusal

    async def _route(self, intent: Intent) -> Built:
        return await self._api.build(
            sell_mint=_mint(intent.sell.asset),
            sell_base=intent.sell.base,
            buy_mint=_mint(intent.buy),
            slippage_bps=intent.max_slippage_bps,
            taker=intent.destination,
        )

    def fee_reserve(self) -> Amount:
        """The fee cap, the rent of every token account a swap may open, and what the wallet must keep."""
        rents = MAX_OPENED_ACCOUNTS * TOKEN_ACCOUNT_RENT_LAMPORTS + WALLET_RENT_LAMPORTS
        return Amount(MAX_FEE_LAMPORTS + rents, SOL)


def _mint(asset: Asset) -> str:
    """Jupiter knows SOL by the mint of its wrapped form, and wraps and unwraps around the swap."""
    if asset == SOL:
        return WRAPPED_SOL_MINT
    chain, _, mint = asset.id.partition("/token:")
    if not mint or not SOL.id.startswith(f"{chain}/"):
        raise InvalidInput(f"{asset.symbol} is no Solana token")
    return mint


def _token_account(wallet: str, mint: str) -> str:
    return str(associated_token_account(Pubkey.from_string(wallet), Pubkey.from_string(mint)))


def _terms(intent: Intent, quote: Quote, slot: Slot) -> Terms:
    if quote.sell != intent.sell or {quote.expected.asset, quote.minimum.asset} != {intent.buy}:
        raise IntegrityBroken("the quote in the book is not of the intent in the book")
    durable = durable_of(slot)
    return Terms(
        wallet=intent.destination,
        blockhash=blockhash_of(slot),
        sell_mint=_mint(intent.sell.asset),
        sell_base=intent.sell.base,
        buy_mint=_mint(intent.buy),
        # Computed anew: a minimum written down wrong must not lower what the cap promises.
        minimum_base=max(quote.minimum.base, least_acceptable(quote.expected.base, intent.max_slippage_bps)),
        max_slippage_bps=intent.max_slippage_bps,
        token_account=lambda mint: _token_account(intent.destination, mint),
        nonce_account=durable.account if durable else None,
    )


def _only_signer(message: bytes) -> Pubkey:
    try:
        signers = signers_named(message)
    except UnreadableMessage as reason:
        raise IntegrityBroken(f"what was signed is no message: {reason}") from reason
    if len(signers) != 1:
        raise IntegrityBroken(f"the message asks for {len(signers)} signatures, the wallet gives one")
    return signers[0]


def _held(address: str, asset: Asset, state: AccountState | None) -> int:
    if state is None:
        return 0
    if asset == SOL:
        return state.lamports if state.owner == str(SYSTEM_PROGRAM) else 0
    token = token_account_of(state)
    return token.amount if token and (token.owner, token.mint) == (address, _mint(asset)) else 0
