"""The fate of sent transactions. Absence is believed only where nothing can be missing.

Source of the rule: a transaction may be in a block only while the block height is at most its blockhash's
last valid one. Once a finalized block is higher, all blocks that could hold it are settled. A node that has
them all, and says "not there" after it knew of that block, tells the truth for ever. On a durable nonce the
same holds once a finalized block has given the nonce another value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter

from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.answers import BlockHead, EpochInfo, InContext, SignatureStatus
from infra.chains.solana.nonce_account import Nonce, nonces_at
from infra.chains.solana.rpc import SolanaNode
from infra.venues.jupiter.durable import Durable, cancels, durable_of
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
    durables = {one.venue_ref: durable for one in sent if (durable := durable_of(one.slot))}
    nonces = await nonces_at(node, sorted({durable.account for durable in durables.values()}))
    looks: list[_Look] = []
    for start in range(0, len(sent), MAX_SIGNATURES):
        chunk = sent[start : start + MAX_SIGNATURES]
        params: list[Any] = [[one.venue_ref for one in chunk], {"searchTransactionHistory": True}]
        answer = await node.call("getSignatureStatuses", params, _STATUSES)
        if len(answer.value) != len(chunk):
            raise ChainUnavailable(f"{node.host} answered for {len(answer.value)} of {len(chunk)} signatures")
        for one, status in zip(chunk, answer.value, strict=True):
            durable = durables.get(one.venue_ref)
            nonce = nonces[durable.account] if durable else None
            looks.append(_Look(one, status, answer.context.slot, durable, nonce))
    dying = [look for look in looks if look.status is None and look.outlived(head)]
    heights = [look.born_height for look in dying if look.durable is None]
    oldest = await _oldest(node, min(heights, default=None)) if dying else None
    return tuple(_sighting(node.host, look, head, oldest) for look in looks)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a node said of one attempt, and the slot of the bank that said it. `nonce`: the finalized one of its own."""

    sent: Sent
    status: SignatureStatus | None
    slot: int
    durable: Durable | None
    nonce: Nonce | None

    @property
    def born_height(self) -> int:
        """The height of the block whose hash an attempt carries: it can only be in a later one."""
        return self.sent.slot.valid_until - BLOCKHASH_LIFE

    def outlived(self, head: EpochInfo) -> bool:
        """Whether no block to come may hold it: by its height, or as its nonce has another value."""
        if self.durable and self.nonce:
            return self.nonce.value not in (None, self.durable.value)
        return head.block_height > self.sent.slot.valid_until


@dataclass(frozen=True, slots=True)
class _Oldest:
    """The first block that a node still holds: its slot, and at most its height, where that was asked for."""

    slot: int
    height: int | None


def _sighting(host: str, look: _Look, head: EpochInfo, oldest: _Oldest | None) -> Sighting:
    height, status = head.block_height, look.status
    if status is not None and status.confirmation == "finalized":
        outcome = "succeeded" if status.err is None else f"failed with {status.err}"
        succeeded = status.err is None and not cancels(look.sent)
        said = f"{outcome} in slot {status.slot}" + (", a cancellation" if cancels(look.sent) else "")
        return Sighting(Fate.LANDED, succeeded=succeeded, head=height, detail=said)
    if status is not None:
        return Sighting(Fate.PENDING, head=height, detail=f"in slot {status.slot}, not yet final", seen=True)
    if look.durable and look.nonce:
        return _absent_durable(host, look, look.durable, look.nonce, head, oldest)
    return _absent(host, look, head, oldest)


def _absent(host: str, look: _Look, head: EpochInfo, oldest: _Oldest | None) -> Sighting:
    """Dead once its last height is final, to a node that holds every block it could be in."""
    height, valid_until = head.block_height, look.sent.slot.valid_until
    if not look.outlived(head):
        until = f"not seen; it may land until block height {valid_until}, now {height}"
        return Sighting(Fate.PENDING, head=height, detail=until)
    if look.slot < head.slot:
        return _unproven(host, head, "answered from before the finalized block")
    if oldest is None or oldest.height is None or oldest.height > look.born_height:
        return _unproven(host, head, "does not hold all the blocks it could be in")
    return Sighting(
        Fate.DEAD,
        head=height,
        detail=f"absent, and block height {height} is final, past its last one {valid_until}",
        proof=(
            ("finalized_block_height", str(height)),
            ("finalized_slot", str(head.slot)),
            ("last_valid_block_height", str(valid_until)),
            ("status_slot", str(look.slot)),
            ("oldest_block_height_at_most", str(oldest.height)),
            ("node", host),
        ),
    )


def _absent_durable(
    host: str, look: _Look, durable: Durable, nonce: Nonce, head: EpochInfo, oldest: _Oldest | None
) -> Sighting:
    """Dead once its nonce has another value that is final, to a node that holds every block since it was read.

    A node from before that reading would show an older value, which says nothing.
    """
    if nonce.slot < durable.born:
        return _unproven(host, head, f"tells of slot {nonce.slot}, its nonce was read in slot {durable.born}")
    if nonce.value is None:
        return _unproven(host, head, f"shows no nonce account at {durable.account}")
    if not look.outlived(head):
        return Sighting(
            Fate.PENDING,
            head=head.block_height,
            detail="not seen; it may land until its nonce is used up",
            raisable=nonce.slot - durable.born > BLOCKHASH_LIFE,
        )
    if look.slot < nonce.slot:
        return _unproven(host, head, "answered from before the block that shows its nonce")
    if oldest is None or oldest.slot > durable.born:
        return _unproven(host, head, "does not hold all the blocks it could be in")
    return Sighting(
        Fate.DEAD,
        head=head.block_height,
        detail=f"absent, and its nonce account {durable.account} holds another value in slot {nonce.slot}",
        proof=(
            ("nonce_account", durable.account),
            ("nonce_value", durable.value),
            ("nonce_value_seen", nonce.value),
            ("finalized_slot", str(nonce.slot)),
            ("status_slot", str(look.slot)),
            ("born_slot", str(durable.born)),
            ("oldest_slot", str(oldest.slot)),
            ("node", host),
        ),
    )


def _unproven(host: str, head: EpochInfo, why: str) -> Sighting:
    return Sighting(Fate.UNKNOWN, head=head.block_height, detail=f"absent, but {host} {why}")


async def _oldest(node: SolanaNode, height_needed: int | None) -> _Oldest | None:
    """The oldest block that a node holds; nothing, if it cannot tell.

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
        if height_needed is None or slot <= height_needed:
            return _Oldest(slot, slot)
        head = await node.call("getBlock", [slot, options], _HEAD)
    except (ChainUnavailable, RpcRefusal):
        return None  # the proof is missing, the sightings of the others still stand
    return _Oldest(slot, head.block_height if head else None)
