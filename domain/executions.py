"""An execution as its steps see it: read from the book, never from a workflow's arguments."""

from dataclasses import dataclass
from datetime import datetime

from domain.intents import Intent
from domain.lifecycle import ExecutionState, RuleState
from domain.policy import Policy
from domain.rules import RuleSpec
from domain.wallets import Wallet


@dataclass(frozen=True, slots=True)
class Order:
    """What a workflow is told: names only. Amounts and destinations are in the book."""

    trigger_id: str
    execution_id: str
    owner_id: str
    rule_id: str
    wallet_id: str
    venue: str


@dataclass(frozen=True, slots=True)
class Execution:
    """`by_hand` executions were fired by a person, so no market has to agree with them.

    `price_time` is the source's own time of the price that fired the others.
    """

    order: Order
    workflow_id: str
    status: ExecutionState
    codes: tuple[str, ...]
    dry_run: bool
    by_hand: bool
    price_time: datetime | None
    intent: Intent
    policy: Policy
    wallet: Wallet
    rule: RuleSpec
    rule_state: RuleState
    cooldown_until: datetime | None
    created_at: datetime

    @property
    def id(self) -> str:
        return self.order.execution_id
