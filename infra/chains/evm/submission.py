"""Sending signed bytes. What a node answers is written down for people; whether it counts, the look-up says.

Nodes share no codes for "I have it already", only words, and each has its own. So a node that refuses is asked
for the transaction by its hash, and another one is offered the bytes unless it knows it.
"""

from typing import Final

from pydantic import TypeAdapter

from domain.errors import ChainUnavailable
from infra.chains.evm.answers import HASH
from infra.chains.evm.rpc import EvmNode, EvmRpc
from infra.chains.evm.transaction import transaction_hash
from infra.chains.json_rpc import RpcRefusal
from infra.venues.protocol import Receipt

_MAX_CHARACTERS: Final = 300  # of each node's words
_ANYTHING: Final = TypeAdapter(dict[str, object] | None)


async def submit(rpc: EvmRpc, raw: bytes) -> Receipt:
    """Offer the bytes to one node after the other, until one has them.

    Errors: CHAIN_UNAVAILABLE (retried), when no node gave any answer: they may or may not have arrived.
    """
    answers: list[str] = []
    silent = 0
    for node in rpc.nodes:
        try:
            has_them, said = await _offer(node, raw)
        except ChainUnavailable as error:
            silent, has_them, said = silent + 1, False, str(error)
        answers.append(said[:_MAX_CHARACTERS])
        if has_them:
            break
    if silent == len(rpc.nodes):
        raise ChainUnavailable("; ".join(answers))
    return Receipt("; ".join(answers))


async def _offer(node: EvmNode, raw: bytes) -> tuple[bool, str]:
    """Whether a node has the bytes now, and its words."""
    its_hash = transaction_hash(raw)
    try:
        answered = await node.call("eth_sendRawTransaction", ["0x" + raw.hex()], HASH)
    except RpcRefusal as refusal:
        return await _knows(node, its_hash), f"{node.host} refused it: {refusal}"
    if answered != its_hash:
        return False, f"{node.host} answered with the hash of something else, {answered}"
    return True, f"{node.host} took it as {answered}"


async def _knows(node: EvmNode, its_hash: str) -> bool:
    try:
        return await node.call("eth_getTransactionByHash", [its_hash], _ANYTHING) is not None
    except (ChainUnavailable, RpcRefusal):
        return False
