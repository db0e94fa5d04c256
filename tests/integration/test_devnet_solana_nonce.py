"""Durable nonces on the embedded Solana node: one transaction each, spent even by one that fails."""

from collections.abc import Iterator

import pytest
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    TransferParams,
    advance_nonce_account,
    create_nonce_account,
    transfer,
)
from solders.transaction import VersionedTransaction

from infra.devnet.solana import base58
from infra.devnet.solana.nonce import derived_from
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import PROCESSED, Wallet, status

AMOUNT = 10_000_000
RENT_LAMPORTS = 1_447_680  # of the 80 bytes of a nonce account
BLIND = {"skipPreflight": True}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(tmp_path_factory.mktemp("solana"), slot_ms=60_000) as running:
        yield running


class Durable(Wallet):
    """A wallet with a nonce account."""

    def __init__(self, node: SolanaNode) -> None:
        super().__init__(node)
        self.nonce = Keypair()
        made = create_nonce_account(self.address, self.nonce.pubkey(), self.address, RENT_LAMPORTS)
        message = MessageV0.try_compile(self.address, list(made), [], self.blockhash())
        self.send(VersionedTransaction(message, [self.key, self.nonce]))
        node.advance(1)

    def send(self, sent: VersionedTransaction) -> str:
        return str(self.node.call("sendTransaction", base58.encode(bytes(sent)), BLIND))

    def value(self) -> Hash:
        asked = {**PROCESSED, "encoding": "base58"}
        data = self.node.call("getAccountInfo", str(self.nonce.pubkey()), asked)["value"]["data"][0]
        return Hash(base58.decode(data)[40:72])

    def durable(self, *body: Instruction, value: Hash | None = None) -> VersionedTransaction:
        params = AdvanceNonceAccountParams(nonce_pubkey=self.nonce.pubkey(), authorized_pubkey=self.address)
        message = MessageV0.try_compile(self.address, [advance_nonce_account(params), *body], [], value or self.value())
        return VersionedTransaction(message, [self.key])

    def paying(self, to: Pubkey, lamports: int = AMOUNT) -> Instruction:
        return transfer(TransferParams(from_pubkey=self.address, to_pubkey=to, lamports=lamports))


def test_a_durable_transaction_outlives_every_blockhash_and_lands_once(node: SolanaNode) -> None:
    wallet, to = Durable(node), Keypair().pubkey()
    sent = wallet.durable(wallet.paying(to))
    node.advance(500)
    for _ in range(2):
        wallet.send(sent)
        node.advance(1)
    assert node.call("getBalance", str(to), PROCESSED)["value"] == AMOUNT


def test_of_two_transactions_on_one_nonce_only_the_first_lands(node: SolanaNode) -> None:
    wallet, first, second = Durable(node), Keypair().pubkey(), Keypair().pubkey()
    rivals = [wallet.durable(wallet.paying(to)) for to in (first, second)]
    signatures = [wallet.send(sent) for sent in rivals]
    node.advance(1)
    assert [status(node, signature) is None for signature in signatures] == [False, True]
    assert node.call("getBalance", str(second), PROCESSED)["value"] == 0


def test_a_body_that_fails_still_spends_the_nonce_and_the_fee(node: SolanaNode) -> None:
    wallet, to = Durable(node), Keypair().pubkey()
    value, lamports = wallet.value(), wallet.lamports()
    failed = wallet.send(wallet.durable(wallet.paying(to, lamports=10**15)))
    node.advance(1)
    assert status(node, failed)["err"] == {"InstructionError": [1, {"Custom": 1}]}
    assert wallet.lamports() == lamports - 5000
    assert wallet.value() != value
    rival = wallet.send(wallet.durable(wallet.paying(to), value=value))
    node.advance(1)
    assert status(node, rival) is None
    fresh = wallet.send(wallet.durable(wallet.paying(to)))
    node.advance(1)
    assert status(node, fresh)["err"] is None


def test_a_nonce_does_not_advance_twice_in_one_block(node: SolanaNode) -> None:
    wallet, first, second = Durable(node), Keypair().pubkey(), Keypair().pubkey()
    node.advance(1)
    next_value = derived_from(wallet.blockhash())
    wallet.send(wallet.durable(wallet.paying(first)))
    early = wallet.durable(wallet.paying(second), value=next_value)
    signature = wallet.send(early)
    node.advance(1)
    assert wallet.value() == next_value
    assert status(node, signature) is None
    wallet.send(early)
    node.advance(1)
    assert status(node, signature)["err"] is None


def test_a_stranger_cannot_ride_on_anothers_nonce(node: SolanaNode) -> None:
    wallet, stranger = Durable(node), Wallet(node)
    params = AdvanceNonceAccountParams(nonce_pubkey=wallet.nonce.pubkey(), authorized_pubkey=stranger.address)
    message = MessageV0.try_compile(stranger.address, [advance_nonce_account(params)], [], wallet.value())
    value = wallet.value()
    signature = wallet.send(VersionedTransaction(message, [stranger.key]))
    node.advance(1)
    assert status(node, signature) is None
    assert wallet.value() == value
