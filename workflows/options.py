"""Every timeout and retry policy of the steps, each with its reason."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

from infra.temporal.queues import SIGNER


class Options(TypedDict, total=False):
    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


# What fails here is the network or a database that comes back. Tries without end, half a minute apart at most:
# giving up would strand money, and a cluster that is back is noticed soon.
PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)

# Every step heartbeats each 2 s, whatever it waits for: a worker that fell silent is replaced after this. The SDK
# passes on what is heard in four fifths of it.
SILENT = timedelta(seconds=6)

# Clients give up within 5 s a call and node, and a step makes a handful.
QUICK = Options(start_to_close_timeout=timedelta(seconds=40), heartbeat_timeout=SILENT, retry_policy=PATIENT)

# One send of at most 5 s to each of a few nodes.
SEND = Options(start_to_close_timeout=timedelta(seconds=25), heartbeat_timeout=SILENT, retry_policy=PATIENT)

# Two quotes, a build, a simulation and the key service. Past ten minutes in all the price that the owner
# wanted is history: the execution ends without a signature.
SIGN = Options(
    task_queue=SIGNER,
    start_to_close_timeout=timedelta(seconds=40),
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=SILENT,
    retry_policy=PATIENT,
)

# Looks until it is certain, however long that takes.
WATCH = Options(start_to_close_timeout=timedelta(hours=1), heartbeat_timeout=SILENT, retry_policy=PATIENT)

# The releaser's signal comes first; these timers only serve a signal that was lost.
LEASE_RECHECK_FIRST = timedelta(seconds=15)
LEASE_RECHECK_MOST = timedelta(minutes=5)

# How often an execution that a person has to decide is looked at again by itself.
UNKNOWN_RECHECK = timedelta(minutes=1)
