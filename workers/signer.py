"""The signer: the only process that may use keys. It serves its own task queue and runs no workflow."""

import contextlib
from collections.abc import AsyncIterator, Awaitable

from temporalio.client import Client
from temporalio.worker import Worker

from activities.create_wallet import CreateWalletKey
from activities.heartbeat import Heartbeats
from activities.sign import Sign
from activities.translation import Translation
from infra.config import Settings
from infra.custody.kms_envelope.custodian import NAME, KmsEnvelope
from infra.db.attempts import Attempts
from infra.db.book import Book
from infra.db.executions import Executions
from infra.db.system import System
from infra.db.wallets import Wallets
from infra.parts import open_venues
from infra.temporal.queues import SIGNER
from workers import process

# A signature takes a second, most of it waiting; more at once would only queue at the quote service.
ACTIVITY_SLOTS = 16


@contextlib.asynccontextmanager
async def serve(settings: Settings, client: Client, book: Book) -> AsyncIterator[Awaitable[None]]:
    custodians = {NAME: KmsEnvelope(settings.kms_key_id, settings.kms_endpoint, settings.aws_region)}
    async with open_venues(settings) as venues:
        worker = Worker(
            client,
            task_queue=SIGNER,
            activities=[
                Sign(Executions(book), Attempts(book), System(book), venues, custodians, settings.policy).run,
                CreateWalletKey(Wallets(book), custodians).run,
            ],
            interceptors=[Translation(), Heartbeats()],
            max_concurrent_activities=ACTIVITY_SLOTS,
            graceful_shutdown_timeout=process.GRACE,
        )
        async with process.serving(worker) as broken:
            yield broken


def main() -> None:
    process.run("signer", serve)


if __name__ == "__main__":
    main()
