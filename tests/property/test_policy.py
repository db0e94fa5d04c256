"""Every check answers, each for its own fact; what is not known blocks; what is said to pass does pass."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.assets import SOL, SOLANA_USDC
from domain.intents import BPS, Intent, Quote, least_acceptable
from domain.money import Amount
from domain.policy import Check, Facts, Policy, Verdict, blocking, evaluate, value_usd
from domain.triggers import MAX_CLOCK_LEAD, MarketStatus
from tests.property.draws import NOW, moments, observations, observed

TICK = timedelta(microseconds=1)

POLICY = Policy(
    execution_enabled=True,
    dry_run=False,
    allowed_assets=frozenset({SOL.id, SOLANA_USDC.id}),
    max_slippage_bps=50,
    max_position_usd=Decimal(100),
    max_price_age=timedelta(seconds=30),
)
INTENT = Intent(Amount(50_000_000, SOLANA_USDC), SOL, 50, "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU")
QUOTE = Quote(INTENT.sell, Amount(1_000_000_000, SOL), Amount(995_000_000, SOL))
FACTS = Facts(
    now=NOW,
    kill_switch=False,
    rule_live=True,
    wallet_usable=True,
    needs_market=True,
    market=observed(),
    price_time=NOW,
    quote=QUOTE,
    sold_value_usd=Decimal(50),
    cooldown_until=None,
    balance=Amount(50_000_000, SOLANA_USDC),
    held=Amount(0, SOLANA_USDC),
    native_balance=Amount(10_000_000, SOL),
    native_held=Amount(0, SOL),
    native_needed=Amount(10_000_000, SOL),
)

units = st.integers(0, 2**64 - 1)
dollars = units.map(lambda base: Amount(base, SOLANA_USDC))
sols = units.map(lambda base: Amount(base, SOL))
usd_values = st.integers(0, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
slippages = st.integers(0, BPS)

policies = st.builds(
    Policy,
    execution_enabled=st.booleans(),
    dry_run=st.booleans(),
    allowed_assets=st.frozensets(st.sampled_from([SOL.id, SOLANA_USDC.id])),
    max_slippage_bps=slippages,
    max_position_usd=usd_values,
    max_price_age=st.integers(0, 7_200).map(lambda s: timedelta(seconds=s)),
)
quotes = st.builds(Quote, st.just(INTENT.sell), sols, sols)
facts_of_any_kind = st.builds(
    Facts,
    now=moments,
    kill_switch=st.booleans(),
    rule_live=st.booleans(),
    wallet_usable=st.booleans(),
    needs_market=st.booleans(),
    market=st.none() | observations,
    price_time=st.none() | moments,
    quote=st.none() | quotes,
    sold_value_usd=st.none() | usd_values,
    cooldown_until=st.none() | moments,
    balance=st.none() | dollars,
    held=dollars,
    native_balance=st.none() | sols,
    native_held=sols,
    native_needed=sols,
)
intents = st.builds(Intent, sell=dollars, buy=st.just(SOL), max_slippage_bps=slippages, destination=st.just("d"))

# Which checks may look at which fact. A fact that moves another check's verdict is a leak between the two.
LOOKED_AT_BY: dict[str, set[Check]] = {
    "now": {Check.MARKET_ACTIVE, Check.PRICE_AGE, Check.COOLDOWN},
    "kill_switch": {Check.KILL_SWITCH},
    "rule_live": {Check.RULE_ACTIVE},
    "wallet_usable": {Check.WALLET_USABLE},
    "needs_market": {Check.MARKET_ACTIVE, Check.PRICE_AGE},
    "market": {Check.MARKET_ACTIVE},
    "price_time": {Check.PRICE_AGE},
    "quote": {Check.SLIPPAGE},
    "sold_value_usd": {Check.MAX_POSITION},
    "cooldown_until": {Check.COOLDOWN},
    "balance": {Check.BALANCE},
    "held": {Check.BALANCE},
    "native_balance": {Check.FEES},
    "native_held": {Check.FEES},
    "native_needed": {Check.FEES, Check.BALANCE},
    "execution_enabled": {Check.EXECUTION_ENABLED},
    "dry_run": {Check.EXECUTION_ENABLED},
    "allowed_assets": {Check.ASSET_ALLOWED},
    "max_slippage_bps": {Check.SLIPPAGE},
    "max_position_usd": {Check.MAX_POSITION},
    "max_price_age": {Check.PRICE_AGE},
}


def codes(policy: Policy = POLICY, facts: Facts = FACTS, intent: Intent = INTENT) -> tuple[str, ...]:
    return blocking(evaluate(policy, facts, intent))


def verdict(check: Check, policy: Policy = POLICY, facts: Facts = FACTS, intent: Intent = INTENT) -> Verdict:
    return next(v for v in evaluate(policy, facts, intent) if v.check is check)


def test_a_world_in_order_passes_every_check() -> None:
    assert codes() == ()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kill_switch": True}, "KILL_SWITCH_ON"),
        ({"rule_live": False}, "RULE_NOT_ACTIVE"),
        ({"wallet_usable": False}, "WALLET_FROZEN"),
        ({"market": observed(status=MarketStatus.PAUSED)}, "MARKET_NOT_ACTIVE"),
        ({"market": observed(status=MarketStatus.UNKNOWN)}, "MARKET_NOT_ACTIVE"),
        ({"market": observed(close_time=NOW)}, "MARKET_NOT_ACTIVE"),
        ({"price_time": NOW - timedelta(seconds=30) - TICK}, "PRICE_STALE"),
        ({"price_time": NOW + MAX_CLOCK_LEAD + TICK}, "PRICE_FROM_THE_FUTURE"),
        ({"quote": None}, "NO_QUOTE"),
        ({"quote": replace(QUOTE, sell=Amount(49_999_999, SOLANA_USDC))}, "OTHER_QUOTE"),
        ({"quote": replace(QUOTE, expected=INTENT.sell, minimum=INTENT.sell)}, "OTHER_QUOTE"),
        ({"quote": replace(QUOTE, minimum=Amount(994_999_999, SOL))}, "QUOTE_TOO_LOOSE"),
        ({"sold_value_usd": None}, "VALUE_UNKNOWN"),
        ({"sold_value_usd": Decimal("100.01")}, "POSITION_TOO_LARGE"),
        ({"cooldown_until": NOW + TICK}, "COOLDOWN"),
        ({"balance": None}, "BALANCE_UNREADABLE"),
        ({"balance": Amount(49_999_999, SOLANA_USDC)}, "INSUFFICIENT_BALANCE"),
        ({"held": Amount(1, SOLANA_USDC)}, "INSUFFICIENT_BALANCE"),
        ({"native_balance": None}, "BALANCE_UNREADABLE"),
        ({"native_balance": Amount(9_999_999, SOL)}, "INSUFFICIENT_FEE_BALANCE"),
        ({"native_held": Amount(1, SOL)}, "INSUFFICIENT_FEE_BALANCE"),
        ({"native_needed": Amount(10_000_001, SOL)}, "INSUFFICIENT_FEE_BALANCE"),
    ],
)
def test_one_wrong_fact_blocks_under_its_own_code_alone(changed: dict[str, Any], code: str) -> None:
    assert codes(facts=replace(FACTS, **changed)) == (code,)


def test_a_market_that_cannot_be_read_blocks_as_closed_and_as_old() -> None:
    assert codes(facts=replace(FACTS, market=None, price_time=None)) == ("MARKET_UNREADABLE", "PRICE_UNREADABLE")


@pytest.mark.parametrize(
    "changed",
    [
        {"market": observed(close_time=NOW + TICK)},
        {"price_time": NOW - timedelta(seconds=30)},
        {"price_time": NOW + MAX_CLOCK_LEAD},
        {"sold_value_usd": Decimal(100)},
        {"cooldown_until": NOW},
        {"needs_market": False, "market": None},
    ],
)
def test_the_edge_of_a_limit_is_inside(changed: dict[str, Any]) -> None:
    assert codes(facts=replace(FACTS, **changed)) == ()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"execution_enabled": False}, "EXECUTION_DISABLED"),
        ({"max_slippage_bps": 49}, "SLIPPAGE_TOO_HIGH"),
        ({"max_position_usd": Decimal("49.99")}, "POSITION_TOO_LARGE"),
        ({"allowed_assets": frozenset({SOL.id})}, "ASSET_NOT_ALLOWED"),
        ({"allowed_assets": frozenset({SOLANA_USDC.id})}, "ASSET_NOT_ALLOWED"),
    ],
)
def test_one_stricter_limit_blocks_under_its_own_code_alone(changed: dict[str, Any], code: str) -> None:
    assert codes(policy=replace(POLICY, **changed)) == (code,)


def test_a_dry_run_needs_no_permission_to_sign() -> None:
    assert codes(policy=replace(POLICY, execution_enabled=False, dry_run=True)) == ()


@given(policies, facts_of_any_kind, intents)
def test_every_check_always_answers_in_its_order(policy: Policy, facts: Facts, intent: Intent) -> None:
    assert [v.check for v in evaluate(policy, facts, intent)] == list(Check)


@given(policies, facts_of_any_kind, intents)
def test_a_block_names_its_code_and_what_would_pass_and_a_pass_neither(
    policy: Policy, facts: Facts, intent: Intent
) -> None:
    verdicts = evaluate(policy, facts, intent)
    for v in verdicts:
        assert bool(v.code) == bool(v.would_pass) == (not v.passed)
    assert blocking(verdicts) == tuple(v.code for v in verdicts if not v.passed)


@given(policies, facts_of_any_kind, intents, st.data())
def test_a_fact_moves_no_verdict_but_its_own(policy: Policy, facts: Facts, intent: Intent, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(LOOKED_AT_BY)))
    if name in Policy.__dataclass_fields__:
        other_policy, other_facts = replace(policy, **{name: getattr(data.draw(policies), name)}), facts
    else:
        other_policy, other_facts = policy, replace(facts, **{name: getattr(data.draw(facts_of_any_kind), name)})
    before, after = evaluate(policy, facts, intent), evaluate(other_policy, other_facts, intent)
    moved = {a.check for a, b in zip(before, after, strict=True) if a != b}
    assert moved <= LOOKED_AT_BY[name]


def test_every_fact_and_limit_has_a_check_that_looks_at_it() -> None:
    assert set(LOOKED_AT_BY) == {f.name for f in (*fields(Facts), *fields(Policy))}


@pytest.mark.parametrize("name", ["market", "price_time", "quote", "sold_value_usd", "balance", "native_balance"])
@given(policies, facts_of_any_kind, intents)
def test_what_could_not_be_learned_blocks(name: str, policy: Policy, facts: Facts, intent: Intent) -> None:
    unlearned: dict[str, Any] = {"needs_market": True, name: None}
    for v in evaluate(policy, replace(facts, **unlearned), intent):
        assert not (v.passed and v.check in LOOKED_AT_BY[name])


@given(policies, facts_of_any_kind, intents)
def test_an_empty_allowlist_allows_nothing(policy: Policy, facts: Facts, intent: Intent) -> None:
    empty = replace(policy, allowed_assets=frozenset())
    assert "ASSET_NOT_ALLOWED" in codes(empty, facts, intent)


@given(policies, facts_of_any_kind, intents)
def test_the_kill_switch_stops_everything_even_a_dry_run(policy: Policy, facts: Facts, intent: Intent) -> None:
    assert "KILL_SWITCH_ON" in codes(policy, replace(facts, kill_switch=True), intent)


@given(facts_of_any_kind, intents)
def test_without_permission_or_a_dry_run_nothing_passes(facts: Facts, intent: Intent) -> None:
    off = replace(POLICY, execution_enabled=False, dry_run=False)
    assert "EXECUTION_DISABLED" in codes(off, facts, intent)


@given(dollars, dollars, dollars)
def test_the_missing_balance_is_told_to_the_base_unit(balance: Amount, held: Amount, sold: Amount) -> None:
    intent = replace(INTENT, sell=sold)
    facts = replace(FACTS, balance=balance, held=held)
    told = verdict(Check.BALANCE, facts=facts, intent=intent)
    assert told.passed == (held + sold <= balance)
    if not told.passed:
        short = Amount.parse(told.would_pass.removesuffix(" USDC more in the wallet"), SOLANA_USDC)
        enough, one_less = balance + short, balance + short - Amount(1, SOLANA_USDC)
        assert verdict(Check.BALANCE, facts=replace(facts, balance=enough), intent=intent).passed
        assert not verdict(Check.BALANCE, facts=replace(facts, balance=one_less), intent=intent).passed


@given(sols, sols, sols, sols)
def test_one_balance_pays_for_what_is_sold_and_for_the_fees(
    balance: Amount, held: Amount, sold: Amount, fees: Amount
) -> None:
    facts = replace(FACTS, balance=balance, held=held, native_balance=balance, native_held=held, native_needed=fees)
    intent = replace(INTENT, sell=sold, buy=SOLANA_USDC)
    assert verdict(Check.BALANCE, facts=facts, intent=intent).passed == (held + sold + fees <= balance)
    assert verdict(Check.FEES, facts=facts, intent=intent).passed == (held + fees <= balance)


@given(slippages, slippages)
def test_a_slippage_that_is_said_to_pass_passes(limit: int, asked: int) -> None:
    policy = replace(POLICY, max_slippage_bps=limit)
    told = verdict(Check.SLIPPAGE, policy, replace(FACTS, quote=QUOTE), replace(INTENT, max_slippage_bps=asked))
    assert (told.code == "SLIPPAGE_TOO_HIGH") == (asked > limit)
    if told.code == "SLIPPAGE_TOO_HIGH":
        passing = int(told.would_pass.removeprefix("ask for at most ").removesuffix(" bps"))
        kept = replace(QUOTE, minimum=QUOTE.expected)
        assert verdict(
            Check.SLIPPAGE, policy, replace(FACTS, quote=kept), replace(INTENT, max_slippage_bps=passing)
        ).passed


@given(units, units, st.integers(0, 50))
def test_a_quotes_own_minimum_has_to_keep_the_owners_slippage(expected: int, minimum: int, asked: int) -> None:
    facts = replace(FACTS, quote=Quote(INTENT.sell, Amount(expected, SOL), Amount(minimum, SOL)))
    told = verdict(Check.SLIPPAGE, facts=facts, intent=replace(INTENT, max_slippage_bps=asked))
    assert told.passed == (minimum >= least_acceptable(expected, asked))


@given(usd_values, usd_values)
def test_a_position_that_is_said_to_pass_passes(limit: Decimal, value: Decimal) -> None:
    policy = replace(POLICY, max_position_usd=limit)
    told = verdict(Check.MAX_POSITION, policy, replace(FACTS, sold_value_usd=value))
    assert told.passed == (value <= limit)
    if not told.passed:
        passing = Decimal(told.would_pass.removeprefix("sell at most ").removesuffix(" USD at once"))
        assert verdict(Check.MAX_POSITION, policy, replace(FACTS, sold_value_usd=passing)).passed


@given(moments)
def test_a_cooldown_ends_when_it_is_said_to(until: datetime) -> None:
    facts = replace(FACTS, cooldown_until=until)
    told = verdict(Check.COOLDOWN, facts=facts)
    assert told.passed == (until <= NOW)
    if not told.passed:
        over = datetime.fromisoformat(told.would_pass.removeprefix("wait until "))
        assert verdict(Check.COOLDOWN, facts=replace(facts, now=over)).passed


@given(dollars, sols, st.none() | quotes)
def test_a_value_is_told_in_dollars_or_not_at_all(paid: Amount, sold: Amount, quote: Quote | None) -> None:
    selling_dollars, selling_sol = replace(INTENT, sell=paid), replace(INTENT, sell=sold, buy=SOLANA_USDC)
    assert value_usd(selling_dollars, quote) == paid.whole
    assert value_usd(selling_sol, Quote(sold, paid, paid)) == paid.whole
    assert value_usd(selling_sol, None) is None
    assert value_usd(selling_sol, quote) is None  # a quote in SOL prices no SOL
