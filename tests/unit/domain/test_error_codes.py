"""Error codes are public: clients and retry policies hold on to them."""

import re
from collections import Counter

from domain import errors
from domain.errors import InvalidInput, TripwireError
from domain.intents import Objection

# Code and whether the same call may succeed later. Add lines here; never change or remove one.
RELEASED = {
    "INVALID_INPUT": False,
    "NOT_FOUND": False,
    "UNAUTHENTICATED": False,
    "FORBIDDEN": False,
    "IDEMPOTENCY_MISMATCH": False,
    "ILLEGAL_TRANSITION": False,
    "RACE_LOST": True,
    "INTEGRITY_BROKEN": False,
    "LEASE_LOST": False,
    "FEED_UNAVAILABLE": True,
    "FEED_NONSENSE": True,
    "MARKET_UNKNOWN": False,
    "QUOTE_UNAVAILABLE": True,
    "NO_ROUTE": False,
    "CHAIN_UNAVAILABLE": True,
    "SETTLEMENT_UNREADABLE": True,
    "SIGNING_UNAVAILABLE": True,
    "KEY_ACCESS_DENIED": False,
}

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TripwireError) and kind is not TripwireError
]


def test_released_codes_keep_their_meaning() -> None:
    now = {kind.code: kind.retryable for kind in KINDS}
    assert {code: now.get(code) for code in RELEASED} == RELEASED


def test_each_code_is_one_errors_own_and_reads_like_a_code() -> None:
    counted = Counter([kind.code for kind in KINDS] + [objection.value for objection in Objection])
    assert [code for code, times in counted.items() if times > 1] == []
    assert [code for code in counted if not re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code)] == []


def test_an_invalid_input_names_its_field() -> None:
    assert InvalidInput("too much", "action.amount").field == "action.amount"
    assert str(InvalidInput("too much", "action.amount")) == "too much"
