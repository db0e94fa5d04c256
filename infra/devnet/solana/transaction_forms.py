"""Landed transactions as JSON, in the encodings of a Solana node."""

import base64
from typing import Any

from infra.devnet.solana import base58
from infra.devnet.solana.envelope import Envelope, open_envelope
from infra.devnet.solana.errors import UNSUPPORTED_VERSION, RpcError, invalid
from infra.devnet.solana.ledger import Landed


def transaction_json(landed: Landed, time_s: int | None, settings: dict[str, Any]) -> dict[str, Any]:
    """What `getTransaction` answers. Errors: −32015 for a v0 transaction that the caller did not allow."""
    envelope = open_envelope(landed.raw)
    most = settings.get("maxSupportedTransactionVersion")
    if envelope.version == 0 and most is None:
        message = (
            "Transaction version (0) is not supported by the requesting client. Please try the request again "
            'with the following configuration parameter: "maxSupportedTransactionVersion": 0'
        )
        raise RpcError(UNSUPPORTED_VERSION, message)
    answer = {
        "slot": landed.slot,
        "blockTime": time_s,
        "transaction": _encoded(envelope, landed, settings.get("encoding") or "json"),
        "meta": landed.meta,
    }
    return answer if most is None else {**answer, "version": envelope.version}


def _encoded(envelope: Envelope, landed: Landed, encoding: str) -> Any:
    match encoding:
        case "base64":
            return [base64.b64encode(landed.raw).decode(), "base64"]
        case "base58":
            return [base58.encode(landed.raw), "base58"]
        case "json":
            message = _message(envelope)
        case "jsonParsed":
            message = _parsed_message(envelope, landed)
        case _:
            raise invalid(f"Invalid params: unsupported encoding {encoding!r}")
    return {"signatures": [str(s) for s in envelope.transaction.signatures], "message": message}


def _message(envelope: Envelope) -> dict[str, Any]:
    message, header = envelope.message, envelope.message.header
    body: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": instruction.program_id_index,
                "accounts": list(bytes(instruction.accounts)),
                "data": base58.encode(instruction.data),
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
    }
    return {**body, "addressTableLookups": _lookups(envelope)} if envelope.version == 0 else body


def _lookups(envelope: Envelope) -> list[dict[str, Any]]:
    return [
        {
            "accountKey": str(lookup.account_key),
            "writableIndexes": list(bytes(lookup.writable_indexes)),
            "readonlyIndexes": list(bytes(lookup.readonly_indexes)),
        }
        for lookup in envelope.lookups
    ]


def _parsed_message(envelope: Envelope, landed: Landed) -> dict[str, Any]:
    """Accounts by name; instructions only as far as "partially decoded", for any program."""
    message, header = envelope.message, envelope.message.header
    loaded = landed.meta["loadedAddresses"]
    static = [str(key) for key in message.account_keys]
    every = [*static, *loaded["writable"], *loaded["readonly"]]
    signers = header.num_required_signatures
    last_signed = signers - header.num_readonly_signed_accounts
    last_unsigned = len(static) - header.num_readonly_unsigned_accounts

    def writable(at: int) -> bool:
        if at >= len(static):
            return at < len(static) + len(loaded["writable"])
        return at < last_signed or signers <= at < last_unsigned

    body: dict[str, Any] = {
        "accountKeys": [
            {
                "pubkey": key,
                "signer": at < signers,
                "source": "transaction" if at < len(static) else "lookupTable",
                "writable": writable(at),
            }
            for at, key in enumerate(every)
        ],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programId": every[instruction.program_id_index],
                "accounts": [every[at] for at in bytes(instruction.accounts)],
                "data": base58.encode(instruction.data),
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
    }
    return {**body, "addressTableLookups": _lookups(envelope)} if envelope.version == 0 else body
