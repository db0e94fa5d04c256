"""The virtual machine: LiteSVM with its own notions of blockhash and history switched off."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from solders.account import Account
from solders.clock import Clock
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)

from infra.chains.solana.addresses import JUPITER_PROGRAM, SYSTEM_PROGRAM
from infra.devnet.solana import base58
from infra.devnet.solana.envelope import Envelope
from infra.devnet.solana.ledger import Block

POOL_BINARY: Final = Path(__file__).parents[3] / "contracts" / "jupiter-pool" / "pool.so"
SLOTS_PER_EPOCH: Final = 432_000  # mainnet's


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to, in JSON-RPC's words. `fee_lamports` is owed only if `landed`."""

    error: Any
    landed: bool  # in the block, fee paid; a transaction that never reached execution is not
    fee_lamports: int
    units: int
    logs: list[str]
    inner: list[dict[str, Any]]
    return_data: dict[str, Any] | None
    after: Mapping[Pubkey, Account]  # of a simulation that succeeded


class Machine:
    """Accounts and the programs that change them. Knows nothing of slots past, forks or files."""

    def __init__(self) -> None:
        self._svm = LiteSVM().with_mainnet_features().with_blockhash_check(False).with_transaction_history(0)
        self._svm.add_program(JUPITER_PROGRAM, POOL_BINARY.read_bytes())

    def account(self, address: Pubkey) -> Account | None:
        found = self._svm.get_account(address)
        return found if found is not None and found.lamports else None

    def put(self, address: Pubkey, account: Account | None) -> None:
        self._svm.set_account(address, account or Account(0, b"", SYSTEM_PROGRAM))

    def rent_exemption_lamports(self, size: int) -> int:
        return self._svm.minimum_balance_for_rent_exemption(size)

    def enter(self, block: Block, before: Sequence[Block]) -> None:
        """Set the sysvars that programs read. `before`: the blocks under this one, oldest first."""
        self._svm.expire_blockhash()  # or an advance of a durable nonce finds that nothing has moved
        epoch = block.slot // SLOTS_PER_EPOCH
        self._svm.set_clock(Clock(block.slot, block.time_s, epoch, epoch + 1, block.time_s))
        self._svm.set_slot_hashes([(past.slot, past.blockhash) for past in reversed(before)])

    def run(self, envelope: Envelope) -> Outcome:
        """Execute for good."""
        result = self._svm.send_transaction(envelope.transaction)
        if isinstance(result, FailedTransactionMetadata):
            return _failed(result)
        return _outcome(result, error=None, landed=True, after={})

    def simulate(self, envelope: Envelope, instead: Mapping[Pubkey, Account | None], check_signatures: bool) -> Outcome:
        """Execute for nothing, with some accounts as they were at an older slot."""
        now = {address: self.account(address) for address in instead}
        try:
            self._svm.with_sigverify(check_signatures)
            for address, account in instead.items():
                self.put(address, account)
            result = self._svm.simulate_transaction(envelope.transaction)
        finally:
            self._svm.with_sigverify(True)
            for address, account in now.items():
                self.put(address, account)
        if isinstance(result, FailedTransactionMetadata):
            return _failed(result)
        simulated: SimulatedTransactionInfo = result
        return _outcome(simulated.meta(), error=None, landed=True, after=dict(simulated.post_accounts()))


def _failed(result: FailedTransactionMetadata) -> Outcome:
    """LiteSVM leaves the signature blank where nothing was executed, so nothing was charged."""
    error = json.loads(result.to_json())["err"]
    return _outcome(result.meta(), error, landed=result.meta().signature() != Signature.default(), after={})


def _outcome(meta: TransactionMetadata, error: Any, landed: bool, after: Mapping[Pubkey, Account]) -> Outcome:
    inner = [
        {
            "index": index,
            "instructions": [
                {
                    "programIdIndex": call.instruction().program_id_index,
                    "accounts": list(bytes(call.instruction().accounts)),
                    "data": base58.encode(call.instruction().data),
                    "stackHeight": call.stack_height(),
                }
                for call in calls
            ],
        }
        for index, calls in enumerate(meta.inner_instructions())
        if calls
    ]
    returned = meta.return_data()
    return_data = None
    if returned.data:
        data = base64.b64encode(returned.data).decode()
        return_data = {"programId": str(returned.program_id), "data": [data, "base64"]}
    return Outcome(error, landed, meta.fee(), meta.compute_units_consumed(), meta.logs(), inner, return_data, after)
