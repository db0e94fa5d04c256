"""Only what an owner may mean becomes a rule, and its amount is kept to the base unit."""

import json
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.assets import SOL, SOLANA_USDC
from domain.errors import InvalidInput
from domain.intents import Intent
from domain.money import Amount
from domain.rules import MAX_SWAP_BASE_UNITS, RuleSpec

thresholds = st.integers(1, 10**18 - 1).map(lambda part: Decimal(part).scaleb(-18)) | st.sampled_from(
    [Decimal(1).scaleb(-places) for places in range(1, 19)]
)

ADDRESS = "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU"

WHOLE: dict[str, Any] = {
    "name": "Fed cut → SOL",
    "wallet_id": "wal_one",
    "trigger": {
        "kind": "market_probability",
        "venue": "kalshi",
        "market": "FED-25DEC-CUT",
        "outcome": "yes",
        "price": "mid",
        "when": "at_or_above",
        "threshold": "0.70",
        "max_spread": "0.10",
        "fire_if_already_true": False,
    },
    "action": {"kind": "swap", "sell": "USDC", "buy": "SOL", "amount": "50", "max_slippage_bps": 50},
    "limits": {"cooldown_hours": 24, "max_executions": 1},
}

REQUIRED = [
    "name",
    "wallet_id",
    "trigger",
    "trigger.kind",
    "trigger.venue",
    "trigger.market",
    "trigger.when",
    "trigger.threshold",
    "action",
    "action.kind",
    "action.sell",
    "action.buy",
    "action.amount",
]
FIELDS = [*WHOLE, *(f"{part}.{name}" for part in ("trigger", "action", "limits") for name in WHOLE[part])]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def with_field(path: str, value: object) -> dict[str, Any]:
    body = deepcopy(WHOLE)
    part, _, name = path.rpartition(".")
    (body[part] if part else body)[name] = value
    return body


def spec(body: object) -> RuleSpec:
    """Read as it arrives: JSON text."""
    return RuleSpec.model_validate_json(json.dumps(body))


def intended(body: object) -> Intent:
    return spec(body).intent("solana", ADDRESS)


def refuse(path: str, value: object) -> None:
    with pytest.raises((ValidationError, InvalidInput)):
        intended(with_field(path, value))


def test_the_rule_of_the_contract_is_a_rule() -> None:
    rule = spec(WHOLE)
    assert rule.trigger.threshold == Decimal("0.7")
    assert rule.limits.cooldown == timedelta(days=1)
    assert rule.intent("solana", ADDRESS) == Intent(Amount(50_000_000, SOLANA_USDC), SOL, 50, ADDRESS)


def test_what_is_left_out_is_the_cautious_choice() -> None:
    body = deepcopy(WHOLE)
    del body["limits"], body["action"]["max_slippage_bps"]
    for name in ("outcome", "price", "max_spread", "fire_if_already_true"):
        del body["trigger"][name]
    assert spec(body) == spec(WHOLE)


@given(json_values)
def test_junk_is_never_a_rule(junk: object) -> None:
    with pytest.raises(ValidationError):
        spec(junk)


@given(st.text() | st.binary())
def test_what_is_not_json_is_never_a_rule(text: str | bytes) -> None:
    with pytest.raises(ValidationError):
        RuleSpec.model_validate_json(text)


@given(st.sampled_from([path for path in FIELDS if path != "name"]), json_values)
def test_junk_in_any_field_is_refused(path: str, junk: object) -> None:
    assume(not isinstance(junk, bool) or path != "trigger.fire_if_already_true")
    assume(not isinstance(junk, int) or path not in ("limits.cooldown_hours", "limits.max_executions"))
    assume(not isinstance(junk, int) or path != "action.max_slippage_bps")
    assume(not isinstance(junk, str) or path not in ("trigger.market", "trigger.threshold", "trigger.max_spread"))
    assume(not isinstance(junk, str) or path != "action.amount")
    assume(path != "limits" or junk != {})
    refuse(path, junk)


@given(st.sampled_from(["", "trigger", "action", "limits"]), st.text(), json_values)
def test_a_field_that_means_nothing_is_refused_rather_than_ignored(part: str, name: str, value: object) -> None:
    body = deepcopy(WHOLE)
    place = body[part] if part else body
    assume(name not in place)
    place[name] = value
    with pytest.raises(ValidationError):
        spec(body)


@pytest.mark.parametrize("path", REQUIRED)
def test_what_matters_cannot_be_left_out(path: str) -> None:
    body = deepcopy(WHOLE)
    part, _, name = path.rpartition(".")
    del (body[part] if part else body)[name]
    with pytest.raises(ValidationError):
        spec(body)


@given(st.integers(1, MAX_SWAP_BASE_UNITS), st.sampled_from([("USDC", "SOL"), ("SOL", "USDC")]))
def test_the_amount_is_kept_to_the_base_unit(base: int, pair: tuple[str, str]) -> None:
    sold = {"USDC": SOLANA_USDC, "SOL": SOL}[pair[0]]
    body = with_field("action.amount", str(Amount(base, sold)))
    body["action"]["sell"], body["action"]["buy"] = pair
    intent = intended(body)
    assert (intent.sell, intent.buy.symbol) == (Amount(base, sold), pair[1])


def test_the_most_that_a_token_account_holds_may_be_sold() -> None:
    most = Amount(MAX_SWAP_BASE_UNITS, SOLANA_USDC)
    assert intended(with_field("action.amount", str(most))).sell == most
    refuse("action.amount", str(Amount(MAX_SWAP_BASE_UNITS + 1, SOLANA_USDC)))


@given(st.integers(1, 10**20))
def test_more_than_a_token_account_holds_is_refused(beyond: int) -> None:
    refuse("action.amount", str(Amount(MAX_SWAP_BASE_UNITS + beyond, SOLANA_USDC)))


@pytest.mark.parametrize(
    "amount",
    ["0", "0.000000", "-1", "+1", "1e3", "NaN", "inf", "0.0000001", "1,0", "", " 5", "５", 50, 50.0, None, True],
)
def test_an_amount_that_is_not_exactly_one_is_refused(amount: object) -> None:
    refuse("action.amount", amount)


@given(st.integers().filter(lambda bps: not 0 <= bps <= 10_000) | st.floats() | st.booleans() | st.text())
def test_a_slippage_outside_of_its_range_is_refused(bps: object) -> None:
    refuse("action.max_slippage_bps", bps)


@given(st.integers(0, 10_000))
def test_the_owners_slippage_reaches_the_intent(bps: int) -> None:
    assert intended(with_field("action.max_slippage_bps", bps)).max_slippage_bps == bps


@pytest.mark.parametrize("field", ["trigger.threshold", "trigger.max_spread"])
@pytest.mark.parametrize(
    "value", ["0", "0.0", "1.1", "2", "-0.5", "+0.5", ".5", "0.", "5e-1", "NaN", "inf", "٠.٥", "0.7\n", 0.7, 0, 1, None]
)
def test_a_probability_is_a_plain_decimal_string_between_nought_and_one(field: str, value: object) -> None:
    refuse(field, value)


def test_certainty_is_no_threshold_but_may_be_a_spread() -> None:
    refuse("trigger.threshold", "1")
    refuse("trigger.threshold", "1.000")
    assert spec(with_field("trigger.max_spread", "1")).trigger.max_spread == 1


@given(thresholds)
def test_a_threshold_is_kept_exactly(threshold: Decimal) -> None:
    assert spec(with_field("trigger.threshold", f"{threshold:f}")).trigger.threshold == threshold


@given(thresholds, thresholds, st.booleans())
def test_a_stored_rule_reads_back_as_itself(threshold: Decimal, spread: Decimal, at_once: bool) -> None:
    body = with_field("trigger.threshold", f"{threshold:f}")
    body["trigger"] |= {"max_spread": f"{spread:f}", "fire_if_already_true": at_once}
    rule = spec(body)
    assert RuleSpec.model_validate_json(rule.model_dump_json()) == rule


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("wallet_id", "wal_ONE"),
        ("wallet_id", "wal_one\n"),
        ("wallet_id", "wal_"),
        ("wallet_id", "wal_" + "a" * 41),
        ("trigger.market", "fed"),
        ("trigger.market", "FED\n"),
        ("trigger.market", "FED/../X"),
        ("trigger.market", "FED?x=1"),
        ("trigger.market", "A" * 101),
        ("trigger.venue", "elsewhere"),
        ("trigger.kind", "price"),
        ("trigger.when", "above"),
        ("trigger.outcome", "maybe"),
        ("trigger.price", "best"),
        ("action.kind", "transfer"),
        ("limits.cooldown_hours", -1),
        ("limits.cooldown_hours", 8_761),
        ("limits.cooldown_hours", 1.5),
        ("limits.max_executions", 0),
        ("limits.max_executions", 1_000_001),
        ("limits.max_executions", True),
        ("name", ""),
        ("name", "a" * 101),
        ("name", "two\nlines"),
        ("name", "\u202egnikrow"),  # reads backwards on an operator's screen
        ("name", "nul\x00"),
    ],
)
def test_a_value_outside_of_its_words_is_refused(path: str, value: object) -> None:
    with pytest.raises(ValidationError):
        spec(with_field(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("action.sell", "DOGE"),
        ("action.sell", "usdc"),
        ("action.buy", "wSOL"),
        ("action.buy", "USDC"),
        ("action.amount", "0"),
        ("action.amount", "1e9"),
        ("action.amount", str(2**64)),
    ],
)
def test_a_refused_action_names_the_field(path: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        intended(with_field(path, value))
    assert refusal.value.field == path


def test_a_wallet_of_another_family_trades_nothing_here() -> None:
    with pytest.raises(InvalidInput) as refusal:
        spec(WHOLE).intent("evm", ADDRESS)
    assert refusal.value.field == "action.sell"
