"""The revisions make the very tables that the code declares."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel

import infra.db.tables  # noqa: F401  importing it declares the tables
from infra.db.book import Book


async def test_the_revisions_and_the_declared_tables_are_the_same(book: Book) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), SQLModel.metadata))

    async with book.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_auditors_views_have_their_columns(book: Book) -> None:
    wanted = {
        "v_execution": "execution_id trigger_id rule_id owner_id wallet_id venue workflow_id status created_at "
        "updated_at",
        "v_attempt": "execution_id leg_no attempt_no venue_ref nonce payload_sha256 fate allocated_at signed_at "
        "first_sent_at final_at",
        "v_ledger": "entry_id execution_id account asset amount kind venue_event_id booked_at",
    }
    async with book.begin() as tx:
        for view, columns in wanted.items():
            rows = await tx.rows("SELECT column_name FROM information_schema.columns WHERE table_name = :v", v=view)
            assert {row["column_name"] for row in rows} == set(columns.split())
