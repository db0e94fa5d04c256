"""Which transactions of a wallet are a stranger's work: against a real node that holds gifts, ours and theirs."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from domain.errors import ChainUnavailable
from domain.wallets import Wallet as Ours
from infra.alerts import ALERTS
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.jupiter import strangers
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Known
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, Wallet, record


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(Path(tmp_path_factory.mktemp("solana"))) as node:
        yield node


@pytest.fixture
async def venue(node: SolanaNode) -> AsyncIterator[JupiterVenue]:
    async with httpx.AsyncClient() as http:
        yield JupiterVenue(JupiterApi("http://jupiter.test", http), SolanaRpc((node.rpc_url,), http))


def wallet_of(address: Pubkey) -> Ours:
    return Ours("w", "o", "solana", "solana", str(address), "none", False, datetime.now(UTC), {})


def knowing(*refs: str) -> Known:
    return Known(frozenset(refs), 0)


def sent_by(wallet: Wallet, to: Pubkey, lamports: int = 1_000_000) -> str:
    """A transfer's signature, once it is final."""
    params = TransferParams(from_pubkey=wallet.address, to_pubkey=to, lamports=lamports)
    return str(wallet.land(transfer(params))["transaction"]["signatures"][0])


async def test_what_the_book_holds_and_what_others_sent_is_no_stranger(node: SolanaNode, venue: JupiterVenue) -> None:
    wallet, giver = Wallet(node), Wallet(node)
    ours = sent_by(wallet, giver.address)
    sent_by(giver, wallet.address)
    assert await venue.strangers(wallet_of(wallet.address), knowing(ours)) == ()


async def test_what_the_wallet_signed_and_the_book_does_not_hold_is_named(
    node: SolanaNode, venue: JupiterVenue
) -> None:
    wallet = Wallet(node)
    ours, theirs = (sent_by(wallet, Keypair().pubkey()) for _ in range(2))
    (said,) = await venue.strangers(wallet_of(wallet.address), knowing(ours))
    assert theirs in said
    assert str(record(node, theirs)["slot"]) in said


async def test_a_transaction_that_failed_was_signed_all_the_same(node: SolanaNode, venue: JupiterVenue) -> None:
    wallet = Wallet(node)
    signature = sent_by(wallet, Keypair().pubkey(), lamports=10**12)
    assert record(node, signature)["meta"]["err"] is not None
    (said,) = await venue.strangers(wallet_of(wallet.address), knowing())
    assert signature in said


async def test_what_is_not_final_yet_is_left_for_the_next_look(node: SolanaNode, venue: JupiterVenue) -> None:
    wallet = Wallet(node)
    node.control("clock", slot_ms=60_000)
    node.advance(1)  # the slot that was due at the old pace
    signature = node.call("sendTransaction", wallet.sign_transfer(Keypair().pubkey(), 10**6), BLIND)
    node.advance(1)
    try:
        assert await venue.strangers(wallet_of(wallet.address), knowing()) == ()
        node.advance(node.options["--finalized-lag"])
        (said,) = await venue.strangers(wallet_of(wallet.address), knowing())
    finally:
        node.control("clock", slot_ms=node.options["--slot-ms"])
        node.advance(1)
    assert signature in said


async def test_the_search_goes_from_page_to_page(
    node: SolanaNode, venue: JupiterVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "PAGE", 2)
    wallet = Wallet(node)
    oldest, *others = (sent_by(wallet, Keypair().pubkey()) for _ in range(5))
    (said,) = await venue.strangers(wallet_of(wallet.address), knowing(*others))
    assert oldest in said


@pytest.mark.parametrize("bound", ["MAX_PAGES", "MAX_READ"])
async def test_a_search_that_its_bounds_ended_calls_a_person_and_accuses_nobody(
    node: SolanaNode, venue: JupiterVenue, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(strangers, "PAGE", 2)
    monkeypatch.setattr(strangers, bound, 1)
    wallet, giver = Wallet(node), Wallet(node)
    for _ in range(3):
        sent_by(giver, wallet.address)
    called = ALERTS.labels("HISTORY_NOT_READ")
    before = called._value.get()
    assert await venue.strangers(wallet_of(wallet.address), knowing()) == ()
    assert called._value.get() == before + 1


@pytest.mark.parametrize("method", ["getSignaturesForAddress", "getTransaction"])
async def test_a_history_that_cannot_be_read_is_no_clean_one(
    node: SolanaNode, venue: JupiterVenue, method: str
) -> None:
    wallet = Wallet(node)
    sent_by(wallet, Keypair().pubkey())
    node.fault(method, "status", status=503)
    with pytest.raises(ChainUnavailable):
        await venue.strangers(wallet_of(wallet.address), knowing())
