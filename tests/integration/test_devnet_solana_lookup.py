"""Address lookup tables on the embedded Solana node: made by transaction, then used by others."""

import base64
import struct
from collections.abc import Iterator

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount, derive_lookup_table_address
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from infra.chains.solana.addresses import LOOKUP_TABLE_PROGRAM, SYSTEM_PROGRAM
from tests.world.solana import SolanaNode, solana_node
from tests.world.solana_wallet import BLIND, PROCESSED, Wallet, record, status

AMOUNT = 10_000_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolanaNode]:
    with solana_node(tmp_path_factory.mktemp("solana"), slot_ms=60_000) as running:
        yield running


def make_table(wallet: Wallet, addresses: list[Pubkey]) -> AddressLookupTableAccount:
    """Create and extend, as two instructions of one landed transaction."""
    wallet.node.advance(1)
    slot = wallet.node.call("getSlot")
    table, bump = derive_lookup_table_address(wallet.address, slot)
    payer = AccountMeta(wallet.address, is_signer=True, is_writable=True)
    accounts = [
        AccountMeta(table, is_signer=False, is_writable=True),
        AccountMeta(wallet.address, is_signer=True, is_writable=False),
        payer,
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
    ]
    create = struct.pack("<IQB", 0, slot, bump)
    extend = struct.pack("<IQ", 2, len(addresses)) + b"".join(map(bytes, addresses))
    landed = wallet.land(
        Instruction(LOOKUP_TABLE_PROGRAM, create, accounts), Instruction(LOOKUP_TABLE_PROGRAM, extend, accounts)
    )
    assert landed["meta"]["err"] is None, landed["meta"]
    return AddressLookupTableAccount(table, addresses)


def through(wallet: Wallet, table: AddressLookupTableAccount, to: Pubkey) -> str:
    move = transfer(TransferParams(from_pubkey=wallet.address, to_pubkey=to, lamports=AMOUNT))
    message = MessageV0.try_compile(wallet.address, [move], [table], wallet.blockhash())
    assert message.address_table_lookups
    return base64.b64encode(bytes(VersionedTransaction(message, [wallet.key]))).decode()


def test_an_account_named_through_a_table_is_paid_and_shown_as_loaded(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    table = make_table(wallet, [Keypair().pubkey(), to])
    asked = {**PROCESSED, "encoding": "base64"}
    assert node.call("simulateTransaction", through(wallet, table, to), asked)["value"]["err"] is None
    signature = node.call("sendTransaction", through(wallet, table, to), BLIND)
    node.advance(5)
    assert node.call("getBalance", str(to))["value"] == AMOUNT
    meta = record(node, signature)["meta"]
    assert meta["loadedAddresses"] == {"writable": [str(to)], "readonly": []}
    paid = [after - before for before, after in zip(meta["preBalances"], meta["postBalances"], strict=True)]
    assert paid == [-AMOUNT - 5000, 0, AMOUNT]  # static accounts first, then the loaded ones
    assert node.call("getSignaturesForAddress", str(to))[0]["signature"] == signature
    keys = node.call("getTransaction", signature, {"encoding": "jsonParsed", "maxSupportedTransactionVersion": 0})[
        "transaction"
    ]["message"]["accountKeys"]
    assert keys[2] == {"pubkey": str(to), "signer": False, "source": "lookupTable", "writable": True}


def test_a_table_that_is_not_there_stops_the_transaction(node: SolanaNode) -> None:
    wallet, to = Wallet(node), Keypair().pubkey()
    nowhere = AddressLookupTableAccount(Keypair().pubkey(), [to])
    bytes_sent = through(wallet, nowhere, to)
    asked = {**PROCESSED, "encoding": "base64"}
    told = node.call("simulateTransaction", bytes_sent, asked)["value"]
    assert told["err"] == "AddressLookupTableNotFound"
    signature = node.call("sendTransaction", bytes_sent, BLIND)
    node.advance(1)
    assert status(node, signature) is None
    assert wallet.lamports() == 10**9
