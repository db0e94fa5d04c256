"""An answer on its way to the client, and the ways to falsify one."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.devnet.proxy.request import Header

NEVER_JSON = b"\x00\xff"  # a control character, and a byte that UTF-8 does not know


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are those that describe the content; length and connection are the sender's own matter."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


def of_status(code: int, retry_after_s: int | None, body: bytes) -> Answer:
    headers = () if retry_after_s is None else ((b"retry-after", str(retry_after_s).encode()),)
    return Answer(code, headers, body)


def garbled(answer: Answer, chance: random.Random) -> Answer:
    """The same length, except that too short a body grows."""
    at = chance.randrange(max(1, len(answer.body) - len(NEVER_JSON) + 1))
    return replace(answer, body=answer.body[:at] + NEVER_JSON + answer.body[at + len(NEVER_JSON) :])


def replaced(answer: Answer, transform: Callable[[Any], Any]) -> Answer:
    """Nothing happens to an answer that is no JSON."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        return answer
    return replace(answer, body=json.dumps(transform(told)).encode())


def nothing_found(told: Any) -> Any:
    """The JSON-RPC answer, or batch of answers, of a node that knows nothing. Errors stay errors."""
    if isinstance(told, list):
        return [nothing_found(entry) for entry in told]
    if not isinstance(told, dict) or "result" not in told:
        return told
    result = told["result"]
    if isinstance(result, dict) and "context" in result and isinstance(result.get("value"), list):
        return {**told, "result": {**result, "value": [None] * len(result["value"])}}
    return {**told, "result": None}


def renumbered(told: Any, ids: Mapping[Any, Any]) -> Any:
    """The JSON-RPC answer, or batch, under other ids: `ids` maps those of the earlier request to the new ones."""
    if isinstance(told, list):
        return [renumbered(entry, ids) for entry in told]
    return {**told, "id": ids.get(told.get("id"))} if isinstance(told, dict) and "id" in told else told
