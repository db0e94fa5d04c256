"""An automation wallet: one account on one venue family, with a custodian that can sign for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Wallet:
    """`sealed_key` is the custodian's own record, worthless without the key service; it has no text.

    `durable_nonce` is the Solana nonce account whose value its payloads carry instead of a blockhash, if any.
    """

    id: str
    owner_id: str
    family: str
    chain: str
    address: str
    custodian: str
    frozen: bool
    created_at: datetime
    sealed_key: Mapping[str, str] = field(repr=False)
    durable_nonce: str | None = None


@dataclass(frozen=True, slots=True)
class NewWallet:
    """A wallet that is to be made. `id` derives from its owner and the request's idempotency key."""

    id: str
    owner_id: str
    chain: str
