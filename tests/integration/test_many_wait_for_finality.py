"""What a crowd that waits for finality costs: calls a batch, whatever its number, and no sending. On a real node."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from solders.hash import Hash
from solders.keypair import Keypair

from domain.attempts import MAX_ATTEMPTS, REBROADCAST_EVERY, Fate, Move, Sighting, Try, next_move
from domain.intents import LegKind, Slot
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.gathering import MAX_BATCH, GatheredLookUps
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Sent
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, Wallet

CROWD = 100
NEVER = datetime.max.replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    """A node whose time stands still but for `advance`."""
    with solana_node(Path(tmp_path_factory.mktemp("solana")), slot_ms=60_000) as node:
        yield node


@dataclass
class Counted:
    """A venue whose calls are counted."""

    venue: JupiterVenue
    calls: list[str]


@pytest.fixture
async def counted(node: SolanaNode) -> AsyncIterator[Counted]:
    calls: list[str] = []

    async def count(request: httpx.Request) -> None:
        calls.append(request.content.decode())

    async with httpx.AsyncClient(event_hooks={"request": [count]}) as http:
        yield Counted(JupiterVenue(JupiterApi("http://jupiter.test", http), SolanaRpc((node.rpc_url,), http)), calls)


def crowd(node: SolanaNode, size: int, *, landed: bool) -> list[Sent]:
    """Signed transfers of as many wallets; in a block that is not final yet, or waiting to be sent."""
    found = []
    latest = node.call("getLatestBlockhash", {"commitment": "confirmed"})["value"]
    for _ in range(size):
        wallet = Wallet(node, lamports=10**9 if landed else 0)
        encoded = wallet.sign_transfer(Keypair().pubkey(), 10**6, Hash.from_string(latest["blockhash"]))
        raw = base64.b64decode(encoded)
        own = str(wallet.key.sign_message(raw[65:]))
        ref = node.call("sendTransaction", encoded, BLIND) if landed else own
        slot = Slot(latest["blockhash"], latest["lastValidBlockHeight"])
        found.append(Sent(raw, ref, slot, str(wallet.address)))
    node.advance(1)
    return found


async def followed(venue: JupiterVenue, sent: list[Sent]) -> list[Sighting]:
    """One look for each, all at once, as the steps of as many executions look."""
    gathered = GatheredLookUps(venue)
    answers = await asyncio.gather(*(gathered.look_up((one,)) for one in sent))
    return [sighting for (sighting,) in answers]


@pytest.mark.parametrize("landed", [True, False])
async def test_a_look_costs_two_calls_however_many_wait(node: SolanaNode, counted: Counted, landed: bool) -> None:
    waiting = crowd(node, CROWD if landed else MAX_BATCH, landed=landed)
    seen = await followed(counted.venue, waiting)
    assert {one.fate for one in seen} == {Fate.PENDING}
    assert len(counted.calls) == 2


async def test_a_crowd_that_died_together_costs_four_calls_for_the_proof(node: SolanaNode, counted: Counted) -> None:
    waiting = crowd(node, CROWD, landed=False)
    node.advance(160)
    seen = await followed(counted.venue, waiting)
    assert {one.fate for one in seen} == {Fate.DEAD}
    assert len(counted.calls) == 4


async def test_what_waits_for_finality_is_not_sent_again(node: SolanaNode, counted: Counted) -> None:
    waiting = crowd(node, CROWD, landed=True)
    signed = datetime.now(UTC)
    later = signed + REBROADCAST_EVERY * 2
    for sent, seen in zip(waiting, await followed(counted.venue, waiting), strict=True):
        assert seen.seen
        tried = (Try(1, sent.slot.nonce, seen, signed, signed),)
        assert next_move(tried, later, MAX_ATTEMPTS[LegKind.SWAP], NEVER) is Move.WAIT
    node.advance(node.options["--finalized-lag"])
    assert {one.fate for one in await followed(counted.venue, waiting)} == {Fate.LANDED}


async def test_what_is_in_no_block_is_sent_again(node: SolanaNode, counted: Counted) -> None:
    (waiting,) = crowd(node, 1, landed=False)
    (seen,) = await followed(counted.venue, [waiting])
    signed = datetime.now(UTC)
    tried = (Try(1, waiting.slot.nonce, seen, signed, signed),)
    later = signed + timedelta(seconds=3)
    assert next_move(tried, later, MAX_ATTEMPTS[LegKind.SWAP], NEVER) is Move.REBROADCAST


async def test_what_a_fork_dropped_is_sent_again_and_lands_once(node: SolanaNode, counted: Counted) -> None:
    node.advance(3)
    (waiting,) = crowd(node, 1, landed=True)
    (seen,) = await followed(counted.venue, [waiting])
    assert seen.seen
    node.fork(1)
    (dropped,) = await followed(counted.venue, [waiting])
    assert (dropped.fate, dropped.seen) == (Fate.PENDING, False)
    await counted.venue.submit(waiting.payload)
    node.advance(1 + node.options["--finalized-lag"])
    (landed,) = await followed(counted.venue, [waiting])
    assert (landed.fate, landed.succeeded) == (Fate.LANDED, True)
