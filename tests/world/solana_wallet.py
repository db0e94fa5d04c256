"""A person with a key at a Solana node: signs, sends, looks."""

import base64
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.world.solana import SolanaNode

PROCESSED = {"commitment": "processed"}
SEND = {"encoding": "base64", "preflightCommitment": "processed"}
BLIND = {"encoding": "base64", "skipPreflight": True}


class Wallet:
    """One key, and the node it talks to."""

    def __init__(self, node: SolanaNode, lamports: int = 10**9) -> None:
        self.node, self.key = node, Keypair()
        if lamports:
            node.give_lamports(self.key.pubkey(), lamports)

    @property
    def address(self) -> Pubkey:
        return self.key.pubkey()

    def lamports(self, commitment: str = "processed") -> int:
        answer = self.node.call("getBalance", str(self.address), {"commitment": commitment})
        return int(answer["value"])

    def blockhash(self, commitment: str = "processed") -> Hash:
        answer = self.node.call("getLatestBlockhash", {"commitment": commitment})
        return Hash.from_string(answer["value"]["blockhash"])

    def sign(self, *instructions: Instruction, blockhash: Hash | None = None) -> str:
        """A signed v0 transaction, in base64."""
        used = blockhash or self.blockhash()
        message = MessageV0.try_compile(self.address, list(instructions), [], used)
        return base64.b64encode(bytes(VersionedTransaction(message, [self.key]))).decode()

    def sign_transfer(self, to: Pubkey, lamports: int, blockhash: Hash | None = None) -> str:
        params = TransferParams(from_pubkey=self.address, to_pubkey=to, lamports=lamports)
        return self.sign(transfer(params), blockhash=blockhash)

    def land(self, *instructions: Instruction) -> dict[str, Any]:
        """Send without preflight, make it final at once, and read the record."""
        signature = self.node.call("sendTransaction", self.sign(*instructions), BLIND)
        self.node.advance(1 + self.node.options["--finalized-lag"])
        return record(self.node, signature)


def record(node: SolanaNode, signature: str, commitment: str = "finalized") -> dict[str, Any]:
    """`getTransaction` of one that must be there."""
    asked = {"commitment": commitment, "maxSupportedTransactionVersion": 0}
    found = node.call("getTransaction", signature, asked)
    assert found is not None, f"no transaction {signature} at {commitment}"
    return dict(found)


def status(node: SolanaNode, signature: str, search: bool = True) -> Any:
    """One entry of `getSignatureStatuses`."""
    answer = node.call("getSignatureStatuses", [signature], {"searchTransactionHistory": search})
    return answer["value"][0]
