"""Bring the database to the newest revision: `python -m infra.db.migrate`."""

import asyncio
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from infra.config import load_settings

HERE = Path(__file__).parent

# Names this job among Postgres's advisory locks: two starts at once migrate one after the other.
_MIGRATION_LOCK = 7_002


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_locations", str(HERE / "versions"))
    config.set_main_option("path_separator", "os")
    return config


async def migrate(url: str) -> str:
    """Upgrade to head, all or nothing. Returns the newest revision's name."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def _upgrade(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def main() -> None:
    revision = asyncio.run(migrate(load_settings().database_url))
    sys.stdout.write(f"database at revision {revision}\n")


if __name__ == "__main__":
    main()
