"""The fate of sent transactions. That something is absent is never believed; that a rival is final is.

Source of the rule: an account's nonces are used once each and in order, so of all payloads with one nonce at
most one ever lands. When one of ours is in a final block, the others of its nonce are dead. When a final block
has seen the nonce used, and none of ours was found, a stranger has the key, or the node does not tell the
truth: neither permits a signature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.address import to_checksum_address

from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable
from domain.fees import Market, Offer, next_offer
from infra.chains.evm.answers import (
    BLOCK,
    BLOCK_OR_NONE,
    QUANTITY,
    RECEIPT_OR_NONE,
    Block,
    TransactionReceipt,
)
from infra.chains.evm.finality import final_height
from infra.chains.evm.market import HISTORY
from infra.chains.evm.market import read as read_market
from infra.chains.evm.rpc import Call, EvmNode, EvmRpc
from infra.chains.evm.transaction import Transaction, read
from infra.venues.protocol import Sent

_TAGS: Final = ("finalized", "latest")


async def sightings(rpc: EvmRpc, sent: tuple[Sent, ...], ceiling_wei: int) -> tuple[Sighting, ...]:
    """Look at every payload, of whatever wallets, in a handful of requests to one node; in order.

    All payloads of a wallet's nonce belong into one look: only beside its rivals can one be seen to be dead.
    `ceiling_wei` is the most that may be offered for a unit of gas. Errors: none; what fails is UNKNOWN.
    """
    if not sent:
        return ()
    ours, broken = _opened(sent, rpc.chain_number)
    try:
        look = await rpc.ask(lambda node: _look(node, ours, rpc.chain_number))
    except ChainUnavailable as error:
        return tuple(Sighting(Fate.UNKNOWN, detail=str(error)) for _ in sent)
    seen = {one.hash: _sighting(one, ours, look, ceiling_wei) for one in ours}
    if failed := [one for one in ours if seen[one.hash].over and not _succeeded(one, ours, seen)]:
        seen |= await _seconded(rpc, look.node, failed, seen, ceiling_wei)
    doubted = [one for one in ours if seen[one.hash].foreign]
    if doubted:
        seen |= await _second_opinion(rpc, look.node, doubted, ceiling_wei)
    return tuple(seen.get(one.venue_ref) or broken[one.venue_ref] for one in sent)


@dataclass(frozen=True, slots=True)
class _Payload:
    """`hash` and `address` in the forms that nodes' answers are brought to."""

    hash: str
    address: str
    transaction: Transaction
    valid_until: int

    @property
    def place(self) -> tuple[str, int]:
        """What it shares with the payloads that it excludes."""
        return self.address, self.transaction.nonce


@dataclass(frozen=True, slots=True)
class _Look:
    """What one node said: counts by address, receipts by hash, the blocks that it holds now by height."""

    node: EvmNode
    finalized_counts: Mapping[str, int]
    latest_counts: Mapping[str, int]
    latest: Block
    final_height: int
    market: Market
    receipts: Mapping[str, TransactionReceipt | None]
    canonical: Mapping[int, Block | None]

    def holds(self, receipt: TransactionReceipt) -> bool:
        """Is the receipt's transaction where it says, in the chain as it is now?"""
        block = self.canonical.get(receipt.block_number)
        return (
            block is not None
            and block.hash == receipt.block_hash
            and block.transactions[receipt.index : receipt.index + 1] == [receipt.hash]
        )

    def final(self, one: _Payload) -> TransactionReceipt | None:
        """The payload's receipt, if it is final: in a final block, and its nonce counted there."""
        receipt = self.receipts[one.hash]
        if receipt is None or not self.holds(receipt) or receipt.block_number > self.final_height:
            return None
        return receipt if self.finalized_counts[one.address] > one.transaction.nonce else None


def _opened(sent: tuple[Sent, ...], chain_number: int) -> tuple[tuple[_Payload, ...], dict[str, Sighting]]:
    """What the bytes say, and by reference what cannot be looked up because the book contradicts itself."""
    ours: list[_Payload] = []
    broken: dict[str, Sighting] = {}
    for one in sent:
        try:
            ours.append(_payload(one, chain_number))
        except ValueError as error:
            broken[one.venue_ref] = Sighting(Fate.UNKNOWN, detail=f"the book's record of {one.venue_ref}: {error}")
    return tuple(ours), broken


def _payload(sent: Sent, chain_number: int) -> _Payload:
    """Errors: ValueError, with a sentence."""
    signed = read(sent.payload)
    if signed.hash != sent.venue_ref:
        raise ValueError(f"its bytes are those of {signed.hash}")
    if signed.transaction.chain_number != chain_number:
        raise ValueError(f"its bytes are for chain {signed.transaction.chain_number}, not {chain_number}")
    return _Payload(signed.hash, to_checksum_address(sent.address), signed.transaction, sent.slot.valid_until)


async def _look(node: EvmNode, ours: Sequence[_Payload], chain_number: int) -> _Look:
    """Ask one node. The counts come before the receipts: what was counted then has a receipt by now.

    Errors: CHAIN_UNAVAILABLE (retried).
    """
    addresses = list(dict.fromkeys(one.address for one in ours))
    counts = [Call("eth_getTransactionCount", [address, tag], QUANTITY) for tag in _TAGS for address in addresses]
    heads = [Call("eth_getBlockByNumber", [tag, False], BLOCK) for tag in _TAGS]
    first: list[Call[Any]] = [*counts, *heads, HISTORY]
    *counted, finalized, latest, history = await node.read(first)  # each of the type that its call names
    hashes = list(dict.fromkeys(one.hash for one in ours))
    receipts = dict(zip(hashes, await _receipts(node, ours, hashes), strict=True))
    heights = sorted({receipt.block_number for receipt in receipts.values() if receipt})
    blocks = await node.read([Call("eth_getBlockByNumber", [hex(n), False], BLOCK_OR_NONE) for n in heights])
    return _Look(
        node=node,
        finalized_counts=dict(zip(addresses, counted[: len(addresses)], strict=True)),
        latest_counts=dict(zip(addresses, counted[len(addresses) :], strict=True)),
        latest=latest,
        final_height=final_height(chain_number, finalized.number, latest.number),
        market=read_market(history, chain_number),
        receipts=receipts,
        canonical=dict(zip(heights, blocks, strict=True)),
    )


async def _receipts(node: EvmNode, ours: Sequence[_Payload], hashes: Sequence[str]) -> list[TransactionReceipt | None]:
    """The receipts of the hashes, each checked to be of what was asked for. Errors: as `_look`."""
    senders = {one.hash: one.address for one in ours}
    receipts = await node.read([Call("eth_getTransactionReceipt", [one], RECEIPT_OR_NONE) for one in hashes])
    for asked, receipt in zip(hashes, receipts, strict=True):
        if receipt and (receipt.hash != asked or receipt.sender != senders[asked]):
            raise ChainUnavailable(f"{node.host} answered with the receipt of something else than {asked}")
    return receipts


def _sighting(one: _Payload, ours: Sequence[_Payload], look: _Look, ceiling_wei: int) -> Sighting:
    receipt, rivals = look.receipts[one.hash], _rivals(one, ours)
    if look.final(one) and receipt:
        return _landed(one, receipt, look)
    if receipt and look.holds(receipt):
        said = f"in block {receipt.block_number}, not yet final: block {look.final_height} is"
        return Sighting(Fate.PENDING, head=look.final_height, detail=said, seen=True)
    if receipt:
        said = f"was in block {receipt.block_number}, which is not in the chain any more"
        return Sighting(Fate.PENDING, head=look.final_height, detail=said)
    for rival in rivals:
        if landed := look.final(rival):
            return _dead(one, landed, look)
    if any(look.receipts[rival.hash] for rival in rivals):
        said = "another payload of ours has its nonce, in a block that is not final yet"
        return Sighting(Fate.PENDING, head=look.final_height, detail=said)
    return _absent(one, rivals, look, ceiling_wei)


def _rivals(one: _Payload, ours: Sequence[_Payload]) -> list[_Payload]:
    return [other for other in ours if other.place == one.place and other.hash != one.hash]


def _landed(one: _Payload, receipt: TransactionReceipt, look: _Look) -> Sighting:
    cancelled = one.transaction.cancels(one.address)
    outcome = "cancelled" if cancelled else "succeeded" if receipt.succeeded else "reverted"
    return Sighting(
        Fate.LANDED,
        succeeded=receipt.succeeded and not cancelled,
        head=look.final_height,
        detail=f"{outcome} in block {receipt.block_number}",
    )


def _dead(one: _Payload, landed: TransactionReceipt, look: _Look) -> Sighting:
    nonce, count = one.transaction.nonce, look.finalized_counts[one.address]
    return Sighting(
        Fate.DEAD,
        head=look.final_height,
        detail=f"its nonce {nonce} was used by {landed.hash} in block {landed.block_number}, which is final",
        proof=(
            ("nonce", str(nonce)),
            ("finalized_nonce_count", str(count)),
            ("final_block", str(look.final_height)),
            ("block", str(landed.block_number)),
            ("block_hash", landed.block_hash),
            ("landed_instead", landed.hash),
            ("node", look.node.host),
        ),
    )


def _absent(one: _Payload, rivals: Sequence[_Payload], look: _Look, ceiling_wei: int) -> Sighting:
    """Nothing of ours with this nonce has a receipt: it waits, or somebody else has used the nonce."""
    address, nonce = one.place
    if look.finalized_counts[address] > nonce:
        said = f"a final block has used nonce {nonce} of {address} for none of the payloads in the book"
        return Sighting(Fate.UNKNOWN, head=look.final_height, detail=said, foreign=True)
    count = look.latest_counts[address]
    if count != nonce:
        said = f"not seen; the chain expects nonce {count}, and this is {nonce}"
        return Sighting(Fate.PENDING, head=look.final_height, detail=said)
    # The pool holds the best offer of a nonce: that is the one to better.
    best = max((each.transaction.offer for each in (one, *rivals)), key=lambda offer: offer.max_fee_wei)
    raised = next_offer(best, look.market, ceiling_wei)
    said = "not taken" if look.latest.timestamp <= one.valid_until else "not taken, and past its deadline"
    if best.max_fee_wei < look.market.next_base_fee_wei + look.market.tip_wei:
        said += f"; it offers {best.max_fee_wei} wei for a unit of gas, and the next block asks for more"
    if not isinstance(raised, Offer):
        said += f"; a raise needs {raised.needed_wei} wei, above the cap of {ceiling_wei}"
    return Sighting(Fate.PENDING, head=look.final_height, detail=said, raisable=isinstance(raised, Offer))


def _succeeded(one: _Payload, ours: Sequence[_Payload], seen: Mapping[str, Sighting]) -> bool:
    """Whether a payload of its nonce has done what was wanted: then nothing is signed anew, whoever says so."""
    return any(seen[other.hash].succeeded for other in ours if other.place == one.place)


async def _seconded(
    rpc: EvmRpc, first: EvmNode, failed: Sequence[_Payload], seen: Mapping[str, Sighting], ceiling_wei: int
) -> dict[str, Sighting]:
    """What permits another signature, by hash: UNKNOWN, unless a second node says so too where there is one.

    A node that invents a failure makes us pay on the next nonce as well. No third node outvotes one that has it as a
    success.
    """
    others = [node for node in rpc.nodes if node is not first]
    alone = {
        one.hash: f"{seen[one.hash].detail}, says {first.host} alone: see that a second node answers" for one in failed
    }
    if not others:
        return {}
    agreed, denied = set[str](), set[str]()
    for node in others:
        try:
            look = await _look(node, failed, rpc.chain_number)
        except ChainUnavailable:
            continue
        for one in failed:
            told = _sighting(one, failed, look, ceiling_wei)
            if told.over:
                agreed.add(one.hash)
            elif told.fate is Fate.LANDED:
                denied.add(one.hash)
                alone[one.hash] = f"{seen[one.hash].detail}, says {first.host}; {node.host} says that it {told.detail}"
    return {
        one.hash: Sighting(Fate.UNKNOWN, head=seen[one.hash].head, detail=alone[one.hash])
        for one in failed
        if one.hash not in agreed - denied
    }


async def _second_opinion(
    rpc: EvmRpc, first: EvmNode, doubted: Sequence[_Payload], ceiling_wei: int
) -> dict[str, Sighting]:
    """What a stranger seems to have used, by hash, once all other nodes that answer were asked as well.

    Only if all agree is it `foreign`. It stays UNKNOWN in any case: nodes that hide a receipt (law 2) must
    never lead to another signature, and a stranger with the key is for people to deal with.
    """
    against: dict[str, str] = {}
    for node in rpc.nodes:
        if node is first:
            continue
        try:
            look = await _look(node, doubted, rpc.chain_number)
        except ChainUnavailable:
            continue
        for one in doubted:
            if not _sighting(one, doubted, look, ceiling_wei).foreign:
                against[one.hash] = node.host
    return {one.hash: _contradicted(one, first.host, host) for one in doubted if (host := against.get(one.hash))}


def _contradicted(one: _Payload, host: str, other: str) -> Sighting:
    nonce = one.transaction.nonce
    said = f"{host} says that a stranger used nonce {nonce}, {other} does not: check what these nodes answer"
    return Sighting(Fate.UNKNOWN, detail=said)
