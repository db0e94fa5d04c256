"""Looks at the book from outside of every process, and says which invariant is broken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.executions import Order
from domain.ledger import wallet_account
from domain.wallets import Wallet
from infra.db.book import Book
from tests.chaos.venues import KeepsRecords

# What may change after the end: a sending of the same bytes, and its answer. The venue takes a payload once.
_TRACES = "'broadcast_count', 'last_sent_at', 'first_sent_at'"


@dataclass
class Witness:
    """`broken` is what was seen, a sentence each, with the invariant's number first.

    `over`: the execution has ended. What a slow process still does then must leave no trace, which the photographs
    tell; it may ask for a signature, between its last look and its store, and that one is stored and sent nowhere.
    """

    book: Book
    order: Order
    broken: list[str] = field(default_factory=list)
    over: bool = False

    async def sees_received(self, payload: bytes) -> None:
        """At the venue, as the bytes arrive. I4."""
        if not await self._rows(
            "SELECT 1 FROM attempt WHERE execution_id = :e AND payload = :p AND state = 'SIGNED'", p=payload
        ):
            self.broken.append(f"I4: the venue received bytes that the book does not hold: {payload!r}")

    async def sees_signing(self, wallet: Wallet) -> None:
        """At the custodian, as a signature is asked for. I11."""
        if not self.over and not await self._rows(
            "SELECT 1 FROM execution e JOIN lease l ON l.wallet_id = e.wallet_id AND l.holder = e.id "
            "JOIN attempt a ON a.execution_id = e.id AND a.state = 'ALLOCATED' AND a.lease_epoch = l.epoch "
            "JOIN rule r ON r.id = e.rule_id AND r.state = 'EXECUTING' "
            "WHERE e.id = :e AND e.status IN ('LOCKED', 'SIGNED', 'SUBMITTED') AND e.wallet_id = :signer "
            'AND NOT EXISTS (SELECT 1 FROM switch WHERE "on") '
            "AND EXISTS (SELECT 1 FROM hold WHERE execution_id = e.id AND released_at IS NULL)",
            signer=wallet.id,
        ):
            self.broken.append(f"I11: {wallet.id} was to sign without lease, hold, living rule and allocated attempt")

    async def sees_a_step_end(self, step: str) -> None:
        """I5, I8, at any time."""
        for row in await self._rows(
            "SELECT leg_id FROM attempt WHERE execution_id = :e AND state = 'SIGNED' "
            "AND fate IN ('PENDING', 'UNKNOWN') GROUP BY leg_id HAVING count(DISTINCT nonce) > 1"
        ):
            self.broken.append(
                f"I5: after {step}, {row['leg_id']} has two payloads alive that do not exclude each other"
            )
        for row in await self._rows(
            "SELECT count(*) AS n FROM leg WHERE wallet_id = :w AND closed_at IS NULL HAVING count(*) > 1"
        ):
            self.broken.append(f"I8: after {step}, {row['n']} legs of the wallet are open")
        for row in await self._rows(
            "SELECT h.asset FROM hold h WHERE h.wallet_id = :w AND h.released_at IS NULL GROUP BY h.asset "
            "HAVING sum(h.amount) > (SELECT coalesce(sum(l.amount), 0) FROM ledger_entry l "
            "WHERE l.account = :account AND l.asset = h.asset) AND NOT EXISTS (SELECT 1 FROM attempt WHERE "
            "wallet_id = :w AND fate = 'LANDED')"
        ):
            self.broken.append(f"I8: after {step}, more of {row['asset']} is held than the wallet has")

    async def sees_the_end(self, venue: KeepsRecords, legs: int) -> None:
        """I1, I2, I3, I5, I7, I8, once everything is over."""
        if any(times > 1 for times in venue.effects.values()) or len(venue.effects) != legs:
            self.broken.append(f"I1: {legs} legs, and the venue's own record shows {dict(venue.effects)}")
        [execution] = await self._rows("SELECT status FROM execution WHERE id = :e")
        if execution["status"] != "SETTLED":
            self.broken.append(f"I2: it ended as {execution['status']}")
        for task in await self._rows("SELECT code, detail FROM operator_task WHERE wallet_id = :w"):
            self.broken.append(f"I2: a person was asked: {task['code']} {task['detail']}")
        for row in await self._rows(
            "SELECT asset, sum(amount) AS sum FROM ledger_entry WHERE venue_event_id IN (SELECT venue_event_id FROM "
            "ledger_entry WHERE account = :account) GROUP BY asset HAVING sum(amount) <> 0"
        ):
            self.broken.append(f"I3: the entries in {row['asset']} sum to {row['sum']}")
        booked = await self._rows(
            "SELECT asset, sum(amount) AS base FROM ledger_entry WHERE account = :account GROUP BY asset"
        )
        if (book := {row["asset"]: int(row["base"]) for row in booked}) != venue.balances_base:
            self.broken.append(f"I3: the book has {book}, the chain {venue.balances_base}")
        for row in await self._rows(
            "SELECT id, fate, proof FROM attempt WHERE execution_id = :e AND "
            "(fate NOT IN ('LANDED', 'DEAD') OR (fate = 'DEAD' AND proof IS NULL))"
        ):
            self.broken.append(f"I7: the end was reached while {row['id']} is {row['fate']}, proof: {row['proof']}")
        for what, sql in {
            "an open leg": "SELECT 1 FROM leg WHERE wallet_id = :w AND closed_at IS NULL",
            "a hold": "SELECT 1 FROM hold WHERE wallet_id = :w AND released_at IS NULL",
            "the lease": "SELECT 1 FROM lease WHERE wallet_id = :w AND holder IS NOT NULL",
            "a place in the queue": "SELECT 1 FROM lease_waiter WHERE wallet_id = :w",
        }.items():
            if await self._rows(sql):
                self.broken.append(f"I8: {what} was left behind")

    async def photograph(self, venue: KeepsRecords) -> Mapping[str, Any]:
        """Everything that may not change once it is over (I6), the venue's own record included."""
        tables = {
            "execution": "SELECT to_jsonb(t) AS row FROM execution t WHERE id = :e",
            "attempt": f"SELECT to_jsonb(t) - ARRAY[{_TRACES}] AS row FROM attempt t "
            "WHERE execution_id = :e ORDER BY id",
            "leg": "SELECT to_jsonb(t) AS row FROM leg t WHERE wallet_id = :w ORDER BY id",
            "ledger": "SELECT to_jsonb(t) AS row FROM ledger_entry t WHERE venue_event_id IN (SELECT venue_event_id "
            "FROM ledger_entry WHERE account = :account) ORDER BY id",
            "settlement": "SELECT to_jsonb(t) AS row FROM settlement t WHERE execution_id = :e ORDER BY attempt_id",
            "hold": "SELECT to_jsonb(t) AS row FROM hold t WHERE wallet_id = :w ORDER BY id",
            "lease": "SELECT to_jsonb(t) AS row FROM lease t WHERE wallet_id = :w",
            "queue": "SELECT to_jsonb(t) AS row FROM lease_waiter t WHERE wallet_id = :w ORDER BY id",
            "nonce": "SELECT to_jsonb(t) AS row FROM account_nonce t WHERE wallet_id = :w",
            "verdict": "SELECT to_jsonb(t) AS row FROM verdict t WHERE execution_id = :e ORDER BY id",
            "rule": "SELECT to_jsonb(t) AS row FROM rule t JOIN execution e ON e.rule_id = t.id WHERE e.id = :e",
            "event": "SELECT to_jsonb(t) AS row FROM event t WHERE subject = :e ORDER BY seq",
        }
        seen = {name: [row["row"] for row in await self._rows(sql)] for name, sql in tables.items()}
        return seen | {"landed": dict(venue.landed), "balances": dict(venue.balances_base)}

    async def _rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        known: dict[str, object] = {
            "e": self.order.execution_id,
            "w": self.order.wallet_id,
            "account": wallet_account(self.order.wallet_id),
        }
        used = {name: value for name, value in (known | values).items() if f":{name}" in sql}
        async with self.book.begin() as tx:
            return [dict(row) for row in await tx.rows(sql, **used)]
