"""Calls about transactions that landed."""

from typing import Any, Final

from solders.signature import Signature

from infra.devnet.solana.chain import MAX_AGE_BLOCKS, Chain, Commitment
from infra.devnet.solana.errors import METHOD_NOT_FOUND, RpcError, invalid
from infra.devnet.solana.ledger import Landed
from infra.devnet.solana.params import Params, as_address, commitment_of, in_context, view_of
from infra.devnet.solana.transaction_forms import transaction_json

_MAX_STATUSES: Final = 256  # signatures of one getSignatureStatuses. Source: solana RPC docs
_MAX_PAGE: Final = 1000  # signatures of one getSignaturesForAddress. Source: solana RPC docs
_MAX_FEE_ADDRESSES: Final = 128
_RECENT_SLOTS: Final = 300  # how far back a status is known without searching history
_BEYOND: Final = (2**62, 0)  # a mark above every slot


def get_signature_statuses(chain: Chain, params: Params) -> dict[str, Any]:
    """As of the newest block. Null: not seen, or older than `searchTransactionHistory` would allow."""
    search = bool(params.settings(1).get("searchTransactionHistory"))
    oldest = 0 if search else chain.tip.slot - _RECENT_SLOTS
    value = []
    for text in params.texts(0, most=_MAX_STATUSES):
        landed = chain.ledger.transaction(_signature(text))
        value.append(_status(chain, landed) if landed and landed.slot >= oldest else None)
    return in_context(chain.tip, value)


def get_transaction(chain: Chain, params: Params) -> dict[str, Any] | None:
    """Null until the transaction is in the asked view. Errors: −32015, −32602 for `processed`."""
    signature, settings = _signature(params.text(0)), params.settings(1)
    slot = _settled_view(chain, settings)
    landed = chain.ledger.transaction(signature)
    if landed is None or landed.slot > slot:
        return None
    return transaction_json(landed, _time_s(chain, landed), settings)


def get_signatures_for_address(chain: Chain, params: Params) -> list[dict[str, Any]]:
    """Newest first. Errors: −32602 for `processed` or a page too large."""
    address, settings = params.address(0), params.settings(1)
    slot = _settled_view(chain, settings)
    limit = settings.get("limit") or _MAX_PAGE
    if type(limit) is not int or not 0 < limit <= _MAX_PAGE:
        raise invalid(f"Invalid limit; max {_MAX_PAGE}")
    before, until = (_mark(chain, settings.get(key)) for key in ("before", "until"))
    below = min(before or _BEYOND, (slot + 1, 0))
    return [
        {
            "signature": landed.signature,
            "slot": landed.slot,
            "err": landed.meta["err"],
            "memo": None,
            "blockTime": _time_s(chain, landed),
            "confirmationStatus": _standing(chain, landed),
        }
        for landed in chain.ledger.transactions_of(address, below, until or (0, 0), limit)
    ]


def get_recent_prioritization_fees(chain: Chain, params: Params) -> list[dict[str, int]]:
    """Per slot, the lowest price (micro-lamports a unit) of a transaction that wrote to the accounts."""
    addresses = [as_address(text) for text in params.texts(0, most=_MAX_FEE_ADDRESSES)]
    oldest = max(chain.tip.slot - MAX_AGE_BLOCKS + 1, chain.ledger.first_slot())
    lowest = chain.ledger.lowest_prices(oldest, addresses)
    slots = range(oldest, chain.tip.slot + 1)
    return [{"slot": slot, "prioritizationFee": lowest.get(slot, 0)} for slot in slots]


def get_priority_fee_estimate(chain: Chain, params: Params) -> dict[str, Any]:
    """Helius' own method, on a node that a door has made one of Helius'. Errors: −32601 elsewhere, −32602."""
    if chain.helius_price is None:
        raise RpcError(METHOD_NOT_FOUND, "Method not found")
    asked = params.settings(0)
    keys, options = asked.get("accountKeys"), asked.get("options")
    if isinstance(keys, list) and keys:
        for key in keys:
            as_address(str(key))
    elif not isinstance(asked.get("transaction"), str):
        raise invalid("Invalid params: name a transaction or accountKeys")
    price = float(chain.helius_price)  # as it comes from them
    if isinstance(options, dict) and options.get("includeAllPriorityFeeLevels"):
        levels = ("min", "low", "medium", "high", "veryHigh", "unsafeMax")
        return {"priorityFeeLevels": {level: price * step / 2 for step, level in enumerate(levels)}}
    return {"priorityFeeEstimate": price}


def _status(chain: Chain, landed: Landed) -> dict[str, Any]:
    standing = _standing(chain, landed)
    error = landed.meta["err"]
    return {
        "slot": landed.slot,
        "confirmations": None if standing is Commitment.FINALIZED else chain.tip.slot - landed.slot,
        "err": error,
        "status": {"Ok": None} if error is None else {"Err": error},
        "confirmationStatus": standing,
    }


def _standing(chain: Chain, landed: Landed) -> Commitment:
    for commitment in (Commitment.FINALIZED, Commitment.CONFIRMED):
        if landed.slot <= chain.block_at(commitment).slot:
            return commitment
    return Commitment.PROCESSED


def _settled_view(chain: Chain, settings: dict[str, Any]) -> int:
    if commitment_of(settings) is Commitment.PROCESSED:
        raise invalid("Method does not support commitment below `confirmed`")
    return view_of(chain, settings).slot


def _time_s(chain: Chain, landed: Landed) -> int | None:
    block = chain.ledger.block(landed.slot)
    return block.time_s if block else None


def _mark(chain: Chain, signature: Any) -> tuple[int, int] | None:
    if signature is None:
        return None
    landed = chain.ledger.transaction(_signature(signature))
    return (landed.slot, landed.place) if landed else None


def _signature(text: Any) -> str:
    try:
        return str(Signature.from_string(text))
    except (ValueError, TypeError) as error:
        raise invalid(f"Invalid param: {error}") from error
