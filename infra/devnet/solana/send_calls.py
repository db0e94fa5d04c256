"""Calls that take a transaction in: send, simulate, price, airdrop."""

import base64
import itertools
from typing import Any, Final

from solders.compute_budget import set_compute_unit_limit
from solders.message import MessageV0, from_bytes_versioned
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from infra.devnet.solana import base58
from infra.devnet.solana.account_forms import account_json
from infra.devnet.solana.chain import MAX_AGE_BLOCKS, Chain, Commitment
from infra.devnet.solana.envelope import MAX_BYTES, Envelope, around, open_envelope
from infra.devnet.solana.errors import PREFLIGHT_FAILURE, SIGNATURE_FAILURE, RpcError, invalid, words_of
from infra.devnet.solana.genesis import faucet
from infra.devnet.solana.ledger import Block
from infra.devnet.solana.machine import Outcome
from infra.devnet.solana.params import Params, as_address, in_context, view_of

_AIRDROP_UNITS: Final = 100_000  # far above the 300 a transfer needs; varied to keep signatures apart
_airdrops: Final = itertools.count()
_MAX_AIRDROP_LAMPORTS: Final = 10**15  # a million SOL: keeps the faucet from running dry by a typing error


def send_transaction(chain: Chain, params: Params) -> str:
    """Check, simulate, and put before the next block. An answer means "accepted", not "landed".

    Errors: −32602 not a transaction, −32003 badly signed, −32002 simulation failed, −32016.
    """
    settings = params.settings(1)
    envelope = _read(params.text(0), settings.get("encoding") or "base58")
    if not envelope.well_signed:
        chain.receive(envelope, "rejected: SignatureFailure")
        raise RpcError(SIGNATURE_FAILURE, "Transaction signature verification failure")
    if not settings.get("skipPreflight"):
        view = view_of(chain, settings, "preflightCommitment")
        refusal = chain.refusal(envelope, view, view.height)
        outcome = _refused(refusal) if refusal else chain.simulate(envelope, view, check_signatures=True)
        if outcome.error is not None:
            chain.receive(envelope, f"rejected: {outcome.error}")
            message = f"Transaction simulation failed: {words_of(outcome.error)}"
            raise RpcError(PREFLIGHT_FAILURE, message, _simulation(outcome, accounts=None))
    chain.offer(envelope)
    return envelope.signature


def simulate_transaction(chain: Chain, params: Params) -> dict[str, Any]:
    """What a transaction would do on a view. Errors: −32602, −32003 when `sigVerify` finds a bad one."""
    settings = params.settings(1)
    envelope = _read(params.text(0), settings.get("encoding") or "base58")
    view = view_of(chain, settings)
    check, replace = bool(settings.get("sigVerify")), bool(settings.get("replaceRecentBlockhash"))
    if check and replace:
        raise invalid("sigVerify may not be used with replaceRecentBlockhash")
    if check and not envelope.well_signed:
        raise RpcError(SIGNATURE_FAILURE, "Transaction signature verification failure")
    refusal = None if replace else chain.refusal(envelope, view, view.height)
    outcome = _refused(refusal) if refusal else chain.simulate(envelope, view, check_signatures=check)
    value = _simulation(outcome, _accounts_after(chain, outcome, view, settings.get("accounts")))
    if replace:
        last_valid = view.height + MAX_AGE_BLOCKS
        value["replacementBlockhash"] = {
            "blockhash": str(view.blockhash),
            "lastValidBlockHeight": last_valid,
        }
    return in_context(view, value)


def get_fee_for_message(chain: Chain, params: Params) -> dict[str, Any]:
    """Lamports a message would cost; null once its blockhash is of no use."""
    view = view_of(chain, params.settings(1))
    try:
        envelope = around(from_bytes_versioned(base64.b64decode(params.text(0), validate=True)))
    except ValueError as error:
        raise invalid(f"invalid transaction: {error}") from error
    if not chain.knows(envelope.message.recent_blockhash, view.height):
        return in_context(view, None)
    return in_context(view, chain.simulate(envelope, view, check_signatures=False).fee_lamports)


def request_airdrop(chain: Chain, params: Params) -> str:
    """A transfer from the faucet, like any other: it lands with the next block."""
    to, lamports = params.address(0), params.number(1)
    if lamports > _MAX_AIRDROP_LAMPORTS:
        raise invalid(f"at most {_MAX_AIRDROP_LAMPORTS} lamports at once")
    payer = faucet()
    instructions = [
        set_compute_unit_limit(_AIRDROP_UNITS + next(_airdrops)),
        transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports)),
    ]
    blockhash = chain.block_at(Commitment.PROCESSED).blockhash
    message = MessageV0.try_compile(payer.pubkey(), instructions, [], blockhash)
    envelope = open_envelope(bytes(VersionedTransaction(message, [payer])))
    chain.offer(envelope)
    return envelope.signature


def _read(text: str, encoding: str) -> Envelope:
    try:
        match encoding:
            case "base64":
                raw = base64.b64decode(text, validate=True)
            case "base58":
                raw = base58.decode(text)
            case _:
                raise invalid(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")
        if len(raw) > MAX_BYTES:
            raise invalid(f"transaction too large: {len(raw)} bytes (max: {MAX_BYTES} bytes)")
        return open_envelope(raw)
    except ValueError as error:
        raise invalid(f"failed to deserialize transaction: {error}") from error


def _refused(reason: str) -> Outcome:
    return Outcome(reason, False, 0, 0, [], [], None, {})


def _simulation(outcome: Outcome, accounts: list[Any] | None) -> dict[str, Any]:
    return {
        "err": outcome.error,
        "accounts": accounts,
        "fee": outcome.fee_lamports or None,
        "innerInstructions": None,
        "logs": outcome.logs,
        "replacementBlockhash": None,
        "returnData": outcome.return_data,
        "unitsConsumed": outcome.units,
    }


def _accounts_after(chain: Chain, outcome: Outcome, view: Block, asked: Any) -> list[Any] | None:
    if not isinstance(asked, dict):
        return None
    addresses = [as_address(text) for text in asked.get("addresses", [])]
    if outcome.error is not None:
        return [None for _ in addresses]
    encoding = {"encoding": asked.get("encoding") or "base64"}
    answers: list[Any] = []
    for address in addresses:
        account = outcome.after.get(address) or chain.account_at(address, view.slot)
        alive = account is not None and account.lamports
        answers.append(
            account_json(account, encoding, lambda mint: chain.account_at(mint, view.slot))
            if account is not None and alive
            else None
        )
    return answers
