"""Would today's workflow code have done what was done? Replays stored histories: before a deploy, or after a drill.

    python -m workers.replay [QUERY]

QUERY is Temporal's list filter; without one, every workflow of ours that Temporal remembers. Needs the settings of a
worker, touches neither book nor chain. The last line is one JSON document: how many histories were replayed, and the
failures by workflow id; before it the SDK may warn. Exit 1 where there are any: code that fails here must not be
deployed over running executions.
"""

import asyncio
import json
import sys

from temporalio.client import Client
from temporalio.worker import Replayer

from infra.config import load_settings
from infra.temporal.client import connect
from infra.temporal.queues import EXECUTIONS
from workers.executor import WORKFLOWS

EVERY_ONE_OF_OURS = f"TaskQueue = '{EXECUTIONS}'"
MOST = 20_000  # histories; a day of a busy installation, and minutes of one core


async def replay(client: Client, query: str) -> tuple[int, dict[str, str]]:
    """How many histories were replayed, and by workflow id what does not replay."""
    config = client.config()
    replayer = Replayer(workflows=WORKFLOWS, namespace=client.namespace, data_converter=config["data_converter"])
    count, failures = 0, dict[str, str]()
    async with replayer.workflow_replay_iterator(client.list_workflows(query, limit=MOST).map_histories()) as results:
        async for result in results:
            count += 1
            if result.replay_failure:
                failures[result.history.workflow_id] = str(result.replay_failure)
    return count, failures


async def _main(query: str) -> int:
    count, failures = await replay(await connect(load_settings()), query)
    sys.stdout.write(json.dumps({"replayed": count, "failures": failures}) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1] if len(sys.argv) > 1 else EVERY_ONE_OF_OURS)))
