"""Gathers the facts of a policy decision from the outside, and has `domain.policy` judge them."""

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from domain import policy
from domain.errors import MarketUnknown, NoRoute, TripwireError
from domain.executions import Execution
from domain.intents import Intent
from domain.lifecycle import RuleState
from domain.money import Amount
from domain.policy import Facts, Policy, Verdict
from domain.wallets import Wallet
from infra.db.leases import Leases
from infra.db.system import System
from infra.feeds.protocol import Feed
from infra.venues.protocol import Venue

T = TypeVar("T")


class Evaluation:
    def __init__(self, venues: Mapping[str, Venue], feeds: Mapping[str, Feed], leases: Leases, system: System) -> None:
        self._venues = venues
        self._feeds = feeds
        self._leases = leases
        self._system = system

    async def of_execution(self, execution: Execution, *, patient: bool) -> tuple[Verdict, ...]:
        """The verdicts on an execution, now.

        `patient`: what cannot be learned raises, so that the step is tried again; else it blocks.
        Errors: FEED_UNAVAILABLE, FEED_NONSENSE, QUOTE_UNAVAILABLE, CHAIN_UNAVAILABLE (retried), if patient.
        """
        return await self.judge(
            execution.intent,
            execution.policy,
            execution.wallet,
            venue=execution.order.venue,
            feed=execution.rule.trigger.venue,
            market=None if execution.by_hand else execution.rule.trigger.market,
            price_time=execution.price_time,
            rule_live=execution.rule_state in (RuleState.TRIGGERED, RuleState.EXECUTING),
            cooldown_until=execution.cooldown_until,
            held=await self._leases.held(execution.wallet.id, except_for=execution.id),
            patient=patient,
        )

    async def judge(
        self,
        intent: Intent,
        limits: Policy,
        wallet: Wallet,
        *,
        venue: str,
        feed: str,
        market: str | None,
        price_time: datetime | None,
        rule_live: bool,
        cooldown_until: datetime | None,
        held: Mapping[str, int],
        patient: bool,
    ) -> tuple[Verdict, ...]:
        """The verdicts on an intent, now. Errors: as `of_execution`.

        `price_time`: of a price that is known already. Kalshi's REST dates a market by its last change
        outside trading, so the time of the streamed price that fired is often the newer one.
        Source: Kalshi's OpenAPI, `updated_time`.
        """
        dealer = self._venues[venue]
        reserve = dealer.fee_reserve()
        quote = await _learned(dealer.quote(intent), patient)
        balances = await _learned(dealer.balances(wallet.address, (intent.sell.asset, reserve.asset)), patient)
        seen = await _learned(self._feeds[feed].snapshot(market), patient) if market else None
        facts = Facts(
            now=datetime.now(UTC),
            kill_switch=await self._system.halted(),
            rule_live=rule_live,
            wallet_usable=not wallet.frozen,
            needs_market=market is not None,
            market=seen,
            price_time=max((time for time in (price_time, seen and seen.source_time) if time), default=None),
            quote=quote,
            sold_value_usd=policy.value_usd(intent, quote),
            cooldown_until=cooldown_until,
            balance=balances[intent.sell.asset.id] if balances else None,
            held=Amount(held.get(intent.sell.asset.id, 0), intent.sell.asset),
            native_balance=balances[reserve.asset.id] if balances else None,
            native_held=Amount(held.get(reserve.asset.id, 0), reserve.asset),
            native_needed=reserve,
        )
        return policy.evaluate(limits, facts, intent)


async def _learned(asked: Awaitable[T], patient: bool) -> T | None:
    """What was asked, or None where it cannot be learned. An unknown market or route never becomes known."""
    try:
        return await asked
    except (MarketUnknown, NoRoute):
        return None
    except TripwireError:
        if patient:
            raise
        return None
