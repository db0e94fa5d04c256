"""Wallets in the book."""

import json
from collections.abc import Mapping
from typing import Any

from domain.chains import Chain
from domain.errors import MoveNotSafe, NotFound
from domain.wallets import Wallet
from infra.db.book import Book
from infra.db.tasks import open_tasks

WALLET_COLUMNS = (
    "w.owner_id AS wallet_owner_id, w.family, w.chain, w.address, w.custodian, w.sealed_key, w.frozen, "
    "w.durable_nonce, w.created_at AS wallet_created_at, w.id AS wallet_id"
)


def to_wallet(row: Mapping[Any, Any]) -> Wallet:
    return Wallet(
        id=row["wallet_id"],
        owner_id=row["wallet_owner_id"],
        family=row["family"],
        chain=row["chain"],
        address=row["address"],
        custodian=row["custodian"],
        frozen=row["frozen"],
        created_at=row["wallet_created_at"],
        sealed_key=row["sealed_key"],
        durable_nonce=row["durable_nonce"],
    )


class Wallets:
    def __init__(self, book: Book) -> None:
        self._book = book

    async def add(
        self, wallet_id: str, owner_id: str, chain: Chain, address: str, custodian: str, sealed_key: Mapping[str, str]
    ) -> Wallet:
        """The wallet under this id: this one, or the one that was added first."""
        async with self._book.begin() as tx:
            added = await tx.change(
                "INSERT INTO wallet (id, owner_id, family, chain, address, custodian, sealed_key, frozen) "
                "VALUES (:id, :owner, :family, :chain, :address, :custodian, CAST(:sealed AS jsonb), false) "
                "ON CONFLICT (id) DO NOTHING",
                id=wallet_id,
                owner=owner_id,
                family=chain.family,
                chain=chain.name,
                address=address,
                custodian=custodian,
                sealed=json.dumps(dict(sealed_key)),
            )
            if added:
                tx.record(wallet_id, "wallet.created", owner_id, chain=chain.name, address=address, custodian=custodian)
        return await self.find(owner_id, wallet_id)

    async def find(self, owner_id: str, wallet_id: str) -> Wallet:
        """Errors: NOT_FOUND (final), for another owner's wallet too."""
        async with self._book.begin() as tx:
            row = await tx.one(
                f"SELECT {WALLET_COLUMNS} FROM wallet w WHERE w.id = :id AND w.owner_id = :owner_id",  # noqa: S608
                id=wallet_id,
                owner_id=owner_id,
            )
        if row is None:
            raise NotFound(f"you have no wallet {wallet_id}")
        return to_wallet(row)

    async def of_anybody(self, wallet_id: str) -> Wallet:
        """For operators. Errors: NOT_FOUND (final)."""
        async with self._book.begin() as tx:
            row = await tx.one(f"SELECT {WALLET_COLUMNS} FROM wallet w WHERE w.id = :id", id=wallet_id)  # noqa: S608
        if row is None:
            raise NotFound(f"there is no wallet {wallet_id}")
        return to_wallet(row)

    async def next_nonce(self, wallet_id: str) -> int | None:
        """The next nonce of a wallet whose nonces count up; None before its first payload."""
        async with self._book.begin() as tx:
            row = await tx.one("SELECT next FROM account_nonce WHERE wallet_id = :w", w=wallet_id)
        return int(row["next"]) if row else None

    async def page(self, owner_id: str, after: str, limit: int) -> list[Wallet]:
        """Up to `limit` wallets with ids beyond `after`, in the order of their ids."""
        async with self._book.begin() as tx:
            rows = await tx.rows(
                f"SELECT {WALLET_COLUMNS} FROM wallet w WHERE w.owner_id = :owner_id AND w.id > :after "  # noqa: S608
                "ORDER BY w.id LIMIT :limit",
                owner_id=owner_id,
                after=after,
                limit=limit,
            )
        return [to_wallet(row) for row in rows]

    async def set_frozen(self, owner_id: str, wallet_id: str, frozen: bool, reason: str) -> Wallet:
        """Errors: NOT_FOUND, MOVE_NOT_SAFE (final), where an operator's task about it is open."""
        wallet = await self.find(owner_id, wallet_id)
        async with self._book.begin() as tx:
            await tx.one("SELECT 1 FROM wallet WHERE id = :id FOR NO KEY UPDATE", id=wallet.id)
            if not frozen and (tasks := await open_tasks(tx, wallet.id)):
                names = ", ".join(map(str, tasks))
                raise MoveNotSafe(
                    f"an operator has to decide about this wallet first: task {names} is open",
                    f"an operator resolves task {names}",
                )
            await tx.change("UPDATE wallet SET frozen = :frozen WHERE id = :id", frozen=frozen, id=wallet.id)
            tx.record(wallet_id, "wallet.frozen" if frozen else "wallet.unfrozen", owner_id, reason=reason)
        return await self.find(owner_id, wallet_id)

    async def set_durable_nonce(self, owner_id: str, wallet_id: str, account: str | None) -> Wallet:
        """From the next payload on; one that is out keeps the nonce or blockhash it was signed with.

        Errors: NOT_FOUND (final).
        """
        wallet = await self.find(owner_id, wallet_id)
        async with self._book.begin() as tx:
            await tx.change("UPDATE wallet SET durable_nonce = :account WHERE id = :id", account=account, id=wallet.id)
            tx.record(wallet_id, "wallet.durable_nonce", owner_id, account=account or "")
        return await self.find(owner_id, wallet_id)
