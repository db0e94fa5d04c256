"""Makes our own message of a route: Jupiter gives instructions, everything around them is ours."""

import base64
import binascii
from typing import Final

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import CompileError, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from domain.errors import QuoteUnavailable
from domain.intents import Slot
from infra.chains.solana.message import MAX_TRANSACTION_BYTES, Tables
from infra.venues.jupiter import api
from infra.venues.jupiter.durable import advance, blockhash_of
from infra.venues.jupiter.layout import UnreadableRoute, tightened

MAX_UNITS: Final = 1_400_000  # what one transaction may use at most. Source: solana, MAX_COMPUTE_UNIT_LIMIT
_MARGIN_PERCENT: Final = 120  # of the simulated units: other prices in the pools cost other steps
_LEAST_UNITS: Final = 50_000  # a price is paid per unit, yet a limit so small saves nothing

_SIGNATURE_BYTES: Final = 64


def assemble(
    built: api.Built, wallet: str, minimum_base: int, slot: Slot, tables: Tables, units: int, price: int
) -> bytes:
    """The message: limit, price, setup, swap, cleanup; payer is the wallet, the blockhash our slot's.

    A slot that is durable has its nonce advanced before all else.

    `price` is micro-lamports per unit.
    Tips and other instructions that Jupiter may offer are left out. Tables hold what the chain said of them.
    Errors: QUOTE_UNAVAILABLE (retried), if the instructions cannot be one transaction.
    """
    try:
        swap = built.swap.model_copy(update={"data": _text(tightened(_bytes(built.swap.data), minimum_base))})
        given = [*built.setup, swap, *([built.cleanup] if built.cleanup else [])]
        instructions = [
            *advance(slot, wallet),
            set_compute_unit_limit(units),
            set_compute_unit_price(price),
            *(_instruction(one) for one in given),
        ]
        looked_up = [AddressLookupTableAccount(key, list(held)) for key, held in tables.items()]
        message = MessageV0.try_compile(
            Pubkey.from_string(wallet), instructions, looked_up, Hash.from_string(blockhash_of(slot))
        )
        raw = bytes(to_bytes_versioned(message))
    except (UnreadableRoute, CompileError, ValueError, binascii.Error) as error:
        raise QuoteUnavailable(f"Jupiter's instructions make no transaction: {error}") from error
    size = 1 + _SIGNATURE_BYTES * message.header.num_required_signatures + len(raw)
    if size > MAX_TRANSACTION_BYTES:
        raise QuoteUnavailable(f"Jupiter's route needs {size} bytes, a transaction has {MAX_TRANSACTION_BYTES}")
    return raw


def units_for(simulated: int | None) -> int:
    """The compute limit for what a simulation used; all there is, when it did not get through."""
    if simulated is None:
        return MAX_UNITS
    return min(MAX_UNITS, max(_LEAST_UNITS, simulated * _MARGIN_PERCENT // 100))


def _instruction(given: api.Instruction) -> Instruction:
    accounts = [AccountMeta(Pubkey.from_string(one.pubkey), one.signer, one.writable) for one in given.accounts]
    return Instruction(Pubkey.from_string(given.program), _bytes(given.data), accounts)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
