"""The chain's memory: one SQLite file, one commit per slot, made before anyone may see the slot."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS blocks (
  slot INTEGER PRIMARY KEY, height INTEGER NOT NULL, blockhash BLOB NOT NULL UNIQUE, time_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
  address BLOB PRIMARY KEY, lamports INTEGER NOT NULL, data BLOB NOT NULL, owner BLOB NOT NULL,
  executable INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS undo (
  slot INTEGER NOT NULL, address BLOB NOT NULL, lamports INTEGER, data BLOB, owner BLOB, executable INTEGER,
  PRIMARY KEY (slot, address));
CREATE TABLE IF NOT EXISTS transactions (
  signature TEXT PRIMARY KEY, slot INTEGER NOT NULL, place INTEGER NOT NULL, raw BLOB NOT NULL,
  meta TEXT NOT NULL, price_micro_lamports INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS transactions_by_slot ON transactions (slot, place);
CREATE TABLE IF NOT EXISTS touched (
  address BLOB NOT NULL, slot INTEGER NOT NULL, place INTEGER NOT NULL, signature TEXT NOT NULL,
  writable INTEGER NOT NULL, PRIMARY KEY (address, slot, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received (
  id INTEGER PRIMARY KEY, signature TEXT NOT NULL, sha256 TEXT NOT NULL, received_at TEXT NOT NULL,
  outcome TEXT NOT NULL, slot INTEGER);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One slot that produced a block. `time_s`: Unix seconds."""

    slot: int
    height: int
    blockhash: Hash
    time_s: int


@dataclass(frozen=True, slots=True)
class Landed:
    """A transaction in a block. `meta` is the JSON-RPC `meta` object, `price` micro-lamports per unit."""

    signature: str
    slot: int
    place: int
    raw: bytes
    meta: dict[str, Any]
    price_micro_lamports: int


class Ledger:
    """Reads and writes rows; decides nothing."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # Enough for kill -9: the write has reached the operating system. Only a power cut may lose slots.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Leave the file; everything committed stays."""
        self._db.close()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """All or nothing: what is written inside becomes durable together."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- blocks

    def add_block(self, block: Block) -> None:
        row = (block.slot, block.height, bytes(block.blockhash), block.time_s)
        self._db.execute("INSERT INTO blocks VALUES (?,?,?,?)", row)

    def recent_blocks(self, count: int) -> list[Block]:
        """The newest `count` blocks, oldest first."""
        rows = self._db.execute("SELECT * FROM blocks ORDER BY slot DESC LIMIT ?", (count,)).fetchall()
        return [_block(row) for row in reversed(rows)]

    def block(self, slot: int) -> Block | None:
        row = self._db.execute("SELECT * FROM blocks WHERE slot=?", (slot,)).fetchone()
        return _block(row) if row else None

    def first_slot(self) -> int:
        return int(self._db.execute("SELECT MIN(slot) FROM blocks").fetchone()[0])

    def forget_after(self, slot: int, outcome: str) -> None:
        """Drop the blocks above a slot and all they held; `outcome` is what becomes of their transactions."""
        for table in ("blocks", "undo", "transactions", "touched"):
            self._db.execute(f"DELETE FROM {table} WHERE slot>?", (slot,))  # noqa: S608 - names of our own
        self._db.execute("UPDATE received SET outcome=?, slot=NULL WHERE slot>?", (outcome, slot))

    # --- accounts

    def accounts(self) -> list[tuple[Pubkey, Account]]:
        rows = self._db.execute("SELECT address, lamports, data, owner, executable FROM accounts").fetchall()
        return [(Pubkey(address), _account(*rest)) for address, *rest in rows]

    def put_account(self, address: Pubkey, account: Account | None) -> None:
        if account is None:
            self._db.execute("DELETE FROM accounts WHERE address=?", (bytes(address),))
        else:
            row = (bytes(address), *_columns(account))
            self._db.execute("INSERT OR REPLACE INTO accounts VALUES (?,?,?,?,?)", row)

    def put_undo(self, slot: int, address: Pubkey, before: Account | None) -> None:
        columns = _columns(before) if before else (None, None, None, None)
        self._db.execute("INSERT INTO undo VALUES (?,?,?,?,?,?)", (slot, bytes(address), *columns))

    def undo(self) -> list[tuple[int, Pubkey, Account | None]]:
        """What accounts were before each slot that a view may still look behind, oldest first."""
        rows = self._db.execute("SELECT * FROM undo ORDER BY slot").fetchall()
        return [(slot, Pubkey(address), None if rest[0] is None else _account(*rest)) for slot, address, *rest in rows]

    def forget_undo(self, through_slot: int) -> None:
        self._db.execute("DELETE FROM undo WHERE slot<=?", (through_slot,))

    def forget_undo_of(self, address: Pubkey) -> None:
        self._db.execute("DELETE FROM undo WHERE address=?", (bytes(address),))

    # --- transactions

    def add_transaction(self, landed: Landed, touched: Iterable[tuple[Pubkey, bool]]) -> None:
        at = (landed.signature, landed.slot, landed.place)
        row = (*at, landed.raw, json.dumps(landed.meta), landed.price_micro_lamports)
        self._db.execute("INSERT INTO transactions VALUES (?,?,?,?,?,?)", row)
        self._db.executemany(
            "INSERT INTO touched VALUES (?,?,?,?,?)",
            [(bytes(a), landed.slot, landed.place, landed.signature, int(w)) for a, w in touched],
        )

    def transaction(self, signature: str) -> Landed | None:
        row = self._db.execute("SELECT * FROM transactions WHERE signature=?", (signature,)).fetchone()
        return _landed(row) if row else None

    def transaction_count(self, through_slot: int) -> int:
        row = self._db.execute("SELECT COUNT(*) FROM transactions WHERE slot<=?", (through_slot,)).fetchone()
        return int(row[0])

    def transactions_of(
        self, address: Pubkey, below: tuple[int, int], above: tuple[int, int], limit: int
    ) -> list[Landed]:
        """Newest first, strictly between two (slot, place) marks."""
        rows = self._db.execute(
            "SELECT t.* FROM touched JOIN transactions t USING (signature) WHERE touched.address=?"
            " AND (touched.slot, touched.place) < (?,?) AND (touched.slot, touched.place) > (?,?)"
            " ORDER BY touched.slot DESC, touched.place DESC LIMIT ?",
            (bytes(address), *below, *above, limit),
        ).fetchall()
        return [_landed(row) for row in rows]

    def lowest_prices(self, from_slot: int, addresses: list[Pubkey]) -> dict[int, int]:
        """Slot → the lowest price that got in, among transactions that write to any of `addresses`."""
        wanted = " OR ".join("address=?" for _ in addresses)
        among = f"AND signature IN (SELECT signature FROM touched WHERE writable AND ({wanted}))"  # noqa: S608
        rows = self._db.execute(
            "SELECT slot, MIN(price_micro_lamports) FROM transactions WHERE slot>=? "  # noqa: S608
            f"{among if addresses else ''} GROUP BY slot",
            (from_slot, *(bytes(a) for a in addresses)),
        ).fetchall()
        return dict(rows)

    # --- the record of everything received

    def add_received(self, signature: str, sha256: str, received_at: str, outcome: str) -> int:
        cursor = self._db.execute(
            "INSERT INTO received (signature, sha256, received_at, outcome) VALUES (?,?,?,?)",
            (signature, sha256, received_at, outcome),
        )
        return int(cursor.lastrowid or 0)

    def settle_received(self, row_id: int, outcome: str, slot: int | None) -> None:
        self._db.execute("UPDATE received SET outcome=?, slot=? WHERE id=?", (outcome, slot, row_id))

    def lose_pending(self, pending: str, lost: str) -> None:
        self._db.execute("UPDATE received SET outcome=? WHERE outcome=?", (lost, pending))

    def received(self) -> list[dict[str, Any]]:
        rows = self._db.execute(
            "SELECT signature, sha256, received_at, outcome, slot FROM received ORDER BY id"
        ).fetchall()
        return [dict(zip(("signature", "sha256", "received_at", "outcome", "slot"), r, strict=True)) for r in rows]

    # --- marks: numbers that must survive a restart

    def mark(self, name: str) -> int | None:
        row = self._db.execute("SELECT value FROM marks WHERE name=?", (name,)).fetchone()
        return int(row[0]) if row else None

    def put_mark(self, name: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO marks VALUES (?,?)", (name, value))


def _block(row: tuple[int, int, bytes, int]) -> Block:
    return Block(row[0], row[1], Hash(row[2]), row[3])


def _columns(account: Account) -> tuple[int, bytes, bytes, int]:
    return account.lamports, account.data, bytes(account.owner), int(account.executable)


def _account(lamports: int, data: bytes, owner: bytes, executable: int) -> Account:
    return Account(lamports, data, Pubkey(owner), executable=bool(executable))


def _landed(row: tuple[str, int, int, bytes, str, int]) -> Landed:
    signature, slot, place, raw, meta, price = row
    return Landed(signature, slot, place, raw, json.loads(meta), price)
