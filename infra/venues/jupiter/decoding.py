"""Turns a message into the facts that `domain.solana_intent` judges. Nothing is assumed: an unknown step says so."""

from typing import Final

from domain.solana_intent import (
    AdvanceNonce,
    CloseAccount,
    ComputeLimit,
    ComputePrice,
    Foreign,
    OpenAccount,
    Payload,
    Step,
    Swap,
    SyncNative,
    Transfer,
    Unexpected,
)
from infra.chains.solana.addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    COMPUTE_BUDGET_PROGRAM,
    JUPITER_PROGRAM,
    RECENT_BLOCKHASHES,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    jupiter_event_authority,
)
from infra.chains.solana.message import Call, Read
from infra.venues.jupiter.layout import UnreadableRoute, read_route

# Source: solana-compute-budget-interface, solana-system-interface, spl-token and associated-token-account.
_SYSTEM_TRANSFER: Final = b"\x02\x00\x00\x00"  # + u64
_ADVANCE_NONCE: Final = b"\x04\x00\x00\x00"
_OPEN_IF_MISSING: Final = b"\x01"
_CLOSE: Final = b"\x09"
_SYNC_NATIVE: Final = b"\x11"


def payload_of(message: Read) -> Payload:
    """Name every instruction of a message."""
    return Payload(
        fee_payer=str(message.payer),
        signers=tuple(str(signer) for signer in message.signers),
        blockhash=message.blockhash,
        steps=tuple(_step(call) for call in message.calls),
    )


def _step(call: Call) -> Step:
    readers = {
        COMPUTE_BUDGET_PROGRAM: _compute,
        SYSTEM_PROGRAM: _system,
        TOKEN_PROGRAM: _token,
        ASSOCIATED_TOKEN_PROGRAM: _associated,
        JUPITER_PROGRAM: _jupiter,
    }
    reader = readers.get(call.program)
    if reader is None:
        return Foreign(str(call.program))
    step = reader(call, tuple(str(use.key) for use in call.uses))
    return step or Unexpected(str(call.program), f"instruction {call.data[:16].hex()} of {len(call.uses)} accounts")


def _compute(call: Call, keys: tuple[str, ...]) -> Step | None:
    kind, number = call.data[:1], int.from_bytes(call.data[1:], "little")
    match kind, len(call.data), len(keys):
        case (b"\x02", 5, 0):  # SetComputeUnitLimit, u32
            return ComputeLimit(number)
        case (b"\x03", 9, 0):  # SetComputeUnitPrice, u64
            return ComputePrice(number)
    return None


def _system(call: Call, keys: tuple[str, ...]) -> Step | None:
    if call.data[:4] == _SYSTEM_TRANSFER and len(call.data) == 12 and len(keys) == 2:
        return Transfer(keys[0], keys[1], int.from_bytes(call.data[4:], "little"))
    if call.data == _ADVANCE_NONCE and len(keys) == 3 and keys[1] == str(RECENT_BLOCKHASHES) and call.uses[0].writable:
        return AdvanceNonce(keys[0], keys[2])
    return None


def _token(call: Call, keys: tuple[str, ...]) -> Step | None:
    if call.data == _SYNC_NATIVE and len(keys) == 1:
        return SyncNative(keys[0])
    if call.data == _CLOSE and len(keys) == 3:
        return CloseAccount(*keys)
    return None


def _associated(call: Call, keys: tuple[str, ...]) -> Step | None:
    if call.data == _OPEN_IF_MISSING and len(keys) == 6 and keys[4] == str(SYSTEM_PROGRAM):
        payer, account, owner, mint, _, token_program = keys
        return OpenAccount(payer, account, owner, mint, token_program)
    return None


def _jupiter(call: Call, keys: tuple[str, ...]) -> Step:
    own, program = str(JUPITER_PROGRAM), str(call.program)
    try:
        route = read_route(call.data)
    except UnreadableRoute as reason:
        return Unexpected(program, str(reason))
    form = route.form
    if len(keys) < form.accounts:
        return Unexpected(program, f"{form.name} with {len(keys)} accounts")
    if keys[form.program] != own or keys[form.event_authority] != str(jupiter_event_authority()):
        return Unexpected(program, f"{form.name} with another program or event authority")
    if any(keys[place] != own for place in form.absent):
        return Unexpected(program, f"{form.name} with an account that plain swaps leave out")

    def optional(place: int | None) -> str | None:  # Anchor writes "none" as the program's own id
        return None if place is None or keys[place] == own else keys[place]

    return Swap(
        form=form.name,
        user=keys[form.user],
        source=keys[form.source],
        destination=keys[form.destination],
        destination_mint=keys[form.destination_mint],
        amount_in=route.amount_in,
        quoted_out=route.quoted_out,
        slippage_bps=route.slippage_bps,
        platform_fee_bps=route.platform_fee_bps,
        positive_slippage_bps=route.positive_slippage_bps,
        token_programs=tuple(keys[place] for place in form.token_programs),
        source_mint=None if form.source_mint is None else keys[form.source_mint],
        other_destination=optional(form.other_destination),
        platform_fee_account=optional(form.platform_fee_account),
    )
