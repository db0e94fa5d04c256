"""May this execution move money now? Every check gives a verdict; all are evaluated, not only the first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain import assets
from domain.intents import BPS, Intent, Quote
from domain.money import Amount
from domain.triggers import MAX_CLOCK_LEAD, MarketObservation, MarketStatus


class Check(StrEnum):
    KILL_SWITCH = "kill_switch"
    EXECUTION_ENABLED = "execution_enabled"
    RULE_ACTIVE = "rule_active"
    WALLET_USABLE = "wallet_usable"
    MARKET_ACTIVE = "market_active"
    PRICE_AGE = "price_age"
    ASSET_ALLOWED = "asset_allowed"
    SLIPPAGE = "slippage"
    MAX_POSITION = "max_position"
    COOLDOWN = "cooldown"
    BALANCE = "balance"
    FEES = "fees"


KILL_SWITCH_ON = "KILL_SWITCH_ON"
WALLET_FROZEN = "WALLET_FROZEN"
EXECUTION_DISABLED = "EXECUTION_DISABLED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's answer, in the words of the owner: `would_pass` says what would change it."""

    check: Check
    passed: bool
    code: str = ""
    limit: str = ""
    used: str = ""
    held: str = ""
    asked: str = ""
    would_pass: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits in force, snapshotted into each execution. An empty allowlist allows nothing."""

    execution_enabled: bool
    dry_run: bool
    allowed_assets: frozenset[str]  # CAIP-19 ids
    max_slippage_bps: int
    max_position_usd: Decimal
    max_price_age: timedelta


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen, at `now`. None means that it could not be learned, and blocks (law 6).

    `needs_market` is false for an execution fired by hand: then no market has to agree. `price_time` is
    the source's own time of the newest price that is known, from the trigger's evidence or read since.
    `balance` and `held` are of the sold asset; `native_*` pay the network's fees and deposits.
    """

    now: datetime
    kill_switch: bool
    rule_live: bool
    wallet_usable: bool
    needs_market: bool
    market: MarketObservation | None
    price_time: datetime | None
    quote: Quote | None
    sold_value_usd: Decimal | None
    cooldown_until: datetime | None
    balance: Amount | None
    held: Amount
    native_balance: Amount | None
    native_held: Amount
    native_needed: Amount


def value_usd(intent: Intent, quote: Quote | None) -> Decimal | None:
    """What is sold, in US dollars: its own amount, or what the quote pays for it; None where neither is a dollar."""
    if intent.sell.asset.id in assets.DOLLARS:
        return intent.sell.whole
    if quote is not None and quote.expected.asset.id in assets.DOLLARS:
        return quote.expected.whole
    return None


def forbids_signing(policy: Policy, own: Policy, *, kill_switch: bool, wallet_usable: bool, dry_run: bool) -> str:
    """The code of what forbids a signature now, whatever was decided earlier; empty where nothing does.

    `own` is the signing process's policy: an execution's snapshot cannot switch a signer on.
    """
    if kill_switch:
        return KILL_SWITCH_ON
    if not wallet_usable:
        return WALLET_FROZEN
    if not dry_run and not (policy.execution_enabled and own.execution_enabled):
        return EXECUTION_DISABLED
    return ""


def evaluate(policy: Policy, facts: Facts, intent: Intent) -> tuple[Verdict, ...]:
    """Every verdict, in a fixed order. All have to pass."""
    return tuple(check(policy, facts, intent) for check in _CHECKS)


def blocking(verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
    return tuple(verdict.code for verdict in verdicts if not verdict.passed)


def _kill_switch(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if facts.kill_switch:
        return Verdict(
            Check.KILL_SWITCH,
            False,
            KILL_SWITCH_ON,
            would_pass="an operator lifts the halt; the system's status tells why it is there",
        )
    return Verdict(Check.KILL_SWITCH, True)


def _execution_enabled(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if policy.execution_enabled or policy.dry_run:  # a dry run signs nothing, so it needs no permission to sign
        return Verdict(Check.EXECUTION_ENABLED, True, asked="dry run" if policy.dry_run else "live")
    return Verdict(
        Check.EXECUTION_ENABLED,
        False,
        EXECUTION_DISABLED,
        would_pass="start with TRIPWIRE_EXECUTION_ENABLED=true",
    )


def _rule_active(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if facts.rule_live:
        return Verdict(Check.RULE_ACTIVE, True)
    return Verdict(Check.RULE_ACTIVE, False, "RULE_NOT_ACTIVE", would_pass="activate or resume the rule")


def _wallet_usable(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if facts.wallet_usable:
        return Verdict(Check.WALLET_USABLE, True)
    return Verdict(Check.WALLET_USABLE, False, WALLET_FROZEN, would_pass="unfreeze the wallet")


def _market_active(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if not facts.needs_market:
        return Verdict(Check.MARKET_ACTIVE, True, asked="fired by hand")
    if facts.market is None:
        return Verdict(Check.MARKET_ACTIVE, False, "MARKET_UNREADABLE", would_pass="the market's source answers again")
    closed = facts.market.close_time is not None and facts.now >= facts.market.close_time
    if facts.market.status is not MarketStatus.ACTIVE or closed:
        return Verdict(
            Check.MARKET_ACTIVE,
            False,
            "MARKET_NOT_ACTIVE",
            limit=MarketStatus.ACTIVE,
            asked=MarketStatus.CLOSED if closed else facts.market.status,
            would_pass="the market opens",
        )
    return Verdict(Check.MARKET_ACTIVE, True, asked=facts.market.status)


def _price_age(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if not facts.needs_market:
        return Verdict(Check.PRICE_AGE, True, asked="fired by hand")
    if facts.price_time is None:
        return Verdict(Check.PRICE_AGE, False, "PRICE_UNREADABLE", would_pass="the market's source answers again")
    age = facts.now - facts.price_time
    limit = f"{policy.max_price_age.total_seconds():g} s"
    if -age > MAX_CLOCK_LEAD:
        return Verdict(
            Check.PRICE_AGE,
            False,
            "PRICE_FROM_THE_FUTURE",
            limit=limit,
            asked=f"{age.total_seconds():.1f} s",
            would_pass="the source's clock and ours agree again",
        )
    if age > policy.max_price_age:
        return Verdict(
            Check.PRICE_AGE,
            False,
            "PRICE_STALE",
            limit=limit,
            asked=f"{age.total_seconds():.1f} s",
            would_pass="the source publishes a fresh price",
        )
    return Verdict(Check.PRICE_AGE, True, limit=limit, asked=f"{age.total_seconds():.1f} s")


def _asset_allowed(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    refused = [asset.symbol for asset in (intent.sell.asset, intent.buy) if asset.id not in policy.allowed_assets]
    if refused:
        return Verdict(
            Check.ASSET_ALLOWED,
            False,
            "ASSET_NOT_ALLOWED",
            asked=", ".join(refused),
            would_pass="an operator adds the asset to the allowlist",
        )
    return Verdict(Check.ASSET_ALLOWED, True, asked=f"{intent.sell.asset.symbol}, {intent.buy.symbol}")


def _slippage(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    limit, asked = f"{policy.max_slippage_bps} bps", f"{intent.max_slippage_bps} bps"
    if intent.max_slippage_bps > policy.max_slippage_bps:
        return Verdict(
            Check.SLIPPAGE,
            False,
            "SLIPPAGE_TOO_HIGH",
            limit=limit,
            asked=asked,
            would_pass=f"ask for at most {limit}",
        )
    if facts.quote is None:
        return Verdict(Check.SLIPPAGE, False, "NO_QUOTE", limit=limit, asked=asked, would_pass="a quote is available")
    wanted = (intent.sell, intent.buy, intent.buy)
    if (facts.quote.sell, facts.quote.expected.asset, facts.quote.minimum.asset) != wanted:
        return Verdict(
            Check.SLIPPAGE, False, "OTHER_QUOTE", limit=limit, asked=asked, would_pass="a quote for this swap"
        )
    if facts.quote.minimum.base * BPS < facts.quote.expected.base * (BPS - intent.max_slippage_bps):
        return Verdict(
            Check.SLIPPAGE,
            False,
            "QUOTE_TOO_LOOSE",
            limit=limit,
            asked=str(facts.quote.minimum),
            would_pass="a quote that keeps the asked slippage",
        )
    return Verdict(Check.SLIPPAGE, True, limit=limit, asked=asked)


def _max_position(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    limit = f"{policy.max_position_usd} USD"
    if facts.sold_value_usd is None:
        return Verdict(
            Check.MAX_POSITION, False, "VALUE_UNKNOWN", limit=limit, would_pass="the sold asset can be priced"
        )
    asked = f"{facts.sold_value_usd:f} USD"
    if facts.sold_value_usd > policy.max_position_usd:
        return Verdict(
            Check.MAX_POSITION,
            False,
            "POSITION_TOO_LARGE",
            limit=limit,
            asked=asked,
            would_pass=f"sell at most {limit} at once",
        )
    return Verdict(Check.MAX_POSITION, True, limit=limit, asked=asked)


def _cooldown(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    if facts.cooldown_until is not None and facts.now < facts.cooldown_until:
        until = facts.cooldown_until.isoformat()
        return Verdict(Check.COOLDOWN, False, "COOLDOWN", limit=until, would_pass=f"wait until {until}")
    return Verdict(Check.COOLDOWN, True)


def _covered(check: Check, code: str, balance: Amount | None, held: Amount, needed: Amount) -> Verdict:
    if balance is None:
        return Verdict(check, False, "BALANCE_UNREADABLE", asked=needed.spoken(), would_pass="the chain answers again")
    missing = held.base + needed.base - balance.base
    numbers = {"limit": balance.spoken(), "held": held.spoken(), "asked": needed.spoken()}
    if missing > 0:
        short = Amount(missing, needed.asset).spoken()
        return Verdict(check, False, code, **numbers, would_pass=f"{short} more in the wallet")
    return Verdict(check, True, **numbers)


def _balance(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    needed = intent.sell
    if needed.asset.id == facts.native_needed.asset.id:  # one balance pays both what is sold and the fees
        needed = needed + facts.native_needed
    return _covered(Check.BALANCE, "INSUFFICIENT_BALANCE", facts.balance, facts.held, needed)


def _fees(policy: Policy, facts: Facts, intent: Intent) -> Verdict:
    return _covered(
        Check.FEES, "INSUFFICIENT_FEE_BALANCE", facts.native_balance, facts.native_held, facts.native_needed
    )


_CHECKS: tuple[Callable[[Policy, Facts, Intent], Verdict], ...] = (
    _kill_switch,
    _execution_enabled,
    _rule_active,
    _wallet_usable,
    _market_active,
    _price_age,
    _asset_allowed,
    _slippage,
    _max_position,
    _cooldown,
    _balance,
    _fees,
)
