"""How intents and policies are written in JSON columns. Base units are strings: JSON numbers are floats to some."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain import assets
from domain.intents import Intent
from domain.ledger import Settlement
from domain.money import Amount
from domain.policy import Policy, Verdict


def from_amount(amount: Amount) -> dict[str, str]:
    return {"asset": amount.asset.id, "base": str(amount.base)}


def to_amount(document: Mapping[str, Any]) -> Amount:
    return Amount(int(document["base"]), assets.by_id(document["asset"]))


def from_intent(intent: Intent) -> dict[str, Any]:
    return {
        "sell": from_amount(intent.sell),
        "buy": intent.buy.id,
        "max_slippage_bps": intent.max_slippage_bps,
        "destination": intent.destination,
    }


def to_intent(document: Mapping[str, Any]) -> Intent:
    return Intent(
        sell=to_amount(document["sell"]),
        buy=assets.by_id(document["buy"]),
        max_slippage_bps=int(document["max_slippage_bps"]),
        destination=document["destination"],
    )


def from_policy(policy: Policy) -> dict[str, Any]:
    return {
        "execution_enabled": policy.execution_enabled,
        "dry_run": policy.dry_run,
        "allowed_assets": sorted(policy.allowed_assets),
        "max_slippage_bps": policy.max_slippage_bps,
        "max_position_usd": str(policy.max_position_usd),
        "max_price_age_s": int(policy.max_price_age.total_seconds()),
    }


def to_policy(document: Mapping[str, Any]) -> Policy:
    return Policy(
        execution_enabled=document["execution_enabled"],
        dry_run=document["dry_run"],
        allowed_assets=frozenset(document["allowed_assets"]),
        max_slippage_bps=document["max_slippage_bps"],
        max_position_usd=Decimal(document["max_position_usd"]),
        max_price_age=timedelta(seconds=document["max_price_age_s"]),
    )


def from_verdict(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict)


def from_settlement(settlement: Settlement) -> dict[str, Any]:
    return {
        "sold": from_amount(settlement.sold),
        "bought": from_amount(settlement.bought),
        "fee": from_amount(settlement.fee),
        "rent": from_amount(settlement.rent),
    }
