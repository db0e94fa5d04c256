"""Legs of several kinds, nonces that count up, payloads that replace each other, and tasks about wallets."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ALIVE = "(rank = 0 AND fate IN ('PENDING', 'UNKNOWN')) OR (fate = 'LANDED' AND succeeded IS NOT FALSE)"


def upgrade() -> None:
    _wallets()
    _attempts()
    _ledger()
    _tasks()
    op.execute("""INSERT INTO switch (name, "on", reason) VALUES ('restored', false, '')""")


def _wallets() -> None:
    op.add_column("wallet", sa.Column("chain", sa.String(), nullable=True))
    op.execute("UPDATE wallet SET chain = 'solana'")
    op.alter_column("wallet", "chain", nullable=False)
    op.add_column("wallet", sa.Column("durable_nonce", sa.String(), nullable=True))
    op.drop_constraint("wallet_family_address_key", "wallet")
    op.create_unique_constraint("wallet_chain_address_key", "wallet", ["chain", "address"])
    op.create_table(
        "account_nonce",
        sa.Column("wallet_id", sa.String(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"]),
        sa.PrimaryKeyConstraint("wallet_id"),
    )


def _attempts() -> None:
    op.add_column("leg", sa.Column("kind", sa.String(), nullable=True))
    op.execute("UPDATE leg SET kind = 'swap'")
    op.alter_column("leg", "kind", nullable=False)
    op.add_column("attempt", sa.Column("wallet_id", sa.String(), nullable=True))
    op.execute("UPDATE attempt a SET wallet_id = l.wallet_id FROM leg l WHERE l.id = a.leg_id")
    op.alter_column("attempt", "wallet_id", nullable=False)
    op.create_foreign_key(None, "attempt", "wallet", ["wallet_id"], ["id"])
    op.add_column("attempt", sa.Column("rank", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("attempt", "rank", server_default=None)
    op.drop_index("one_live_attempt_per_leg", "attempt")
    op.create_index("one_live_family_per_leg", "attempt", ["leg_id"], unique=True, postgresql_where=sa.text(_ALIVE))
    op.create_index(
        "a_nonce_is_signed_once_per_rank",
        "attempt",
        ["wallet_id", "nonce", "rank"],
        unique=True,
        postgresql_where=sa.text("state = 'SIGNED'"),
    )


def _ledger() -> None:
    op.alter_column("ledger_entry", "execution_id", nullable=True)
    op.drop_constraint("ledger_entry_execution_id_kind_venue_event_id_account_asset_key", "ledger_entry")
    op.create_index(
        "an_event_is_posted_once",
        "ledger_entry",
        [sa.text("coalesce(execution_id, '')"), "kind", "venue_event_id", "account", "asset"],
        unique=True,
    )
    op.create_index(op.f("ix_ledger_entry_execution_id"), "ledger_entry", ["execution_id"])


def _tasks() -> None:
    op.alter_column("operator_task", "execution_id", nullable=True)
    op.add_column("operator_task", sa.Column("wallet_id", sa.String(), nullable=True))
    op.execute("UPDATE operator_task t SET wallet_id = e.wallet_id FROM execution e WHERE e.id = t.execution_id")
    op.alter_column("operator_task", "wallet_id", nullable=False)
    op.create_foreign_key(None, "operator_task", "wallet", ["wallet_id"], ["id"])
    for name in ("resolution", "reason", "evidence", "resolved_by"):
        op.add_column("operator_task", sa.Column(name, sa.String(), nullable=True))
    op.drop_constraint("operator_task_execution_id_code_key", "operator_task")
    op.create_index(
        "one_open_task_per_code",
        "operator_task",
        [sa.text("coalesce(execution_id, '')"), "wallet_id", "code"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
