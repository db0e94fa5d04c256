"""Every named failure has a status, and none is told with more than it should."""

import json

import pytest

from api import problems
from domain import errors
from domain.errors import InvalidInput, MoveNotSafe, RaceLost, TripwireError

KINDS: dict[str, type[TripwireError]] = {
    kind.code: kind
    for module in (errors, problems)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, TripwireError) and kind is not TripwireError
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_error_is_answered_as_a_problem(kind: type[TripwireError]) -> None:
    error = MoveNotSafe("a sentence", "then") if kind is MoveNotSafe else kind("a sentence")
    answer = problems.answer("/somewhere", error)
    told = json.loads(bytes(answer.body))
    assert answer.media_type == "application/problem+json"
    assert (told["code"], told["status"], told["instance"]) == (kind.code, answer.status_code, "/somewhere")
    assert answer.status_code >= 400
    assert ("Retry-After" in answer.headers) == kind.retryable
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code in (401, 403))


def test_a_problem_survives_any_text() -> None:
    answer = problems.answer("/\ud800", InvalidInput("lone \udfff", "field\ud800"))
    assert json.loads(bytes(answer.body))["errors"][0]["message"] == "lone \udfff"


def test_a_refused_move_alone_says_what_would_make_it_safe() -> None:
    refused = json.loads(bytes(problems.answer("/", MoveNotSafe("it may land", "wait until it is final")).body))
    assert (refused["detail"], refused["would_be_safe"]) == ("it may land", "wait until it is final")
    assert "would_be_safe" not in json.loads(bytes(problems.answer("/", RaceLost("read again")).body))
