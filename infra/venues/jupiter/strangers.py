"""What a wallet signed on the chain and the book does not know: somebody else holds the key, or the book forgot."""

import base64
import binascii
from typing import Any, Final

from pydantic import TypeAdapter
from solders.transaction import VersionedTransaction

from domain.errors import ChainUnavailable
from infra.alerts import alert
from infra.chains.solana.answers import ListedSignature, RecordedTransaction
from infra.chains.solana.rpc import SolanaNode

PAGE: Final = 1_000  # Source: MAX_GET_CONFIRMED_SIGNATURES_FOR_ADDRESS2_LIMIT of the validator
MAX_PAGES: Final = 10  # ten thousand transactions are years of one wallet's rules
MAX_READ: Final = 200  # gifts and spam name a wallet too, and each costs a call to see who signed it

_PAGE = TypeAdapter(list[ListedSignature])
_RECORDED = TypeAdapter(RecordedTransaction | None)


async def strangers_of(node: SolanaNode, address: str, known: frozenset[str]) -> tuple[str, ...]:
    """A sentence for each final transaction that `address` signed and `known` does not hold, newest first.

    Where the bounds end the search, people are told, and no more: anybody can send a wallet dust without end, and
    must not be able to freeze it by that.
    Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal.
    """
    listed, complete = await _listed(node, address)
    unknown = [one for one in listed if one.signature not in known]
    found = [
        f"{address} signed {one.signature} in slot {one.slot}, which the book does not know"
        for one in unknown[:MAX_READ]
        if await _signed_by(node, address, one.signature)
    ]
    if not complete or len(unknown) > MAX_READ:
        read = min(len(unknown), MAX_READ)
        alert("HISTORY_NOT_READ", f"{address}: only the newest {read} of what the book does not know were looked at")
    return tuple(found)


async def _listed(node: SolanaNode, address: str) -> tuple[list[ListedSignature], bool]:
    """The final transactions that name an address, newest first, and whether those are all."""
    listed: list[ListedSignature] = []
    options: dict[str, Any] = {"commitment": "finalized", "limit": PAGE}
    for _ in range(MAX_PAGES):
        page = await node.call("getSignaturesForAddress", [address, options], _PAGE)
        listed += page
        if len(page) < PAGE:
            return listed, True
        options = {**options, "before": page[-1].signature}
    return listed, False


async def _signed_by(node: SolanaNode, address: str, signature: str) -> bool:
    options = {"encoding": "base64", "commitment": "finalized", "maxSupportedTransactionVersion": 0}
    recorded = await node.call("getTransaction", [signature, options], _RECORDED)
    if recorded is None:
        raise ChainUnavailable(f"{node.host} lists {signature}, but does not show it")
    try:
        message = VersionedTransaction.from_bytes(base64.b64decode(recorded.encoded[0], validate=True)).message
    except (ValueError, binascii.Error) as error:
        raise ChainUnavailable(f"{node.host} shows {signature} as bytes that are no transaction") from error
    return address in map(str, message.account_keys[: message.header.num_required_signatures])
