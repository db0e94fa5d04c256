"""Bytes are offered until a node has them, and nothing is concluded from the words of a refusal."""

from typing import Any

import httpx
import pytest

from domain.errors import ChainUnavailable
from infra.chains.evm.submission import submit
from tests.unit.infra.evm_script import Script, payload, rpc_of, transport

OURS = payload()
SEND, FIND = "eth_sendRawTransaction", "eth_getTransactionByHash"
TAKES = {SEND: OURS.venue_ref}
KNOWN = {SEND: {"error": {"code": -32000, "message": "already known"}}, FIND: {"hash": OURS.venue_ref}}
REFUSES = {SEND: {"error": {"code": -32000, "message": "nonce too low"}}, FIND: None}
SILENT = {SEND: 503}


async def sent(*answers: dict[str, Any]) -> tuple[str, list[list[str]]]:
    """What was written down, and what each node was asked beside its chain."""
    nodes = {f"node{number}": Script(said) for number, said in enumerate(answers)}
    async with httpx.AsyncClient(transport=transport(**nodes)) as http:
        receipt = await submit(rpc_of(http, *nodes), OURS.payload)
    return receipt.answer, [[method for method, _ in node.asked[1:]] for node in nodes.values()]


async def test_the_very_bytes_go_to_the_first_node_that_takes_them() -> None:
    node = Script(TAKES)
    async with httpx.AsyncClient(transport=transport(one=node)) as http:
        await submit(rpc_of(http, "one"), OURS.payload)
    assert node.asked[1:] == [(SEND, ["0x" + OURS.payload.hex()])]
    assert (await sent(TAKES, TAKES))[1] == [[SEND], []]


async def test_a_node_that_knows_them_already_is_enough() -> None:
    answer, asked = await sent(KNOWN, TAKES)
    assert asked == [[SEND, FIND], []]
    assert "already known" in answer


async def test_a_refusal_is_written_down_and_the_next_node_is_offered_them() -> None:
    answer, asked = await sent(REFUSES, SILENT, TAKES)
    assert asked == [[SEND, FIND], [SEND], [SEND]]
    assert all(words in answer for words in ("nonce too low", "HTTP 503", "took it"))
    assert "secret" not in answer


async def test_refused_by_all_is_an_answer_that_decides_nothing() -> None:
    answer, _ = await sent(REFUSES, SILENT)
    assert "nonce too low" in answer


async def test_the_hash_of_something_else_is_not_taking_them() -> None:
    answer, asked = await sent({SEND: "0x" + "00" * 32}, TAKES)
    assert asked == [[SEND], [SEND]]
    assert "something else" in answer


async def test_a_refusal_whose_follow_up_fails_is_still_a_refusal() -> None:
    _, asked = await sent({**REFUSES, FIND: 503}, TAKES)
    assert asked == [[SEND, FIND], [SEND]]


async def test_silence_of_all_nodes_leaves_it_open_whether_they_arrived() -> None:
    with pytest.raises(ChainUnavailable, match=r"node0.*node1"):
        await sent(SILENT, SILENT)
