"""When a payload landed, when it is dead, and when nothing may be signed: against nodes that say what they are told."""

from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from domain.attempts import Fate, Sighting
from domain.fees import Offer
from infra.chains.evm.fate import sightings
from infra.venues.protocol import Sent
from tests.unit.infra.evm_script import ADDRESS, DEADLINE, GWEI, Script, payload, rpc_of, transport

CEILING = 100 * GWEI
OURS = payload()
RAISED = payload(offer=Offer(22 * GWEI, 2_200_000_000))
CANCEL = payload(offer=Offer(25 * GWEI, 3 * GWEI), to=ADDRESS, data=b"")


def block_hash(number: int, fork: str = "") -> str:
    return "0x" + keccak(f"block {number}{fork}".encode()).hex()


@dataclass
class Chain:
    """A small chain: what is mined where, and how far it is final. `lies` are answers that are not its own."""

    mined: dict[str, tuple[int, int]] = field(default_factory=dict)  # by hash, the height and the status
    count: int = 5
    finalized_count: int | None = None
    head: int = 100
    finalized: int = 98
    base_fee_wei: int = 10 * GWEI
    time: int = DEADLINE - 60
    senders: dict[str, str] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)

    def node(self) -> Script:
        return Script(
            {
                "eth_getTransactionCount": lambda _, tag: hex(
                    self.count if tag == "latest" or self.finalized_count is None else self.finalized_count
                ),
                "eth_getBlockByNumber": self.block,
                "eth_feeHistory": {"baseFeePerGas": [hex(1), hex(self.base_fee_wei)], "reward": [[hex(GWEI)]]},
                "eth_getTransactionReceipt": self.receipt,
                **self.lies,
            }
        )

    def block(self, tag: str, _: bool) -> Any:
        number = {"latest": self.head, "finalized": self.finalized}.get(tag) or int(tag, 16)
        return {
            "number": hex(number),
            "hash": block_hash(number),
            "timestamp": hex(self.time),
            "transactions": [its for its, (height, _) in self.mined.items() if height == number],
        }

    def receipt(self, its_hash: str) -> Any:
        if its_hash not in self.mined:
            return None
        number, status = self.mined[its_hash]
        together = [its for its, (height, _) in self.mined.items() if height == number]
        return {
            "transactionHash": its_hash,
            "transactionIndex": hex(together.index(its_hash)),
            "from": self.senders.get(its_hash, ADDRESS).lower(),
            "blockHash": block_hash(number),
            "blockNumber": hex(number),
            "status": hex(status),
            "gasUsed": "0x5208",
            "effectiveGasPrice": "0x1",
            "logs": [],
        }


async def look(chain: Chain, *sent: Sent, others: dict[str, Chain] | None = None) -> tuple[Sighting, ...]:
    nodes = {"one": chain.node(), **{name: other.node() for name, other in (others or {}).items()}}
    async with httpx.AsyncClient(transport=transport(**nodes)) as http:
        return await sightings(rpc_of(http, *nodes), sent or (OURS,), CEILING)


@pytest.mark.parametrize("status", [1, 0])
async def test_what_is_in_a_final_block_has_landed_whether_it_succeeded_or_not(status: int) -> None:
    (seen,) = await look(Chain({OURS.venue_ref: (98, status)}, count=6))
    assert (seen.fate, seen.succeeded, seen.head) == (Fate.LANDED, status == 1, 98)


async def test_what_is_in_a_block_that_is_not_final_is_pending_and_seen() -> None:
    (seen,) = await look(Chain({OURS.venue_ref: (99, 1)}, count=6, finalized_count=5))
    assert (seen.fate, seen.succeeded, seen.seen, seen.raisable) == (Fate.PENDING, None, True, False)


async def test_a_receipt_in_a_final_block_needs_the_nonce_to_be_counted_there() -> None:
    (seen,) = await look(Chain({OURS.venue_ref: (98, 1)}, count=6, finalized_count=5))
    assert (seen.fate, seen.seen) == (Fate.PENDING, True)


def forked(chain: Chain) -> Any:
    return lambda its_hash: {**chain.receipt(its_hash), "blockHash": block_hash(98, "fork")}


async def test_a_receipt_of_a_block_that_is_not_in_the_chain_is_neither_landed_nor_seen() -> None:
    chain = Chain({OURS.venue_ref: (98, 1)}, count=6)
    chain.lies["eth_getTransactionReceipt"] = forked(chain)
    (seen,) = await look(chain)
    assert (seen.fate, seen.seen, seen.raisable) == (Fate.PENDING, False, False)


async def test_a_made_up_receipt_with_a_true_blocks_hash_is_not_believed() -> None:
    chain = Chain({OURS.venue_ref: (98, 1)}, count=6)
    chain.lies["eth_getBlockByNumber"] = lambda tag, full: {**chain.block(tag, full), "transactions": []}
    (seen,) = await look(chain)
    assert (seen.fate, seen.seen) == (Fate.PENDING, False)


@pytest.mark.parametrize(
    "lie", [{"transactionHash": RAISED.venue_ref}, {"from": "0x" + "22" * 20}, {"status": "0x2"}, {"blockNumber": None}]
)
async def test_a_receipt_of_something_else_is_no_answer(lie: dict[str, Any]) -> None:
    chain = Chain({OURS.venue_ref: (98, 1)}, count=6)
    chain.lies["eth_getTransactionReceipt"] = lambda its_hash: {**chain.receipt(its_hash), **lie}
    (seen,) = await look(chain)
    assert seen.fate is Fate.UNKNOWN
    assert not seen.foreign


async def test_of_payloads_with_one_nonce_the_others_are_dead_once_one_is_final() -> None:
    dead, landed = await look(Chain({RAISED.venue_ref: (97, 1)}, count=6), OURS, RAISED)
    assert landed.fate is Fate.LANDED
    assert dead.fate is Fate.DEAD
    assert dict(dead.proof) == {
        "nonce": "5",
        "finalized_nonce_count": "6",
        "final_block": "98",
        "block": "97",
        "block_hash": block_hash(97),
        "landed_instead": RAISED.venue_ref,
        "node": "one",
    }


async def test_a_rival_that_failed_kills_as_well() -> None:
    dead, landed = await look(Chain({RAISED.venue_ref: (97, 0)}, count=6), OURS, RAISED)
    assert (dead.fate, landed.fate, landed.succeeded) == (Fate.DEAD, Fate.LANDED, False)


async def test_a_cancellation_lands_as_a_failure() -> None:
    dead, landed = await look(Chain({CANCEL.venue_ref: (97, 1)}, count=6), OURS, CANCEL)
    assert dead.fate is Fate.DEAD
    assert (landed.fate, landed.succeeded) == (Fate.LANDED, False)
    assert landed.detail.startswith("cancelled")


async def test_a_rival_that_is_not_final_kills_nothing_and_nothing_is_raised_beside_it() -> None:
    waiting, seen = await look(Chain({RAISED.venue_ref: (99, 1)}, count=6, finalized_count=5), OURS, RAISED)
    assert (waiting.fate, waiting.seen, waiting.raisable) == (Fate.PENDING, False, False)
    assert (seen.fate, seen.seen) == (Fate.PENDING, True)


async def test_the_same_nonce_of_another_wallet_is_no_rival() -> None:
    other = payload(key=PrivateKey(keccak(b"another wallet")))
    chain = Chain({other.venue_ref: (97, 1)}, senders={other.venue_ref: other.address})
    chain.lies["eth_getTransactionCount"] = lambda address, _: hex(6 if address == other.address else 5)
    waiting, landed = await look(chain, OURS, other)
    assert (waiting.fate, landed.fate) == (Fate.PENDING, Fate.LANDED)


async def test_what_was_not_taken_is_raisable_within_the_cap_only() -> None:
    (within,) = await look(Chain())
    (above,) = await look(Chain(base_fee_wei=CEILING))
    assert (within.fate, within.seen, within.raisable) == (Fate.PENDING, False, True)
    assert (above.fate, above.raisable) == (Fate.PENDING, False)
    assert "above the cap" in above.detail


async def test_it_is_the_best_offer_of_a_nonce_that_has_to_be_bettered() -> None:
    highest = payload(offer=Offer(95 * GWEI, 2 * GWEI))
    assert not any(one.raisable for one in await look(Chain(), OURS, highest))


async def test_the_deadline_is_that_of_the_chains_own_clock() -> None:
    (in_time,) = await look(Chain(time=DEADLINE))
    (late,) = await look(Chain(time=DEADLINE + 1))
    assert "deadline" not in in_time.detail
    assert "past its deadline" in late.detail
    assert late.raisable


@pytest.mark.parametrize("count", [4, 6])
async def test_no_raise_helps_while_the_chain_expects_another_nonce(count: int) -> None:
    (seen,) = await look(Chain(count=count, finalized_count=4))
    assert (seen.fate, seen.raisable, seen.foreign) == (Fate.PENDING, False, False)


async def test_a_nonce_that_a_stranger_used_halts_and_permits_no_signature() -> None:
    for seen in await look(Chain(count=6), OURS, RAISED):
        assert (seen.fate, seen.foreign, seen.raisable, seen.over) == (Fate.UNKNOWN, True, False, False)


async def test_all_nodes_that_answer_have_to_agree_on_a_stranger() -> None:
    honest = Chain({OURS.venue_ref: (97, 1)}, count=6)
    lagging = Chain(count=5)
    down = Chain(lies={"eth_feeHistory": 503})
    for others, foreign in (
        ({"two": Chain(count=6)}, True),
        ({"two": Chain(count=6), "three": honest}, False),
        ({"two": lagging}, False),
        ({"two": down}, True),
        ({"two": down, "three": honest}, False),
    ):
        (seen,) = await look(Chain(count=6), others=others)
        assert (seen.fate, seen.foreign) == (Fate.UNKNOWN, foreign), others
        assert seen.detail


async def test_a_failure_is_believed_of_two_nodes_where_there_are_two() -> None:
    """What a node invents would be paid again at the next nonce, and what waits in the pool lands all the same."""
    failed, waiting = Chain({OURS.venue_ref: (98, 0)}, count=6), Chain()
    succeeded = Chain({OURS.venue_ref: (98, 1)}, count=6)
    down = Chain(lies={"eth_feeHistory": 503})
    for others, fate in (
        ({}, Fate.LANDED),
        ({"two": failed}, Fate.LANDED),
        ({"two": waiting, "three": failed}, Fate.LANDED),
        ({"two": waiting}, Fate.UNKNOWN),
        ({"two": down}, Fate.UNKNOWN),
        ({"two": succeeded, "three": failed}, Fate.UNKNOWN),
    ):
        (seen,) = await look(failed, others=others)
        assert (seen.fate, seen.foreign) == (fate, False), others
        assert "secret" not in seen.detail


async def test_what_a_failed_rival_killed_is_dead_once_a_second_node_agrees() -> None:
    failed = Chain({RAISED.venue_ref: (97, 0)}, count=6)
    assert [one.fate for one in await look(failed, OURS, RAISED, others={"two": Chain()})] == [Fate.UNKNOWN] * 2
    both = await look(failed, OURS, RAISED, others={"two": failed})
    assert [one.fate for one in both] == [Fate.DEAD, Fate.LANDED]
    succeeded = Chain({RAISED.venue_ref: (97, 1)}, count=6)
    alone = await look(succeeded, OURS, RAISED, others={"two": Chain()})
    assert [one.fate for one in alone] == [Fate.DEAD, Fate.LANDED], "nothing is signed after a success"


async def test_one_wallets_stranger_is_not_anothers() -> None:
    other = payload(key=PrivateKey(keccak(b"another wallet")))
    chain = Chain()
    chain.lies["eth_getTransactionCount"] = lambda address, _: hex(6 if address == other.address else 5)
    waiting, foreign = await look(chain, OURS, other, others={"two": chain})
    assert (waiting.fate, waiting.foreign) == (Fate.PENDING, False)
    assert (foreign.fate, foreign.foreign) == (Fate.UNKNOWN, True)


METHODS = ["eth_getTransactionCount", "eth_getBlockByNumber", "eth_feeHistory", "eth_getTransactionReceipt"]
TROUBLES = [
    429,
    503,
    {"error": {"code": -32005, "message": "slow down"}},
    {"error": {"code": -32602, "message": "no"}},
    "x",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_look_that_fails_anywhere_leaves_every_fate_unknown(method: str, trouble: Any) -> None:
    chain = Chain({RAISED.venue_ref: (97, 1)}, count=6, lies={method: trouble})
    for seen in await look(chain, OURS, RAISED):
        assert (seen.fate, seen.foreign, seen.proof) == (Fate.UNKNOWN, False, ())
        assert seen.detail
        assert "secret" not in seen.detail


async def test_a_look_is_finished_by_the_node_that_began_it() -> None:
    first = Chain({OURS.venue_ref: (98, 1)}, count=6, lies={"eth_getTransactionReceipt": 503})
    (seen,) = await look(first, others={"two": Chain(count=5)})
    assert seen.fate is Fate.PENDING


@pytest.mark.parametrize("method", METHODS)
async def test_a_node_that_refuses_what_every_healthy_one_tells_is_passed_over(method: str) -> None:
    starting = Chain(lies={method: {"error": {"code": -32000, "message": "finalized block not found"}}})
    (seen,) = await look(starting, others={"two": Chain({OURS.venue_ref: (98, 1)}, count=6)})
    assert (seen.fate, seen.succeeded) == (Fate.LANDED, True)


async def test_a_node_of_another_chain_is_passed_over() -> None:
    wrong = Chain({OURS.venue_ref: (98, 1)}, count=6, lies={"eth_chainId": "0x1"})
    (alone,) = await look(wrong)
    (helped,) = await look(wrong, others={"two": Chain(count=5)})
    assert alone.fate is Fate.UNKNOWN
    assert "chain 1, not 31337" in alone.detail
    assert helped.fate is Fate.PENDING


@pytest.mark.parametrize(
    "broken",
    [
        replace(OURS, payload=OURS.payload[:-1]),
        replace(OURS, payload=b""),
        replace(OURS, venue_ref=RAISED.venue_ref),
        payload(chain_number=1),
    ],
)
async def test_a_record_that_contradicts_itself_is_unknown_and_spoils_no_other(broken: Sent) -> None:
    other = payload(nonce=4)
    seen, landed = await look(Chain({other.venue_ref: (90, 1)}), broken, other)
    assert seen.fate is Fate.UNKNOWN
    assert seen.detail
    assert landed.fate is Fate.LANDED


async def test_many_payloads_of_many_wallets_take_a_handful_of_requests_counts_first() -> None:
    wallets = [PrivateKey(keccak(b"wallet %d" % number)) for number in range(12)]
    sent = tuple(payload(nonce=nonce, key=key) for key in wallets for nonce in (5, 6, 7))
    chain = Chain(
        {one.venue_ref: (90, 1) for one in sent[::2]}, count=8, senders={o.venue_ref: o.address for o in sent}
    )
    node = chain.node()
    async with httpx.AsyncClient(transport=transport(one=node, two=Chain(count=8).node())) as http:
        seen = await sightings(rpc_of(http, "one", "two"), sent, CEILING)
    assert [one.fate for one in seen] == [Fate.LANDED, Fate.UNKNOWN] * 18
    chain_id, counts, receipts, blocks = node.requests
    assert chain_id == ["eth_chainId"]
    assert set(counts) == {"eth_getTransactionCount", "eth_getBlockByNumber", "eth_feeHistory"}
    assert set(receipts) == {"eth_getTransactionReceipt"}
    assert blocks == ["eth_getBlockByNumber"]
    assert {params[1] for method, params in node.asked if method == "eth_getTransactionCount"} == {
        "finalized",
        "latest",
    }


async def test_no_payloads_need_no_node() -> None:
    async with httpx.AsyncClient(transport=transport()) as http:
        assert await sightings(rpc_of(http, "one"), (), CEILING) == ()
