"""What a proxy may do to one exchange. Seconds are floats, as asyncio takes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing is done. Armed, it counts the exchanges that match, and shields them from faults armed later."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Forwarded after so many seconds, whether or not the client still waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DropBefore:
    """The client's connection is cut; the upstream never sees the request."""


@dataclass(frozen=True, slots=True)
class DropAfter:
    """The upstream answers, and the client's connection is cut instead of answered."""


@dataclass(frozen=True, slots=True)
class LateDeliver:
    """The client's connection is cut at once, the request forwarded so many seconds later."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Forwarded twice, one after the other; the client hears the first answer."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """The answer's full length is announced, its first half sent, the connection cut."""


@dataclass(frozen=True, slots=True)
class Garble:
    """The answer keeps status and length; bytes that no JSON may hold stand in it somewhere."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answered by the proxy; the upstream never sees the request."""

    code: int
    retry_after_s: int | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class StaleRead:
    """The upstream's last earlier answer to the same name and parameters, else to the same name.

    A request with no earlier answer does not meet this fault.
    """


@dataclass(frozen=True, slots=True)
class LieNull:
    """Every JSON-RPC result of the answer is null; of a result `{context, value: [...]}`, every entry of the list."""


@dataclass(frozen=True, slots=True)
class Replace:
    """The upstream's JSON answer as `transform` makes it; called before the client hears anything."""

    transform: Callable[[Any], Any]


Mode = (
    Pass
    | Delay
    | DropBefore
    | DropAfter
    | LateDeliver
    | Duplicate
    | Truncate
    | Garble
    | Status
    | StaleRead
    | LieNull
    | Replace
)
