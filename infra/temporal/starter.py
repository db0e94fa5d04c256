"""Starting workflows by business identity: however often it is asked, there is one."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from opentelemetry import context, propagate
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain import identity
from domain.errors import IllegalTransition
from domain.executions import Order
from domain.wallets import NewWallet
from infra.db.triggers import Triggers
from infra.temporal.attributes import of_order
from infra.temporal.queues import EXECUTIONS

RPC_TIMEOUT = timedelta(seconds=10)

# A workflow task of ours takes milliseconds; one that an executor took to its grave is given to another after this.
TASK_TIMEOUT = timedelta(seconds=5)

# Making a key takes one call to the key service; past this a person who waits at the API is told to ask again.
WALLET_TIMEOUT = timedelta(seconds=30)


class Starter:
    def __init__(self, client: Client, triggers: Triggers) -> None:
        self._client = client
        self._triggers = triggers

    async def start(self, order: Order, trace: Mapping[str, str]) -> bool:
        """Start an order's workflow and mark it started. False if it had been started before: the same success."""
        return await self._start(order, trace, WorkflowIDReusePolicy.REJECT_DUPLICATE)

    async def restart(self, order: Order, trace: Mapping[str, str]) -> bool:
        """Start an order's workflow again, however its earlier runs ended. False: one is running already.

        It cannot pay twice: every step of the new run answers from its record in the book.
        Errors: ILLEGAL_TRANSITION (final), for an execution that is over and needs no run.
        """
        if await self._triggers.is_over(order):
            raise IllegalTransition(f"{order.execution_id} is over: there is nothing left for a workflow to do")
        return await self._start(order, trace, WorkflowIDReusePolicy.ALLOW_DUPLICATE)

    async def _start(self, order: Order, trace: Mapping[str, str], reuse: WorkflowIDReusePolicy) -> bool:
        token = context.attach(propagate.extract(trace))
        try:
            started = await self._ask_temporal(order, reuse)
        finally:
            context.detach(token)
        await self._triggers.mark_started(order)
        return started

    async def _ask_temporal(self, order: Order, reuse: WorkflowIDReusePolicy) -> bool:
        try:
            await self._client.start_workflow(
                "ExecuteRule",
                order,
                id=identity.workflow_id(order.trigger_id),
                task_queue=EXECUTIONS,
                id_reuse_policy=reuse,
                # FAIL rather than USE_EXISTING: both leave a running one alone, only this one says so.
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=of_order(order),
                static_summary=f"{order.venue}: {order.rule_id}",
                task_timeout=TASK_TIMEOUT,
                rpc_timeout=RPC_TIMEOUT,
            )
        except WorkflowAlreadyStartedError:
            return False
        return True

    async def create_wallet(self, wallet: NewWallet) -> None:
        """Have the signer make a wallet's key, and wait until the book holds it. Again finds the first one.

        Errors: TimeoutError where the signer does not answer in time; the wallet may appear later.
        """
        handle: WorkflowHandle[object, object]
        with suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                "CreateWallet",
                wallet,
                id=f"wallet/{wallet.id}",
                task_queue=EXECUTIONS,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                execution_timeout=WALLET_TIMEOUT,
                rpc_timeout=RPC_TIMEOUT,
            )
        handle = self._client.get_workflow_handle(f"wallet/{wallet.id}")
        await handle.result(rpc_timeout=WALLET_TIMEOUT)
