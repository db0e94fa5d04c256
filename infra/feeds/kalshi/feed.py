"""The feed: the socket where it can be trusted, REST for every market that the socket does not cover."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from domain.errors import FeedNonsense, FeedUnavailable
from domain.triggers import MarketObservation
from infra.feeds.kalshi import wire
from infra.feeds.kalshi.board import Board, Receipt
from infra.feeds.kalshi.rest import BATCH, KalshiRest
from infra.feeds.kalshi.signing import Signer
from infra.feeds.kalshi.socket import LIFECYCLE, TICKER, News, Socket, SocketLost, opened

MAX_WAITING = 1000  # observations a slow reader may be behind before we stop reading the socket
# Between two batches of one round: 10 calls a second are half of what the smallest account may read.
# Source: https://docs.kalshi.com/getting_started/rate_limits (Basic: 200 tokens a second, 10 a call).
BETWEEN_BATCHES_S = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """Every interval of the feed, in seconds."""

    poll_s: float = 2.0  # a fifth of the age at which a price is too old to act on
    reread_s: float = 60.0  # covered markets too: opening and closing by the clock sends no event
    silence_s: float = 30.0  # three of the exchange's heartbeats, which come every 10 s
    retry_first_s: float = 0.5
    retry_most_s: float = 30.0


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """`polling`: some followed market depends on REST. `trouble`: why the socket is not up, in words."""

    socket_up: bool
    last_frame_at: datetime | None
    polling: bool
    nonsense_count: int
    trouble: str


class KalshiFeed:
    """Without a signer it polls only: the exchange's socket wants an account, its market data does not."""

    def __init__(self, rest: KalshiRest, ws_url: str, signer: Signer | None, pace: Pace | None = None) -> None:
        self._rest = rest
        self._ws_url = ws_url
        self._signer = signer
        self._pace = pace or Pace()
        self._board = Board()
        self._socket: Socket | None = None
        self._last_heard: datetime | None = None
        self._nonsense_count = 0
        self._doubted_s = float("-inf")
        self._trouble = "" if signer else "no credentials"
        self._changed = asyncio.Event()
        self._told: asyncio.Queue[MarketObservation] = asyncio.Queue(MAX_WAITING)
        self._running = False

    async def snapshot(self, market: str) -> MarketObservation:
        """One reading, over REST. Errors: FEED_UNAVAILABLE, FEED_NONSENSE (retried), MARKET_UNKNOWN (final)."""
        return await self._rest.snapshot(market)

    async def follow(self, markets: frozenset[str]) -> None:
        """The whole set of markets wanted from now on; takes effect without a reconnect."""
        self._board.follow(markets)
        self._changed.set()

    @property
    def health(self) -> FeedHealth:
        heard = self._socket.last_heard if self._socket else None
        return FeedHealth(
            socket_up=self._socket is not None and self._socket.answered,
            last_frame_at=heard or self._last_heard,
            polling=any(not self._is_covered(market) for market in self._board.followed),
            nonsense_count=self._nonsense_count,
            trouble=self._trouble,
        )

    async def observations(self) -> AsyncIterator[MarketObservation]:
        """Every change of every followed market, first of all its present state, until closed.

        For one reader at a time. Never raises for what the source says or fails to say.
        """
        if self._running:
            raise RuntimeError("the feed has a reader already")
        self._running = True
        self._told = asyncio.Queue(MAX_WAITING)  # what an earlier reader left behind is old
        self._board.tell_again()
        duties = [asyncio.create_task(self._read_forever())]
        if self._signer:
            duties.append(asyncio.create_task(self._listen_forever(self._signer)))
        try:
            while True:
                told = asyncio.create_task(self._told.get())
                try:
                    await asyncio.wait({told, *duties}, return_when=asyncio.FIRST_COMPLETED)
                    for duty in duties:
                        if duty.done():
                            duty.result()  # a duty ends only by a fault of our own: let it be seen
                    observation = await told
                finally:
                    told.cancel()
                yield observation
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            self._running = False

    def _is_covered(self, market: str) -> bool:
        """Every change reaches us by the socket, and a read since it began showed what came before."""
        since_s = self._socket.covered_since_s(market) if self._socket else None
        return since_s is not None and self._board.read_s(market) > max(since_s, self._doubted_s)

    async def _read_forever(self) -> None:
        failures = 0
        while True:
            self._changed.clear()
            try:
                await self._read_what_is_due()
                failures = 0
            except FeedUnavailable as error:
                failures += 1
                log.warning("kalshi cannot be read", reason=str(error), failures=failures)
            await self._tell_socket()
            if failures:  # nothing is reason enough to hurry a source in trouble
                await asyncio.sleep(max(self._pace.poll_s, self._backoff_s(failures)))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_s):
                    await self._changed.wait()

    async def _read_what_is_due(self) -> None:
        old_s = asyncio.get_running_loop().time() - self._pace.reread_s
        due = [
            market
            for market in sorted(self._board.followed)
            if not self._is_covered(market) or self._board.read_s(market) < old_s
        ]
        for start in range(0, len(due), BATCH):
            if start:
                await asyncio.sleep(BETWEEN_BATCHES_S)
            try:
                await self._read(due[start : start + BATCH])
            except FeedNonsense as error:
                self._count_nonsense(error)  # of this batch only: the others may make sense

    async def _read(self, markets: list[str]) -> None:
        asked_s = asyncio.get_running_loop().time()
        page = await self._rest.markets(markets)
        receipt = Receipt(page.received_time, asyncio.get_running_loop().time(), page.raw_sha256)
        for market in page.nonsense:
            self._count_nonsense(FeedNonsense(f"the listing of {market}"))
            self._board.doubt(market)
        for listing in page.listings:
            try:
                await self._tell(self._board.read(listing, asked_s, receipt))
            except FeedNonsense as error:
                self._count_nonsense(error)
                self._board.doubt(listing.market)

    async def _tell_socket(self) -> None:
        """Ask the socket only for markets the exchange has shown: an unknown one would spoil the command."""
        if self._socket:
            try:
                await self._socket.want(self._board.listed)
            except SocketLost:
                return  # the listener hears of it too, and connects anew

    async def _listen_forever(self, signer: Signer) -> None:
        failures = 0
        while True:
            try:
                async with opened(self._ws_url, signer, self._pace.silence_s, self._changed.set) as socket:
                    self._socket, self._trouble = socket, ""
                    await socket.want(self._board.listed)
                    while True:
                        await self._hear(socket)
            except SocketLost as lost:
                self._trouble = str(lost)
                log.warning("kalshi socket lost", reason=str(lost), failures=failures)
            finally:
                if self._socket:
                    self._last_heard = self._socket.last_heard or self._last_heard
                    failures = 0 if self._socket.answered else failures
                self._socket = None
            failures += 1
            await asyncio.sleep(self._backoff_s(failures))

    async def _hear(self, socket: Socket) -> None:
        try:
            news = await socket.next()
            observation = self._learned(news)
        except FeedNonsense as error:
            # What the frame should have said is lost: until the next read nothing here is covered.
            self._doubted_s = asyncio.get_running_loop().time()
            self._count_nonsense(error)
            return
        await self._tell(observation)

    def _learned(self, news: News) -> MarketObservation | None:
        sha256 = hashlib.sha256(news.raw).hexdigest()
        receipt = Receipt(datetime.now(UTC), asyncio.get_running_loop().time(), sha256)
        if news.kind == TICKER:
            return self._board.quoted(wire.ticker(news.message), receipt)
        if news.kind == LIFECYCLE:
            event = wire.lifecycle(news.message)
            if not event.known:
                self._changed.set()  # read it at once
            return self._board.happened(event, receipt)
        return None  # a kind of frame we did not ask for

    def _count_nonsense(self, error: FeedNonsense) -> None:
        self._nonsense_count += 1
        if self._nonsense_count.bit_count() == 1:  # at 1, 2, 4, 8, ...: a flood of it must not flood the log
            log.warning("kalshi talks nonsense", reason=str(error), count=self._nonsense_count)

    async def _tell(self, observation: MarketObservation | None) -> None:
        if observation:
            await self._told.put(observation)

    def _backoff_s(self, failures: int) -> float:
        """Doubles up to the most, half of it left to chance so that clients do not return in step."""
        full_s = min(self._pace.retry_most_s, self._pace.retry_first_s * 2.0 ** min(failures - 1, 16))
        return random.uniform(full_s / 2, full_s)  # noqa: S311 - nobody gains by guessing it
