"""The fate of sent transactions. Absence is believed only where nothing can be missing.

Source of the rule: a transaction may be in a block only while the block height is at most its blockhash's
last valid one. Once a finalized block is higher, all blocks that could hold it are settled. A node that has
them all, and says "not there" after it knew of that block, tells the truth for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter

from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable
from infra.chains.solana.answers import BlockHead, EpochInfo, InContext, SignatureStatus
from infra.chains.solana.rpc import RpcRefusal, SolanaNode
from infra.venues.protocol import Sent

MAX_SIGNATURES: Final = 256  # Source: MAX_GET_SIGNATURE_STATUSES_QUERY_ITEMS of the validator
BLOCKHASH_LIFE: Final = 150  # blocks. Source: MAX_PROCESSING_AGE of the validator
FINALIZED: Final = {"commitment": "finalized"}

_EPOCH = TypeAdapter(EpochInfo)
_STATUSES = TypeAdapter(InContext[list[SignatureStatus | None]])
_SLOT = TypeAdapter(int)
_HEAD = TypeAdapter(BlockHead | None)


async def seconded(
    node: SolanaNode, others: Sequence[SolanaNode], sent: tuple[Sent, ...], seen: tuple[Sighting, ...]
) -> tuple[Sighting, ...]:
    """What `node` saw, where `others` are there with every death proven by one of them as well, else UNKNOWN.

    The proof then holds the answers of both. One node alone may be led astray by its own defect or its provider.
    """
    dead = [at for at, sighting in enumerate(seen) if sighting.fate is Fate.DEAD]
    if not others or not dead:
        return seen
    found = dict(enumerate(seen))
    for at in dead:
        alone = f"dead to {node.host} alone: no second node proves it; see that another one answers"
        found[at] = replace(seen[at], fate=Fate.UNKNOWN, proof=(), detail=alone)
    for other in others:
        asked = [at for at in dead if found[at].fate is Fate.UNKNOWN]
        try:
            said = await sightings(other, tuple(sent[at] for at in asked)) if asked else ()
        except (ChainUnavailable, RpcRefusal):
            continue
        for at, second in zip(asked, said, strict=True):
            if second.fate is Fate.DEAD:
                proof = tuple((f"second_{name}", value) for name, value in second.proof)
                found[at] = replace(seen[at], proof=seen[at].proof + proof)
            elif second.seen or second.fate is Fate.LANDED:
                dead.remove(at)  # no third node outvotes one that has it
                contradiction = f"dead to {node.host}, but {other.host} sees it: {second.detail}"
                found[at] = replace(found[at], detail=contradiction)
    return tuple(found.values())


async def sightings(node: SolanaNode, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
    """Look at every attempt through one node: halves of a proof from two nodes do not add up to one.

    The height is read before the statuses: whatever could still land was then already settled.
    Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal.
    """
    head = await node.call("getEpochInfo", [FINALIZED], _EPOCH)
    looks: list[_Look] = []
    for start in range(0, len(sent), MAX_SIGNATURES):
        chunk = sent[start : start + MAX_SIGNATURES]
        params: list[Any] = [[one.venue_ref for one in chunk], {"searchTransactionHistory": True}]
        answer = await node.call("getSignatureStatuses", params, _STATUSES)
        if len(answer.value) != len(chunk):
            raise ChainUnavailable(f"{node.host} answered for {len(answer.value)} of {len(chunk)} signatures")
        looks += [_Look(one, status, answer.context.slot) for one, status in zip(chunk, answer.value, strict=True)]
    overdue = [one.sent for one in looks if not one.status and head.block_height > one.sent.slot.valid_until]
    oldest = await _oldest_height(node, min(map(_born, overdue))) if overdue else None
    return tuple(_sighting(node.host, look, head, oldest) for look in looks)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a node said of one attempt, and the slot of the bank that said it."""

    sent: Sent
    status: SignatureStatus | None
    slot: int


def _sighting(host: str, look: _Look, head: EpochInfo, oldest: int | None) -> Sighting:
    height, valid_until, status = head.block_height, look.sent.slot.valid_until, look.status

    def unproven(why: str) -> Sighting:
        return Sighting(Fate.UNKNOWN, head=height, detail=f"absent, but {host} {why}")

    if status is not None and status.confirmation == "finalized":
        outcome = "succeeded" if status.err is None else f"failed with {status.err}"
        said = f"{outcome} in slot {status.slot}"
        return Sighting(Fate.LANDED, succeeded=status.err is None, head=height, detail=said)
    if status is not None:
        return Sighting(Fate.PENDING, head=height, detail=f"in slot {status.slot}, not yet final", seen=True)
    if height <= valid_until:
        until = f"not seen; it may land until block height {valid_until}, now {height}"
        return Sighting(Fate.PENDING, head=height, detail=until)
    if look.slot < head.slot:
        return unproven("answered from before the finalized block")
    if oldest is None or oldest > _born(look.sent):
        return unproven("does not hold all the blocks it could be in")
    return Sighting(
        Fate.DEAD,
        head=height,
        detail=f"absent, and block height {height} is final, past its last one {valid_until}",
        proof=(
            ("finalized_block_height", str(height)),
            ("finalized_slot", str(head.slot)),
            ("last_valid_block_height", str(valid_until)),
            ("status_slot", str(look.slot)),
            ("oldest_block_height_at_most", str(oldest)),
            ("node", host),
        ),
    )


def _born(sent: Sent) -> int:
    """The height of the block whose hash an attempt carries: it can only be in a later one."""
    return sent.slot.valid_until - BLOCKHASH_LIFE


async def _oldest_height(node: SolanaNode, needed: int) -> int | None:
    """At most how high the oldest block is that a node holds; nothing, if it cannot tell.

    A height never exceeds its slot, so a slot low enough will do, and the block need not be asked for.
    """
    options = {
        **FINALIZED,
        "transactionDetails": "none",
        "rewards": False,
        "maxSupportedTransactionVersion": 0,
    }
    try:
        slot = await node.call("getFirstAvailableBlock", [], _SLOT)
        if slot <= needed:
            return slot
        head = await node.call("getBlock", [slot, options], _HEAD)
    except (ChainUnavailable, RpcRefusal):
        return None  # the proof is missing, the sightings of the others still stand
    return head.block_height if head else None
