"""Alembic's entry: runs the revisions on the connection that `infra.db.migrate` hands over."""

from alembic import context
from sqlmodel import SQLModel

import infra.db.tables  # noqa: F401  importing it declares the tables

context.configure(connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
