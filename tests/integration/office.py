"""A desk with an operator at it, and a venue that cannot always prove what it says."""

from dataclasses import dataclass, replace

import pytest

from domain.attempts import Fate, Sighting
from domain.errors import ChainUnavailable, MoveNotSafe
from domain.executions import Order
from domain.intents import Slot
from domain.money import Amount, Asset
from domain.operator_moves import OperatorMove
from domain.wallets import Wallet
from infra.db.attempts import Attempts
from infra.db.executions import Executions
from infra.db.leases import Leases
from infra.db.ledger import Ledger
from infra.db.tasks import Resolution, Task, Tasks
from infra.db.wallets import Wallets
from infra.operations import Operations
from infra.venues.protocol import Sent
from tests.fakes.chain_venue import ChainVenue
from tests.integration.desk import Desk
from tests.world.conditions import until

WORDS = "the pager woke me"
EVIDENCE = "explorer at 04:10 UTC: no such signature in any block"


@dataclass
class ShakyVenue(ChainVenue):
    """`unproven`: it says how far it is, and cannot prove an absence. `usurped`: somebody used up what it is asked
    about. `count` is the next nonce on chain, where they count. `dark`: no balance and no slot can be read."""

    unproven: bool = False
    usurped: bool = False
    count: int = 0
    dark: bool = False

    async def look_up(self, sent: tuple[Sent, ...]) -> tuple[Sighting, ...]:
        seen = await super().look_up(sent)
        if self.usurped:
            return tuple(replace(one, fate=Fate.UNKNOWN, foreign=True, proof=()) for one in seen)
        if self.unproven:
            said = "absent, but the node lacks old blocks"
            return tuple(s if s.fate is Fate.LANDED else Sighting(Fate.UNKNOWN, head=s.head, detail=said) for s in seen)
        return seen

    async def slot(self, wallet: Wallet) -> Slot:
        if self.dark:
            raise ChainUnavailable("switched off by the test")
        return Slot(str(self.count), self.height + 150) if self.sequential else await super().slot(wallet)

    async def balances(self, address: str, wanted: tuple[Asset, ...]) -> dict[str, Amount]:
        if self.dark:
            raise ChainUnavailable("switched off by the test")
        return await super().balances(address, wanted)


@dataclass
class Office(Desk):
    """A desk with an operator at it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shaky = ShakyVenue()
        self.venue = self.shaky
        self.tasks = Tasks(self.book)
        self.operations = Operations(
            self.tasks,
            Wallets(self.book),
            Executions(self.book),
            Attempts(self.book),
            Leases(self.book),
            Ledger(self.book),
            {"jupiter": self.venue},
            self.starter,
        )

    async def raised(self, order: Order) -> Task:
        """The open task about an execution, once there is one."""
        await until(lambda: self._has_task(order))
        return next(t for t in await self.tasks.of_execution(order.execution_id) if t.resolution is None)

    async def _has_task(self, order: Order) -> bool:
        sql = "SELECT 1 FROM operator_task WHERE execution_id = :e AND resolved_at IS NULL"
        return bool(await self.rows(sql, e=order.execution_id))

    async def choose(self, task: Task, move: OperatorMove, reason: str = WORDS, evidence: str = EVIDENCE) -> Task:
        return await self.operations.resolve(task, Resolution(move, reason, evidence, "key_operator"))

    async def refused(self, task: Task, move: OperatorMove) -> str:
        with pytest.raises(MoveNotSafe) as refusal:
            await self.choose(task, move)
        assert refusal.value.would_be_safe
        assert (await self.tasks.find(task.id)).resolution is None
        return str(refusal.value)

    async def wallet_task(self, code: str) -> tuple[Wallet, Task]:
        """A frozen wallet with a task about itself."""
        owner, wallet_id = await self.wallet()
        wallet = await Wallets(self.book).find(owner, wallet_id)
        await self.system.freeze(wallet, code, "as the test says")
        (number,) = await self.tasks.open_of_wallet(wallet_id)
        return wallet, await self.tasks.find(number)

    async def unknown(self) -> Order:
        """An order whose payload was lost, and of which the venue can prove nothing for a quarter of an hour."""
        self.shaky.deaf = self.shaky.unproven = True
        order = await self.order()
        await until(lambda: self._is(order, "SUBMITTED"))
        await self.change(
            "UPDATE attempt SET signed_at = signed_at - interval '16 minutes' WHERE execution_id = :e",
            e=order.execution_id,
        )
        await until(lambda: self._is(order, "UNKNOWN"))
        return order

    def recover(self) -> None:
        """The venue takes what it is sent and proves what it says; the time of what was lost is over."""
        self.shaky.deaf = self.shaky.unproven = self.shaky.blind = self.shaky.dark = False
        self.shaky.height += 151

    async def _is(self, order: Order, status: str) -> bool:
        return await self.status(order) == status

    async def held(self, order: Order) -> tuple[bool, bool]:
        """Whether the order's execution has its wallet's lease, and a hold."""
        lease = await Leases(self.book).read(order.wallet_id)
        return lease.holder == order.execution_id, bool(await Leases(self.book).held(order.wallet_id))
