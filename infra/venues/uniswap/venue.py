"""Exact-in swaps through one pool of Uniswap V2 or V3, on one EVM chain."""

from dataclasses import replace
from typing import Any, Final

from eth_utils.address import to_checksum_address

from domain.attempts import Sighting
from domain.chains import Chain
from domain.errors import ChainUnavailable, IntegrityBroken, QuoteUnavailable, SettlementUnreadable
from domain.evm_intent import judge, judge_replacement
from domain.fees import next_offer
from domain.intents import Intent, Leg, LegKind, Objection, Quote, Refusal, Slot, least_acceptable
from domain.ledger import Settlement
from domain.money import Amount, Asset
from domain.wallets import Wallet
from infra.chains.evm import fate, submission, transaction
from infra.chains.evm.answers import BLOCK, QUANTITY
from infra.chains.evm.market import HISTORY
from infra.chains.evm.market import read as read_market
from infra.chains.evm.rpc import Call, EvmRpc
from infra.chains.evm.transaction import SignedTransaction, UnreadableTransaction
from infra.venues.protocol import Known, Receipt, Sent, Signed, Unsigned
from infra.venues.uniswap.assembly import MAX_GAS, assemble, within_cap
from infra.venues.uniswap.calldata import decode
from infra.venues.uniswap.deployments import BY_CHAIN_NUMBER
from infra.venues.uniswap.examination import payload_of, simulated, terms_of
from infra.venues.uniswap.quoting import best_route
from infra.venues.uniswap.reads import LATEST, NoAnswer, balance_of, number
from infra.venues.uniswap.settlement import settlement_of
from infra.venues.uniswap.trade import Trade, erc20_address, native, trade_of

# Fifty of Ethereum's blocks: room for several raises of the fee, and soon enough over that a price of before is
# not taken long after. Uniswap's own site gives its users half an hour.
DEADLINE_S: Final = 600

_LATEST_BLOCK: Final = Call("eth_getBlockByNumber", [LATEST, False], BLOCK)


class UniswapVenue:
    """Fits `infra.venues.protocol.Venue`. `gas_cap_wei` is the most that is offered for a unit of gas."""

    name = "uniswap"
    sequential = True

    def __init__(self, rpc: EvmRpc, chain: Chain, gas_cap_wei: int) -> None:
        self._rpc, self._chain, self._cap_wei = rpc, chain, gas_cap_wei
        self._deployment = BY_CHAIN_NUMBER[rpc.chain_number]

    def legs(self, intent: Intent) -> tuple[Leg, ...]:
        """A token has to be approved before a router takes it; the native asset is sent along.

        Errors: INVALID_INPUT (final).
        """
        if self._trade(intent).sells_native:
            return (Leg(1, LegKind.SWAP, intent),)
        return (Leg(1, LegKind.APPROVE, intent), Leg(2, LegKind.SWAP, intent))

    async def quote(self, intent: Intent) -> Quote:
        """What the best pool would pay now.

        Errors: QUOTE_UNAVAILABLE (retried), NO_ROUTE, INVALID_INPUT (final).
        """
        trade = self._trade(intent)
        try:
            route = await self._rpc.ask(lambda node: best_route(node, self._deployment, trade))
        except ChainUnavailable as error:
            raise QuoteUnavailable(f"no node tells a price: {error}") from error
        minimum = least_acceptable(route.expected, intent.max_slippage_bps)
        return Quote(intent.sell, Amount(route.expected, intent.buy), Amount(minimum, intent.buy))

    async def slot(self, wallet: Wallet) -> Slot:
        """The nonce that the latest block leaves the wallet at, and the deadline of what will carry it.

        What waits in the pool is not counted: it is ours and followed as its own attempt, or a stranger's.
        Errors: CHAIN_UNAVAILABLE (retried).
        """
        count = Call("eth_getTransactionCount", [wallet.address, LATEST], QUANTITY)
        nonce, block = await self._read(count, _LATEST_BLOCK)
        return Slot(str(nonce), block.timestamp + DEADLINE_S)

    async def build(self, leg: Leg, quote: Quote, slot: Slot) -> Unsigned:
        """The leg's transaction, by the best route of this moment.

        Errors: QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE, FEES_ABOVE_CAP (retried), NO_ROUTE (final).
        """
        trade = self._trade(leg.intent)
        built = await self._rpc.ask(
            lambda node: assemble(
                node, self._deployment, trade, leg, quote, slot, self._rpc.chain_number, self._cap_wei
            )
        )
        return Unsigned(transaction.message(built))

    async def examine(self, leg: Leg, quote: Quote, slot: Slot, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign, from the bytes; and if there is none, from a simulation of them.

        Errors: CHAIN_UNAVAILABLE (retried), INTEGRITY_BROKEN (final).
        """
        trade = self._trade(leg.intent)
        terms = terms_of(
            leg,
            quote,
            slot,
            trade,
            self._deployment,
            self._rpc.chain_number,
            self._cap_wei,
            self.fee_reserve().base,
        )
        try:
            read = transaction.read_message(unsigned.message)
        except UnreadableTransaction as reason:
            return (Refusal(Objection.UNREADABLE, str(reason)),)
        found = judge(payload_of(read), decode(read.data), terms)
        return found or await self._rpc.ask(lambda node: simulated(node, read, leg.kind, trade.wallet))

    async def replace(self, sent: Sent) -> Unsigned:
        """The same for a higher fee; past its deadline, when it could only fail, a payment of nothing to ourselves.

        That keeps the gas limit: some rollups ask more than 21 000 for the plainest payment, and what is not used
        is not paid. Errors: FEES_ABOVE_CAP, CHAIN_UNAVAILABLE (retried).
        """
        old = self._opened(sent).transaction
        block, history = await self._read(_LATEST_BLOCK, HISTORY)
        market = read_market(history, self._rpc.chain_number)
        new = replace(old, offer=within_cap(next_offer(old.offer, market, self._cap_wei), self._cap_wei))
        if block.timestamp > sent.slot.valid_until:
            new = replace(new, to=to_checksum_address(sent.address), value_wei=0, data=b"")
        return Unsigned(transaction.message(new))

    def examine_replacement(self, sent: Sent, unsigned: Unsigned) -> tuple[Refusal, ...]:
        """Every reason not to sign a replacement: its place, what it does, what it offers."""
        try:
            new = transaction.read_message(unsigned.message)
        except UnreadableTransaction as reason:
            return (Refusal(Objection.UNREADABLE, str(reason)),)
        old = payload_of(self._opened(sent).transaction)
        return judge_replacement(old, payload_of(new), to_checksum_address(sent.address), self._cap_wei)

    def seal(self, unsigned: Unsigned, signature: bytes) -> Signed:
        """Message and signature as a transaction. Errors: INTEGRITY_BROKEN (final), if they do not belong."""
        try:
            payload = transaction.seal(unsigned.message, signature)
            return Signed(payload, transaction.transaction_hash(payload))
        except UnreadableTransaction as reason:
            raise IntegrityBroken(f"what was signed does not become a transaction: {reason}") from reason

    async def submit(self, payload: bytes) -> Receipt:
        """Errors: CHAIN_UNAVAILABLE (retried): the bytes may or may not have arrived."""
        return await submission.submit(self._rpc, payload)

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        """The fate of each, in order; UNKNOWN for all when no node answers."""
        return await fate.sightings(self._rpc, sent, self._cap_wei)

    async def settle(self, sent: Sent, leg: Leg) -> Settlement:
        """What a final transaction moved.

        Errors: SETTLEMENT_UNREADABLE, CHAIN_UNAVAILABLE (retried), INTEGRITY_BROKEN (final).
        """
        signed = self._opened(sent).transaction
        try:
            return await self._rpc.ask(
                lambda node: settlement_of(node, self._chain, self._rpc.chain_number, sent, signed, leg)
            )
        except ChainUnavailable as error:
            raise SettlementUnreadable(f"{sent.venue_ref} is final, but cannot be read: {error}") from error

    async def balances(self, address: str, assets: tuple[Asset, ...]) -> dict[str, Amount]:
        """Final balances. Errors: CHAIN_UNAVAILABLE (retried), INVALID_INPUT (final)."""
        coin, final = native(self._chain), "finalized"
        calls: list[Call[Any]] = [
            Call("eth_getBalance", [address, final], QUANTITY)
            if asset.id == coin.id
            else balance_of(erc20_address(asset, self._chain), address, final)
            for asset in assets
        ]
        answers = await self._read(*calls)
        try:
            held = [answer if isinstance(answer, int) else number(answer) for answer in answers]
        except NoAnswer as reason:
            raise ChainUnavailable(f"a token tells no balance of {address}: is it an ERC-20 of this chain?") from reason
        return {asset.id: Amount(base, asset) for asset, base in zip(assets, held, strict=True)}

    async def strangers(self, wallet: Wallet, known: Known) -> tuple[str, ...]:
        """Whether the chain counts more of the wallet's transactions than the book.

        A smaller count is no stranger: a payload of ours may be on its way, or the node behind.
        Errors: CHAIN_UNAVAILABLE (retried).
        """
        count = Call("eth_getTransactionCount", [wallet.address, LATEST], QUANTITY)
        (on_chain,) = await self._read(count)
        if on_chain <= known.next_nonce:
            return ()
        said = (
            f"{wallet.address} has used nonce {on_chain - 1} on {self._chain.name}, the book's next is "
            f"{known.next_nonce}: somebody else signs with its key, or the book is older than the chain"
        )
        return (said,)

    def fee_reserve(self) -> Amount:
        """An approval and a swap, each with all the gas it may use, at the cap."""
        return Amount(self._cap_wei * (MAX_GAS[LegKind.APPROVE] + MAX_GAS[LegKind.SWAP]), native(self._chain))

    def _trade(self, intent: Intent) -> Trade:
        return trade_of(intent, self._chain)

    def _opened(self, sent: Sent) -> SignedTransaction:
        try:
            return transaction.read(sent.payload)
        except UnreadableTransaction as reason:
            raise IntegrityBroken(f"the book's bytes of {sent.venue_ref} cannot be read: {reason}") from reason

    async def _read(self, *calls: Call[Any]) -> list[Any]:
        return await self._rpc.read(calls)
