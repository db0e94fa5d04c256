"""What a custodian does: makes wallets' keys and signs with them. Plain keys never leave its package."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.wallets import Wallet


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key: its public address, and its sealed form, which the book may hold."""

    address: str
    sealed: Mapping[str, str]


class Custodian(Protocol):
    async def create(self, wallet_id: str, owner_id: str, family: str) -> NewKey:
        """Errors: SIGNING_UNAVAILABLE (retried), KEY_ACCESS_DENIED (final)."""

    async def sign(self, wallet: Wallet, message: bytes) -> bytes:
        """The signature over `message`.

        Errors: SIGNING_UNAVAILABLE (retried), KEY_ACCESS_DENIED, SEALED_KEY_BROKEN (final).
        """
