"""When an attempt is dead, when it landed, and when nothing is known: against a node that says what it is told."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from domain.attempts import Fate, Sighting
from domain.intents import Slot
from infra.chains.solana.rpc import SolanaRpc
from infra.venues.jupiter.api import JupiterApi
from infra.venues.jupiter.venue import JupiterVenue
from infra.venues.protocol import Sent

URLS = ("http://one.test", "http://two.test")
SLOT, HEIGHT, VALID_UNTIL = 5_000, 1_000, 999
BORN = VALID_UNTIL - 150
SENT = Sent(b"", "signature", Slot("blockhash", VALID_UNTIL), "wallet")
FINAL = {"slot": 4_321, "confirmations": None, "err": None, "confirmationStatus": "finalized"}


@dataclass
class Script:
    """A node's answers by method; an int is an HTTP status, a dict with `error` a refusal."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append((body["method"], body["params"]))
        answer = self.answers.get(body["method"], 503)
        if callable(answer):
            answer = answer(*body["params"])
        if isinstance(answer, int) and answer >= 400 and body["method"] != "getFirstAvailableBlock":
            return httpx.Response(answer)
        if isinstance(answer, dict) and "error" in answer:
            return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, **answer})
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": answer})


def absent(slot: int = SLOT, status: Any = None) -> Any:
    return lambda refs, _: {"context": {"slot": slot}, "value": [status for _ in refs]}


def dead_world(**changes: Any) -> dict[str, Any]:
    """Every condition of a proof is met."""
    return {
        "getEpochInfo": {"absoluteSlot": SLOT, "blockHeight": HEIGHT},
        "getSignatureStatuses": absent(),
        "getFirstAvailableBlock": 4_000,
        "getBlock": {"blockHeight": BORN},
        **changes,
    }


async def look(answers: dict[str, Any], *sent: Sent) -> tuple[Any, Script]:
    node = Script(answers)
    async with httpx.AsyncClient(transport=httpx.MockTransport(node)) as http:
        venue = JupiterVenue(JupiterApi("http://jupiter.test", http), SolanaRpc(URLS[:1], http))
        return await venue.look_up(sent or (SENT,)), node


async def test_an_absent_attempt_past_its_height_is_dead_with_all_of_the_proof() -> None:
    (seen,), _ = await look(dead_world())
    assert seen.fate is Fate.DEAD
    assert dict(seen.proof) == {
        "finalized_block_height": str(HEIGHT),
        "finalized_slot": str(SLOT),
        "last_valid_block_height": str(VALID_UNTIL),
        "status_slot": str(SLOT),
        "oldest_block_height_at_most": str(BORN),
        "node": "one.test",
    }


async def test_the_height_is_read_before_the_statuses_and_both_are_final_or_searched() -> None:
    _, node = await look(dead_world())
    methods = [method for method, _ in node.asked]
    assert methods.index("getEpochInfo") < methods.index("getSignatureStatuses")
    assert node.asked[0][1] == [{"commitment": "finalized"}]
    assert node.asked[1][1][1] == {"searchTransactionHistory": True}


async def test_a_node_that_keeps_blocks_from_the_first_needs_no_block_read() -> None:
    (seen,), node = await look(dead_world(getFirstAvailableBlock=BORN))
    assert seen.fate is Fate.DEAD
    assert "getBlock" not in [method for method, _ in node.asked]


@pytest.mark.parametrize(
    "change",
    [
        {"getSignatureStatuses": absent(SLOT - 1)},  # answered from before the finalized block
        {"getBlock": {"blockHeight": BORN + 1}},  # could have been in a block it has thrown away
        {"getBlock": {"blockHeight": None}},
        {"getBlock": None},
        {"getBlock": 503},
        {"getBlock": {"error": {"code": -32007, "message": "skipped"}}},
        {"getFirstAvailableBlock": {"error": {"code": -32601, "message": "Method not found"}}},
        {"getEpochInfo": 429},
        {"getEpochInfo": {"blockHeight": HEIGHT}},
        {"getEpochInfo": {"error": {"code": -32005, "message": "Node is behind by 42 slots"}}},
        {"getSignatureStatuses": 429},
        {"getSignatureStatuses": 500},
        {"getSignatureStatuses": {"context": {"slot": SLOT}, "value": []}},
        {"getSignatureStatuses": {"value": [None]}},
        {"getSignatureStatuses": {"error": {"code": -32602, "message": "Invalid param"}}},
        {"getSignatureStatuses": absent(status={"slot": 1, "err": None, "confirmationStatus": "perhaps"})},
    ],
)
async def test_whatever_is_missing_of_the_proof_leaves_the_fate_unknown(change: dict[str, Any]) -> None:
    (seen,), _ = await look(dead_world(**change))
    assert seen.fate is Fate.UNKNOWN
    assert seen.proof == ()
    assert seen.detail


async def test_an_absent_attempt_within_its_height_is_pending() -> None:
    head = {"absoluteSlot": SLOT, "blockHeight": VALID_UNTIL}
    (seen,), node = await look(dead_world(getEpochInfo=head))
    assert (seen.fate, seen.head, seen.seen) == (Fate.PENDING, VALID_UNTIL, False)
    assert len(node.asked) == 2  # the common look costs two calls


@pytest.mark.parametrize("standing", ["processed", "confirmed", None])
@pytest.mark.parametrize("err", [None, {"InstructionError": [3, {"Custom": 6001}]}])
async def test_what_is_seen_but_not_final_is_pending_even_past_its_height(standing: str | None, err: Any) -> None:
    status = {**FINAL, "err": err, "confirmationStatus": standing}
    (seen,), _ = await look(dead_world(getSignatureStatuses=absent(status=status)))
    assert (seen.fate, seen.succeeded, seen.seen) == (Fate.PENDING, None, True)


@pytest.mark.parametrize("err", [None, {"InstructionError": [3, {"Custom": 6001}]}, "AccountInUse"])
async def test_what_is_final_has_landed_whether_it_succeeded_or_not(err: Any) -> None:
    (seen,), _ = await look(dead_world(getSignatureStatuses=absent(status={**FINAL, "err": err})))
    assert (seen.fate, seen.succeeded) == (Fate.LANDED, err is None)


async def test_many_attempts_are_asked_for_in_batches_and_answered_in_order() -> None:
    def statuses(refs: list[str], _: Any) -> Any:
        assert len(refs) <= 256
        value = [FINAL if int(ref) % 2 else None for ref in refs]
        return {"context": {"slot": SLOT}, "value": value}

    sent = tuple(Sent(b"", str(n), Slot("blockhash", VALID_UNTIL), "wallet") for n in range(600))
    seen, node = await look(dead_world(getSignatureStatuses=statuses), *sent)
    assert [one.fate for one in seen] == [Fate.DEAD, Fate.LANDED] * 300
    assert [method for method, _ in node.asked].count("getSignatureStatuses") == 3


async def test_no_attempts_need_no_node() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(Script())) as http:
        venue = JupiterVenue(JupiterApi("http://jupiter.test", http), SolanaRpc(URLS[:1], http))
        assert await venue.look_up(()) == ()


async def look_at(*nodes: dict[str, Any], sent: tuple[Sent, ...] = (SENT,)) -> tuple[list[Sighting], list[Script]]:
    """What a venue with several nodes says, and what each of them was asked."""
    scripts = [Script(answers) for answers in nodes]
    urls = tuple(f"http://{no}.test" for no in range(len(nodes)))

    def route(request: httpx.Request) -> httpx.Response:
        return scripts[int(request.url.host[0])](request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(route)) as http:
        venue = JupiterVenue(JupiterApi("http://jupiter.test", http), SolanaRpc(urls, http))
        return list(await venue.look_up(sent)), scripts


async def test_halves_of_a_proof_from_two_nodes_are_no_proof() -> None:
    """The first node tells the height and fails; the second, far behind, must not finish the thought."""
    behind = dead_world(getEpochInfo={"absoluteSlot": 10, "blockHeight": VALID_UNTIL})
    (seen,), (_, second) = await look_at(dead_world(getSignatureStatuses=503), behind)
    assert seen.fate is Fate.PENDING
    assert second.asked[0][0] == "getEpochInfo"


async def test_with_two_nodes_a_death_takes_the_proof_of_both_and_keeps_it() -> None:
    (seen,), _ = await look_at(dead_world(), dead_world(getEpochInfo={"absoluteSlot": SLOT, "blockHeight": 1_003}))
    assert seen.fate is Fate.DEAD
    proof = dict(seen.proof)
    assert (proof["node"], proof["second_node"]) == ("0.test", "1.test")
    assert (proof["finalized_block_height"], proof["second_finalized_block_height"]) == (str(HEIGHT), "1003")


SEEN_ELSEWHERE = [FINAL, {**FINAL, "confirmationStatus": "processed"}]


@pytest.mark.parametrize(
    "second",
    [
        {},  # nothing answers there
        dead_world(getSignatureStatuses=429),
        dead_world(getEpochInfo={"absoluteSlot": SLOT, "blockHeight": VALID_UNTIL}),  # behind
        dead_world(getBlock={"blockHeight": BORN + 1}),  # without the history
        *(dead_world(getSignatureStatuses=absent(status=status)) for status in SEEN_ELSEWHERE),
    ],
)
async def test_a_death_that_the_second_node_does_not_prove_is_unknown(second: dict[str, Any]) -> None:
    (seen,), _ = await look_at(dead_world(), second)
    assert (seen.fate, seen.proof) == (Fate.UNKNOWN, ())
    assert "dead to 0.test" in seen.detail


async def test_a_third_node_proves_what_the_second_cannot_tell() -> None:
    (seen,), _ = await look_at(dead_world(), {}, dead_world())
    assert seen.fate is Fate.DEAD
    assert dict(seen.proof)["second_node"] == "2.test"


@pytest.mark.parametrize("status", SEEN_ELSEWHERE)
async def test_no_third_node_outvotes_one_that_has_the_transaction(status: dict[str, Any]) -> None:
    (seen,), _ = await look_at(dead_world(), dead_world(getSignatureStatuses=absent(status=status)), dead_world())
    assert seen.fate is Fate.UNKNOWN
    assert "1.test sees it" in seen.detail


async def test_where_the_first_node_is_away_one_that_answers_is_not_enough() -> None:
    (seen,), _ = await look_at({}, dead_world())
    assert seen.fate is Fate.UNKNOWN


async def test_the_second_node_is_asked_about_the_dead_alone() -> None:
    def statuses(refs: list[str], _: Any) -> Any:
        return {"context": {"slot": SLOT}, "value": [FINAL if ref == "landed" else None for ref in refs]}

    sent = tuple(Sent(b"", ref, Slot("blockhash", VALID_UNTIL), "wallet") for ref in ("dead", "landed"))
    answers = dead_world(getSignatureStatuses=statuses)
    seen, (_, second) = await look_at(answers, answers, sent=sent)
    assert [one.fate for one in seen] == [Fate.DEAD, Fate.LANDED]
    assert [params[0] for method, params in second.asked if method == "getSignatureStatuses"] == [["dead"]]
    _, (_, unasked) = await look_at(answers, answers, sent=sent[1:])
    assert unasked.asked == []
