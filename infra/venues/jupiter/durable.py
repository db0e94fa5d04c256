"""Payloads on a durable nonce: they never die of age, only of another payload that used their nonce up.

A slot's nonce names account and value, so that the fate of a payload can be told from what the book holds of it.
"""

from dataclasses import dataclass
from typing import Final

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import AdvanceNonceAccountParams, advance_nonce_account
from solders.transaction import VersionedTransaction

from domain.errors import IntegrityBroken
from domain.intents import NEVER, Slot
from domain.wallets import Wallet
from infra.chains.solana.addresses import COMPUTE_BUDGET_PROGRAM, JUPITER_PROGRAM
from infra.chains.solana.nonce_account import nonces_at
from infra.chains.solana.rpc import SolanaNode
from infra.venues.protocol import Sent

# The system program and the compute budget take 150 units for each of the three. Source: their declared costs.
CANCELLATION_UNITS: Final = 1_000


SET_PRICE: Final = b"\x03"  # + u64. Source: solana-compute-budget-interface


@dataclass(frozen=True, slots=True)
class Durable:
    """A nonce account, the value a payload carries instead of a blockhash, and the slot it was read in."""

    account: str
    value: str
    born: int


def durable_of(slot: Slot) -> Durable | None:
    """Nothing, if the slot is a blockhash."""
    if not slot.durable:
        return None
    account, _, value = slot.nonce.partition("/")
    return Durable(account, value, slot.valid_until - NEVER)


def blockhash_of(slot: Slot) -> str:
    """What a message of this slot carries as its blockhash."""
    durable = durable_of(slot)
    return durable.value if durable else slot.nonce


async def durable_slot(node: SolanaNode, wallet: Wallet, account: str) -> Slot:
    """The nonce as it is finalized: with nothing of ours in flight, nobody but a stranger moves it.

    Errors: INTEGRITY_BROKEN (final), if the account is no nonce account that this wallet advances;
    CHAIN_UNAVAILABLE (retried); RpcRefusal.
    """
    nonce = (await nonces_at(node, (account,)))[account]
    if nonce.value is None or nonce.authority != wallet.address:
        raise IntegrityBroken(
            f"{account} is no nonce account whose authority is {wallet.address}: set the wallet's durable nonce anew"
        )
    return Slot(f"{account}/{nonce.value}", NEVER + nonce.slot)


def advance(slot: Slot, wallet: str) -> list[Instruction]:
    """What a payload of this slot begins with."""
    durable = durable_of(slot)
    if durable is None:
        return []
    params = AdvanceNonceAccountParams(
        nonce_pubkey=Pubkey.from_string(durable.account), authorized_pubkey=Pubkey.from_string(wallet)
    )
    return [advance_nonce_account(params)]


def cancellation(slot: Slot, wallet: str, price: int) -> bytes:
    """The message that uses the nonce up and does nothing else. `price` in micro-lamports per unit."""
    instructions = [
        *advance(slot, wallet),
        set_compute_unit_limit(CANCELLATION_UNITS),
        set_compute_unit_price(price),
    ]
    value = Hash.from_string(blockhash_of(slot))
    return bytes(to_bytes_versioned(MessageV0.try_compile(Pubkey.from_string(wallet), instructions, [], value)))


def offered_by(sent: Sent) -> int:
    """The price a payload of ours offers, in micro-lamports per unit."""
    message = VersionedTransaction.from_bytes(sent.payload).message
    for instruction in message.instructions:
        program = message.account_keys[instruction.program_id_index]
        if program == COMPUTE_BUDGET_PROGRAM and instruction.data[:1] == SET_PRICE:
            return int.from_bytes(instruction.data[1:], "little")
    return 0


def cancels(sent: Sent) -> bool:
    """Whether a payload is a cancellation: a message that calls no swap."""
    return (
        sent.slot.durable and JUPITER_PROGRAM not in VersionedTransaction.from_bytes(sent.payload).message.account_keys
    )
