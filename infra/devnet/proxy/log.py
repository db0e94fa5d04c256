"""What a proxy saw: every exchange in order of arrival, and every transaction that went to the upstream."""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from infra.devnet.proxy.modes import Mode
from infra.devnet.proxy.request import Request

KEPT = 100_000  # exchanges; half an hour at 50 a second, and some 100 MB at 1 kB
BODY_KEPT_BYTES = 4_096  # of request and of answer


@dataclass(slots=True)
class Exchange:
    """One request and what became of it, which is filled in as it happens.

    `forwarded` has a time for each way to the upstream whose bytes may have arrived there.
    """

    number: int  # from 1, without gaps
    received: datetime
    names: tuple[str, ...]
    body: bytes  # its beginning
    body_sha256: str
    payloads: tuple[str, ...]  # SHA-256 of raw transactions, one for each call that broadcasts
    mode: Mode
    forwarded: list[datetime] = field(default_factory=list)
    status: int | None = None  # the upstream's; None: it did not answer, or has not yet
    answer: bytes | None = None  # its beginning, as the upstream gave it
    duration_s: float | None = None  # None while it goes on

    @property
    def reached(self) -> bool:
        return bool(self.forwarded)


class Log:
    """Exchanges beyond the newest 100 000 are forgotten, but for those that carried transactions."""

    def __init__(self) -> None:
        self.count = 0  # the number of the newest exchange
        self._exchanges: deque[Exchange] = deque(maxlen=KEPT)
        self._broadcasts: list[Exchange] = []

    def open(self, request: Request, mode: Mode) -> Exchange:
        self.count += 1
        exchange = Exchange(
            number=self.count,
            received=datetime.now(UTC),
            names=request.names,
            body=request.body[:BODY_KEPT_BYTES],
            body_sha256=hashlib.sha256(request.body).hexdigest(),
            payloads=request.payloads(),
            mode=mode,
        )
        self._exchanges.append(exchange)
        if exchange.payloads:
            self._broadcasts.append(exchange)
        return exchange

    def calls(self, name: str = "*", since: int = 0) -> list[Exchange]:
        """Exchanges of a name (a pattern; of a batch, any call) after number `since`, oldest first."""
        return [
            exchange
            for exchange in self._exchanges
            if exchange.number > since and any(fnmatchcase(own, name) for own in exchange.names)
        ]

    def sent(self) -> dict[str, list[datetime]]:
        """By SHA-256 of its raw bytes, when each transaction went to the upstream, in order."""
        times: dict[str, list[datetime]] = {}
        for exchange in self._broadcasts:
            for payload in exchange.payloads:
                times.setdefault(payload, []).extend(exchange.forwarded)
        return {payload: sorted(forwarded) for payload, forwarded in times.items() if forwarded}
