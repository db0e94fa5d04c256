"""The chain: a block every slot, blockhashes that expire, three honest views of the same accounts."""

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

from infra.devnet.solana import nonce
from infra.devnet.solana.envelope import Envelope, keys_of
from infra.devnet.solana.ledger import Block, Landed, Ledger
from infra.devnet.solana.machine import Machine, Outcome
from infra.devnet.solana.records import meta_of
from infra.devnet.solana.tokens import read_token_account

MAX_AGE_BLOCKS: Final = 150  # blocks after its own in which a blockhash may be used. Source: solana docs
GENESIS_SLOT: Final = 435_888_000
SKIPPED_SLOTS: Final = 21_900_000  # a slot is not a height: the difference mainnet's skipped slots make
KEPT_BLOCKS: Final = 512  # as many as the SlotHashes sysvar holds
MAX_LAG: Final = 300  # slots; with 150 for the oldest blockhash in view it stays below KEPT_BLOCKS
MAX_PENDING: Final = 10_000  # transactions; memory is what runs out first

PENDING: Final = "pending"
LOST: Final = "lost: the node stopped while it was pending"
FORKED: Final = "dropped: its block was on a fork that died"


class Commitment(StrEnum):
    """How settled a view is."""

    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


@dataclass(slots=True)
class Pace:
    """How fast time passes. Lags in slots."""

    slot_ms: int
    confirmed_lag: int
    finalized_lag: int


@dataclass(frozen=True, slots=True)
class _Pending:
    envelope: Envelope
    row_id: int


class Chain:
    """Everything a validator knows. One thread; a slot is durable before it is visible."""

    def __init__(self, ledger: Ledger, machine: Machine, pace: Pace) -> None:
        self.ledger, self.machine, self.pace = ledger, machine, pace
        self.helius_price: int | None = None  # micro-lamports a unit; None: a plain node without Helius' method
        self._pending: dict[str, _Pending] = {}
        self._undo: dict[Pubkey, deque[tuple[int, Account | None]]] = {}
        self._undo_slots: deque[tuple[int, tuple[Pubkey, ...]]] = deque()
        self._tokens_of: dict[Pubkey, set[Pubkey]] = {}
        self._blocks: deque[Block] = deque(maxlen=KEPT_BLOCKS)
        self._by_hash: dict[Hash, Block] = {}
        self._restore()

    def _restore(self) -> None:
        for address, account in self.ledger.accounts():
            self.machine.put(address, account)
            self._index(address, account)
        if not self.ledger.recent_blocks(1):
            with self.ledger.commit():
                self.ledger.add_block(_new_block(GENESIS_SLOT))
        for block in self.ledger.recent_blocks(KEPT_BLOCKS):
            self._append(block)
        for slot, address, before in self.ledger.undo():
            self._remember(slot, {address: before})
        with self.ledger.commit():
            self.ledger.lose_pending(PENDING, LOST)
        first = self.ledger.first_slot()
        self._confirmed = self.ledger.mark("confirmed") or first
        self._finalized = self.ledger.mark("finalized") or first

    # --- what is

    @property
    def tip(self) -> Block:
        """The newest block."""
        return self._blocks[-1]

    def block_at(self, commitment: Commitment) -> Block:
        """The newest block of a view."""
        match commitment:
            case Commitment.PROCESSED:
                return self.tip
            case Commitment.CONFIRMED:
                slot = self._confirmed
            case Commitment.FINALIZED:
                slot = self._finalized
        return self._blocks[slot - self._blocks[0].slot]  # every slot has its block, so they lie in a row

    def account_at(self, address: Pubkey, slot: int) -> Account | None:
        """An account as it was at the end of a slot, no older than the finalized one."""
        for changed_in, before in self._undo.get(address, ()):
            if changed_in > slot:
                return before
        return self.machine.account(address)

    def token_accounts_of(self, owner: Pubkey) -> list[Pubkey]:
        """Addresses that were ever token accounts of an owner, in a stable order."""
        return sorted(self._tokens_of.get(owner, ()), key=bytes)

    def knows(self, blockhash: Hash, height: int) -> bool:
        """Whether a block of `height` may hold a transaction with this blockhash."""
        block = self._by_hash.get(blockhash)
        return block is not None and block.height <= height <= block.height + MAX_AGE_BLOCKS

    def refusal(self, envelope: Envelope, base: Block, height: int) -> str | None:
        """Why a block of `height` on top of `base` would not take a transaction: age first, then repetition."""
        blockhash = envelope.message.recent_blockhash
        if not self.knows(blockhash, height) and not self._is_live_nonce(envelope, base):
            return "BlockhashNotFound"
        landed = self.ledger.transaction(envelope.signature)
        if landed is not None and landed.slot <= base.slot:
            return "AlreadyProcessed"
        return None

    def _is_live_nonce(self, envelope: Envelope, base: Block) -> bool:
        address = nonce.advanced_by(envelope)
        account = self.account_at(address, base.slot) if address else None
        value = nonce.stored(account)
        if account is None or value is None or value != envelope.message.recent_blockhash:
            return False
        # One that was written on this very blockhash would advance to itself and be usable twice.
        return nonce.signed_by_authority(envelope, account) and value != nonce.derived_from(base.blockhash)

    def simulate(self, envelope: Envelope, view: Block, check_signatures: bool) -> Outcome:
        """Run on a view's accounts, leaving no trace."""
        keys = keys_of(envelope, lambda address: self.account_at(address, view.slot))
        touched = set(keys.all) if keys else set()
        touched |= {lookup.account_key for lookup in envelope.lookups}
        older = {a: self.account_at(a, view.slot) for a in touched if a in self._undo}
        self.machine.enter(view, [block for block in self._blocks if block.slot < view.slot])
        return self.machine.simulate(envelope, older, check_signatures)

    # --- what happens

    def receive(self, envelope: Envelope, outcome: str = PENDING) -> int:
        """Write down that bytes arrived, whatever comes of them."""
        now = datetime.now(UTC).isoformat()
        with self.ledger.commit():
            return self.ledger.add_received(envelope.signature, envelope.sha256, now, outcome)

    def offer(self, envelope: Envelope) -> None:
        """Put a transaction before the next block."""
        if envelope.signature in self._pending:
            self.receive(envelope, "ignored: already pending")
        elif len(self._pending) >= MAX_PENDING:
            self.receive(envelope, "dropped: too many pending")
        else:
            self._pending[envelope.signature] = _Pending(envelope, self.receive(envelope))

    def is_pending(self, signature: str) -> bool:
        """Whether a transaction waits for the next block."""
        return signature in self._pending

    def produce(self) -> Block:
        """Make the next block out of what is pending, commit it, then show it."""
        block = _new_block(self.tip.slot + 1)
        pending, self._pending = list(self._pending.values()), {}
        if pending:
            self.machine.enter(block, list(self._blocks))
        changed: dict[Pubkey, Account | None] = {}
        place = 0
        confirmed = max(self._confirmed, block.slot - self.pace.confirmed_lag)
        finalized = max(self._finalized, block.slot - self.pace.finalized_lag)
        with self.ledger.commit():
            self.ledger.add_block(block)
            for waiting in pending:
                place += self._execute(waiting, block, place, changed)
            for address, before in changed.items():
                self.ledger.put_account(address, self.machine.account(address))
                self.ledger.put_undo(block.slot, address, before)
            self.ledger.forget_undo(finalized)
            self.ledger.put_mark("confirmed", confirmed)
            self.ledger.put_mark("finalized", finalized)
        self._append(block)
        self._remember(block.slot, changed)
        self._confirmed, self._finalized = confirmed, finalized
        self._forget()
        return block

    def _execute(self, waiting: _Pending, block: Block, place: int, changed: dict[Pubkey, Account | None]) -> int:
        """Run one transaction into a block; the number of places it took, none if it was dropped."""
        envelope = waiting.envelope
        keys = keys_of(envelope, self.machine.account)
        refusal = self.refusal(envelope, self.tip, block.height)
        if keys is None or refusal is not None:
            self.ledger.settle_received(waiting.row_id, f"dropped: {refusal or 'lookup table'}", None)
            return 0
        before = {address: self.machine.account(address) for address in keys.all}
        outcome = self.machine.run(envelope)
        if not outcome.landed:
            self.ledger.settle_received(waiting.row_id, f"dropped: {outcome.error}", None)
            return 0
        self._turn_nonces(envelope, before)
        after = {address: self.machine.account(address) for address in keys.all}
        for address in keys.all:
            if after[address] != before[address]:
                changed.setdefault(address, before[address])
                self._index(address, after[address])
        meta = meta_of(keys, before, after, outcome, self.machine.account)
        price = envelope.price_micro_lamports
        landed = Landed(envelope.signature, block.slot, place, envelope.raw, meta, price)
        self.ledger.add_transaction(landed, dict(zip(keys.all, keys.writable, strict=True)).items())
        word = "landed" if outcome.error is None else "failed"
        self.ledger.settle_received(waiting.row_id, word, block.slot)
        return 1

    def _turn_nonces(self, envelope: Envelope, before: Mapping[Pubkey, Account | None]) -> None:
        """Give every nonce touched a value of this chain, the spent one even when the body failed."""
        used = nonce.advanced_by(envelope)
        spent = used if used and nonce.stored(before[used]) == envelope.message.recent_blockhash else None
        for address, old in before.items():
            account = self.machine.account(address)
            value = nonce.stored(account)
            if account is not None and value is not None and (address == spent or value != nonce.stored(old)):
                self.machine.put(address, nonce.holding(account, nonce.derived_from(self.tip.blockhash)))

    def rewrite(self, accounts: Mapping[Pubkey, Account]) -> None:
        """Set accounts by decree, as if they had always been so at every commitment."""
        with self.ledger.commit():
            for address, account in accounts.items():
                self.ledger.put_account(address, account)
                self.ledger.forget_undo_of(address)
        for address, account in accounts.items():
            self.machine.put(address, account)
            self._undo.pop(address, None)
            self._index(address, account)

    def fork(self, slots: int) -> Block:
        """Go over to a fork that has none of what the last `slots` blocks held; slots and heights go on as before.

        Accounts are again what they were under those blocks, but where a door has set them since. The blocks have
        other hashes now, so what was signed on one of theirs is dead; everything else may be sent again.
        Errors: ValueError, for a block that is final.
        """
        base = self.tip.slot - slots
        if base < self._finalized:
            raise ValueError(f"only the last {self.tip.slot - self._finalized} slots are not final, not {slots}")
        changed = {address for slot, addresses in self._undo_slots if slot > base for address in addresses}
        before = {address: self.account_at(address, base) for address in changed}
        kept = [block for block in self._blocks if block.slot <= base]
        made = [replace(block, blockhash=Hash(os.urandom(32))) for block in self._blocks if block.slot > base]
        with self.ledger.commit():
            self.ledger.forget_after(base, FORKED)
            for block in made:
                self.ledger.add_block(block)
            for address, account in before.items():
                self.ledger.put_account(address, account)
        for address, account in before.items():
            self.machine.put(address, account)
            remembered = [record for record in self._undo.pop(address, ()) if record[0] <= base]
            if remembered:
                self._undo[address] = deque(remembered)
        self._undo_slots = deque(entry for entry in self._undo_slots if entry[0] <= base)
        self._blocks, self._by_hash = deque(maxlen=KEPT_BLOCKS), {}
        for block in (*kept, *made):
            self._append(block)
        return self.tip

    # --- bookkeeping in memory

    def _index(self, address: Pubkey, account: Account | None) -> None:
        if token := read_token_account(account):
            self._tokens_of.setdefault(token.owner, set()).add(address)

    def _append(self, block: Block) -> None:
        if len(self._blocks) == KEPT_BLOCKS:
            del self._by_hash[self._blocks[0].blockhash]
        self._blocks.append(block)
        self._by_hash[block.blockhash] = block

    def _remember(self, slot: int, changed: Mapping[Pubkey, Account | None]) -> None:
        for address, before in changed.items():
            self._undo.setdefault(address, deque()).append((slot, before))
        if changed:
            self._undo_slots.append((slot, tuple(changed)))

    def _forget(self) -> None:
        """Drop what no view looks behind any more."""
        while self._undo_slots and self._undo_slots[0][0] <= self._finalized:
            for address in self._undo_slots.popleft()[1]:
                records = self._undo.get(address)
                while records and records[0][0] <= self._finalized:
                    records.popleft()
                if records is not None and not records:
                    del self._undo[address]


def _new_block(slot: int) -> Block:
    return Block(slot, slot - SKIPPED_SLOTS, Hash(os.urandom(32)), time.time_ns() // 10**9)
