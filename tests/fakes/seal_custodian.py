"""A custodian whose signatures are countable, and which may find a sealed key broken."""

from dataclasses import dataclass, field

from domain.errors import SealedKeyBroken
from domain.wallets import Wallet
from infra.custody.protocol import NewKey


@dataclass
class SealCustodian:
    signed: list[bytes] = field(default_factory=list)
    broken: SealedKeyBroken | None = None

    async def create(self, wallet_id: str, owner_id: str, family: str) -> NewKey:
        return NewKey(address=f"address-of-{wallet_id}", sealed={"v": "fake"})

    async def sign(self, wallet: Wallet, message: bytes) -> bytes:
        if self.broken:
            raise self.broken
        self.signed.append(message)
        return b"|signed"
