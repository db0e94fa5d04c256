"""After a swap the wallet's key is looked for wherever a copy could have stayed."""

import asyncio
import base64
import json
import re

from solders.keypair import Keypair
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from infra.devnet.world import World
from tests.e2e.opened_key import opened_key
from tests.e2e.trader import Trader


def spellings(seed: bytes) -> list[bytes]:
    """The ways in which a key could be written down."""
    pair = Keypair.from_seed(seed)
    base64_core = base64.b64encode(seed)[:40]
    return [
        seed,
        seed.hex().encode(),
        seed.hex().upper().encode(),
        base64_core,
        base64.urlsafe_b64encode(seed)[:40],
        str(pair).encode(),  # base58 of seed and public key
        json.dumps(list(seed))[1:-1].encode(),
        json.dumps(list(seed), separators=(",", ":"))[1:-1].encode(),
    ]


def found(haystack: bytes, seed: bytes) -> list[str]:
    squeezed = re.sub(rb"\s", b"", haystack)
    return [repr(needle[:6]) for needle in spellings(seed) if needle in haystack or needle in squeezed]


async def test_the_wallets_key_is_in_no_history_log_or_table_after_a_swap(trader: Trader, world: World) -> None:
    execution = await trader.ended(await trader.fire(await trader.active_rule()))
    assert execution["status"] == "SETTLED"
    seed = await opened_key(world.env, trader.wallet_id)

    tables = await _dump(world.env["TRIPWIRE_DATABASE_URL"])
    histories = await _histories(
        world.env["TEMPORAL_ADDRESS"], [execution["workflow_id"], f"wallet/{trader.wallet_id}"]
    )
    logs = b"".join(file.read_bytes() for file in sorted((world.state / "logs").iterdir()))
    places = {"database": tables, "histories": histories, "logs": logs}
    assert trader.wallet_id.encode() in tables, "the dump has this wallet's row"
    assert trader.wallet_id.encode() in histories, "the histories are this wallet's"
    assert b"ready" in logs
    assert {place: found(content, seed) for place, content in places.items()} == {place: [] for place in places}


async def test_the_search_finds_a_key_in_each_of_its_spellings() -> None:
    seed = bytes(range(7, 39))
    for spelling in spellings(seed):
        assert found(b"before " + spelling + b" after", seed)


async def _dump(url: str) -> bytes:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        names = await connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
        )
        rows = [
            str(row)
            for (name,) in names.all()
            for row in (await connection.execute(text(f'SELECT CAST(t AS text) FROM "{name}" t'))).scalars()
        ]
    await engine.dispose()
    return "\n".join(rows).encode()


async def _histories(address: str, workflow_ids: list[str]) -> bytes:
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    found = await asyncio.gather(*(client.get_workflow_handle(one).fetch_history() for one in workflow_ids))
    whole = b"".join(event.SerializeToString() for history in found for event in history.events)
    return whole + "".join(history.to_json() for history in found).encode()
