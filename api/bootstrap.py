"""The first keys of an installation: `python -m api.bootstrap [--keys-file FILE]`. Again prints the same."""

import argparse
import asyncio
import json
import sys
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from domain import identity
from infra.config import load_settings
from infra.db.book import Book
from infra.db.owners import Owners
from infra.devnet.state import write_private

LIFETIME_DAYS = 365
DEMO_OWNER = "demo"


class Keys(BaseModel):
    """Plain keys, for whoever sets an installation up. The book has only their hashes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    admin_key: str
    owner_id: str
    owner_key: str


async def ensure(owners: Owners, keys_file: Path | None) -> Keys:
    """The keys in the file if the book still takes both, else new ones, which are then in the file."""
    kept = _kept(keys_file) if keys_file else None
    if kept and await _valid(owners, kept):
        return kept
    made = await _make(owners)
    if keys_file:
        write_private(keys_file, made.model_dump_json().encode())
    return made


def _kept(keys_file: Path) -> Keys | None:
    try:
        return Keys.model_validate_json(keys_file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


async def _valid(owners: Owners, keys: Keys) -> bool:
    admin, owner = await owners.key_of(keys.admin_key), await owners.key_of(keys.owner_key)
    return bool(admin and "admin" in admin.scopes and owner and owner.owner_id == keys.owner_id)


async def _make(owners: Owners) -> Keys:
    owner = await owners.add(identity.owner_id(DEMO_OWNER), DEMO_OWNER)
    return Keys(
        admin_key=await _new_key(owners, None, "bootstrap admin", ("admin", "read")),
        owner_id=owner.id,
        owner_key=await _new_key(owners, owner.id, "bootstrap owner", ("read", "trade")),
    )


async def _new_key(owners: Owners, owner_id: str | None, name: str, scopes: tuple[str, ...]) -> str:
    key_id = identity.api_key_id("bootstrap", str(uuid.uuid4()))
    added = await owners.add_key(key_id, owner_id, name, scopes, LIFETIME_DAYS)
    if added.secret is None:
        raise RuntimeError(f"{key_id} was drawn twice")
    return added.secret


async def _run(keys_file: Path | None) -> Keys:
    book = Book.open(load_settings().database_url)
    try:
        return await ensure(Owners(book), keys_file)
    finally:
        await book.close()


def main() -> None:
    """Print one line of JSON: admin_key, owner_id, owner_key."""
    parser = argparse.ArgumentParser(prog="python -m api.bootstrap", description=__doc__)
    parser.add_argument("--keys-file", type=Path, help="keeps the plain keys (0600), so that a second run has them")
    keys = asyncio.run(_run(parser.parse_args().keys_file))
    sys.stdout.write(json.dumps(keys.model_dump()) + "\n")


if __name__ == "__main__":
    main()
