"""Remembers when an execution that does not move was last looked at, so that each is looked at in its turn."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("execution", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "execution_open",
        "execution",
        [sa.text("looked_at NULLS FIRST")],
        postgresql_where=sa.text("status NOT IN ('SETTLED', 'BLOCKED', 'FAILED', 'CANCELLED')"),
    )
    op.create_index("settlement_by_time", "settlement", ["settled_at"])
