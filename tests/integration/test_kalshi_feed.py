"""The Kalshi client against a running exchange that is moved, cut, silenced and made to lie."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from domain.errors import FeedNonsense, FeedUnavailable, MarketUnknown
from domain.triggers import MarketObservation, MarketStatus
from infra.devnet.kalshi.credentials import mint
from infra.feeds.kalshi.feed import KalshiFeed, Pace
from infra.feeds.kalshi.rest import KalshiRest, refusal
from infra.feeds.kalshi.signing import Signer
from infra.feeds.protocol import Feed
from tests.world.kalshi import KalshiExchange, kalshi_exchange

CUT, HIKE = "FED-25DEC-CUT", "FED-25DEC-HIKE"
WITHIN_S = 30
# The stand-in's heart beats every 0.2 s here, so two seconds of silence are ten beats missed.
# What REST must not help with is not read again by chance: the regular reread is an hour away.
QUICK = Pace(poll_s=0.1, reread_s=3600, silence_s=2, retry_first_s=0.05, retry_most_s=0.2)
SOCKET_ONLY = Pace(poll_s=3600, reread_s=3600, silence_s=2, retry_first_s=0.05, retry_most_s=0.2)


class Watch:
    """What a feed told so far."""

    def __init__(self, feed: KalshiFeed) -> None:
        self.feed = feed
        self.told: list[MarketObservation] = []

    async def collect(self) -> None:
        async for observation in self.feed.observations():
            self.told.append(observation)

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110 - part of what is waited for lives in another process
                await asyncio.sleep(0.02)

    async def tells(self, **state: Any) -> MarketObservation:
        """Wait for an observation of this state, among all that were told."""
        found: list[MarketObservation] = []

        def one_is_told() -> bool:
            found.extend(seen for seen in self.told if all(getattr(seen, k) == v for k, v in state.items()))
            return bool(found)

        await self.until(one_is_told)
        return found[0]

    async def covers(self) -> None:
        await self.until(lambda: self.feed.health.socket_up and not self.feed.health.polling)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[KalshiExchange]:
    with kalshi_exchange(tmp_path) as running:
        yield running


def signer(exchange: KalshiExchange) -> Signer:
    return Signer.from_file(exchange.key_id, exchange.private_key_file)


@asynccontextmanager
async def reader(exchange: KalshiExchange) -> AsyncIterator[KalshiRest]:
    async with httpx.AsyncClient() as client:
        yield KalshiRest(exchange.url, client)


@asynccontextmanager
async def watching(
    exchange: KalshiExchange, pace: Pace, credentials: Signer | None, *markets: str
) -> AsyncIterator[Watch]:
    async with reader(exchange) as rest:
        watch = Watch(KalshiFeed(rest, exchange.ws_url, credentials, pace))
        async with collecting(watch, *markets):
            yield watch


@asynccontextmanager
async def collecting(watch: Watch, *markets: str) -> AsyncIterator[None]:
    await watch.feed.follow(frozenset(markets))
    task = asyncio.create_task(watch.collect())
    try:
        yield
        assert not task.done(), "the feed ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_snapshot_is_what_the_exchange_says(exchange: KalshiExchange) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    exchange.move(CUT, yes_bid="0.61", yes_ask="0.63", last_price="0.62", updated_time=at.isoformat())
    async with reader(exchange) as rest:
        feed: Feed = KalshiFeed(rest, exchange.ws_url, None)
        seen = await feed.snapshot(CUT)
    assert (seen.source, seen.market, seen.status) == ("kalshi", CUT, MarketStatus.ACTIVE)
    assert (seen.bid, seen.ask, seen.last) == (Decimal("0.61"), Decimal("0.63"), Decimal("0.62"))
    assert seen.source_time == at
    assert seen.received_time > at + timedelta(days=2)
    assert seen.close_time == datetime(2035, 12, 31, 15, tzinfo=UTC)


async def test_a_closed_and_a_paid_out_market_say_so(exchange: KalshiExchange) -> None:
    async with reader(exchange) as rest:
        assert (await rest.snapshot("FED-25JAN-CUT")).status is MarketStatus.CLOSED
        assert (await rest.snapshot("FED-24DEC-CUT")).status is MarketStatus.SETTLED


@pytest.mark.parametrize("ticker", ["NO-SUCH-MARKET", "../account/limits", "A/B", "A?x=1", ""])
async def test_an_unknown_market_is_named_as_such(exchange: KalshiExchange, ticker: str) -> None:
    async with reader(exchange) as rest:
        with pytest.raises(MarketUnknown):
            await rest.snapshot(ticker)


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "status", "status": 503},
        {"mode": "status", "status": 429},
        {"mode": "status", "status": 401},
        {"mode": "drop_before"},
        {"mode": "drop_after"},
        {"mode": "truncate"},
    ],
)
async def test_an_exchange_in_trouble_is_unavailable(exchange: KalshiExchange, fault: dict[str, Any]) -> None:
    exchange.fault(match="*", **fault)
    async with reader(exchange) as rest:
        with pytest.raises(FeedUnavailable):
            await rest.snapshot(CUT)
        assert (await rest.snapshot(CUT)).market == CUT


async def test_a_garbled_or_impossible_answer_is_nonsense(exchange: KalshiExchange) -> None:
    async with reader(exchange) as rest:
        exchange.fault(match="*", mode="garble")
        with pytest.raises(FeedNonsense):
            await rest.snapshot(CUT)
        exchange.move(CUT, yes_bid="0.90", yes_ask="0.10")
        with pytest.raises(FeedNonsense):
            await rest.snapshot(CUT)


async def test_an_exchange_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with kalshi_exchange(tmp_path) as gone:
        pass
    async with reader(gone) as rest:
        with pytest.raises(FeedUnavailable):
            await rest.snapshot(CUT)


async def test_a_signature_refused_over_rest_is_told_in_the_exchanges_words(
    exchange: KalshiExchange,
) -> None:
    path = "/trade-api/v2/account/limits"
    late = datetime.now(UTC) - timedelta(seconds=60)
    async with httpx.AsyncClient(base_url=exchange.origin) as client:
        skewed = await client.get(path, headers=signer(exchange).headers("GET", path, late))
        good = await client.get(path, headers=signer(exchange).headers("GET", path, datetime.now(UTC)))
    assert (skewed.status_code, refusal(skewed.content)) == (401, "header_timestamp_expired")
    assert good.status_code == 200


async def test_the_present_state_comes_first_and_a_move_by_the_socket(exchange: KalshiExchange) -> None:
    async with watching(exchange, SOCKET_ONLY, signer(exchange), CUT) as watch:
        assert (await watch.tells(market=CUT)).bid == Decimal("0.55")
        await watch.covers()
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        assert (await watch.tells(bid=Decimal("0.71"))).ask == Decimal("0.73")
        assert watch.feed.health.last_frame_at is not None


async def test_a_pause_is_told_by_the_socket(exchange: KalshiExchange) -> None:
    async with watching(exchange, SOCKET_ONLY, signer(exchange), CUT) as watch:
        await watch.covers()
        exchange.move(CUT, status="inactive")
        await watch.tells(market=CUT, status=MarketStatus.PAUSED)


async def test_a_market_that_closes_by_the_clock_is_found_closed(exchange: KalshiExchange) -> None:
    async with watching(exchange, replace(QUICK, reread_s=0.3), signer(exchange), CUT) as watch:
        await watch.covers()
        soon = datetime.now(UTC) + timedelta(seconds=2)
        exchange.move(CUT, close_time=soon.isoformat())
        await watch.tells(market=CUT, status=MarketStatus.CLOSED)


async def test_without_credentials_the_feed_polls(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, None, CUT) as watch:
        await watch.tells(market=CUT)
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        await watch.tells(bid=Decimal("0.71"))
        assert watch.feed.health.polling
        assert exchange.accepted() == 0


async def test_a_dead_socket_is_replaced_by_polling_until_it_returns(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, signer(exchange), CUT) as watch:
        await watch.covers()
        exchange.socket("down")
        await watch.until(lambda: not watch.feed.health.socket_up and watch.feed.health.polling)
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        await watch.tells(bid=Decimal("0.71"))
        exchange.socket("up")
        await watch.covers()
        exchange.move(CUT, yes_bid="0.81", yes_ask="0.83")
        await watch.tells(bid=Decimal("0.81"))


async def test_after_a_cut_the_new_socket_tells_without_polling(exchange: KalshiExchange) -> None:
    async with watching(exchange, SOCKET_ONLY, signer(exchange), CUT) as watch:
        await watch.covers()
        exchange.socket("down")
        exchange.socket("up")
        await watch.until(lambda: exchange.accepted() == 2)
        await watch.covers()
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        await watch.tells(bid=Decimal("0.71"))


async def test_a_silent_socket_counts_as_dead(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, signer(exchange), CUT) as watch:
        await watch.covers()
        exchange.socket("silent")
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        await watch.until(lambda: watch.feed.health.polling)
        await watch.tells(bid=Decimal("0.71"))
        exchange.socket("up")
        await watch.covers()


async def test_heartbeats_alone_keep_a_quiet_socket(exchange: KalshiExchange) -> None:
    async with watching(exchange, SOCKET_ONLY, signer(exchange), CUT) as watch:
        await watch.covers()
        first = watch.feed.health.last_frame_at
        assert first is not None
        patience = timedelta(seconds=2 * SOCKET_ONLY.silence_s)
        await watch.until(lambda: (watch.feed.health.last_frame_at or first) > first + patience)
        assert exchange.accepted() == 1


async def test_following_other_markets_takes_no_new_connection(exchange: KalshiExchange) -> None:
    async with watching(exchange, SOCKET_ONLY, signer(exchange), CUT) as watch:
        await watch.covers()
        await watch.feed.follow(frozenset({CUT, HIKE}))
        await watch.tells(market=HIKE)
        await watch.covers()
        exchange.move(HIKE, yes_bid="0.21", yes_ask="0.23")
        await watch.tells(market=HIKE, bid=Decimal("0.21"))
        await watch.feed.follow(frozenset({HIKE}))
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        exchange.move(HIKE, yes_bid="0.31", yes_ask="0.33")
        await watch.tells(market=HIKE, bid=Decimal("0.31"))
        await watch.until(lambda: exchange.followed() == {HIKE})
        await watch.feed.follow(frozenset())
        await watch.until(lambda: not exchange.followed())
        await watch.feed.follow(frozenset({CUT}))
        await watch.tells(market=CUT, bid=Decimal("0.71"))
        await watch.covers()
        exchange.move(CUT, yes_bid="0.81", yes_ask="0.83")
        await watch.tells(market=CUT, bid=Decimal("0.81"))
        assert exchange.accepted() == 1


async def test_a_market_no_longer_followed_is_not_told(exchange: KalshiExchange) -> None:
    async with watching(exchange, SOCKET_ONLY, signer(exchange), CUT, HIKE) as watch:
        await watch.covers()
        await watch.feed.follow(frozenset({HIKE}))
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        exchange.move(HIKE, yes_bid="0.31", yes_ask="0.33")
        await watch.tells(market=HIKE, bid=Decimal("0.31"))
        assert Decimal("0.71") not in {seen.bid for seen in watch.told}


async def test_an_unknown_market_does_not_spoil_the_others(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, signer(exchange), CUT, "NO-SUCH-MARKET") as watch:
        await watch.tells(market=CUT)
        await watch.until(lambda: watch.feed.health.socket_up)
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        await watch.tells(bid=Decimal("0.71"))
        exchange.move("NO-SUCH-MARKET", yes_bid="0.41", yes_ask="0.43")
        await watch.tells(market="NO-SUCH-MARKET", bid=Decimal("0.41"))


async def test_the_same_state_is_told_once_however_often_it_is_heard(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, signer(exchange), CUT) as watch:
        await watch.covers()
        still = datetime.now(UTC).isoformat()
        for _ in range(5):
            exchange.move(CUT, yes_bid="0.71", yes_ask="0.73", updated_time=still)
        exchange.move(CUT, yes_bid="0.81", yes_ask="0.83")
        await watch.tells(bid=Decimal("0.81"))
        assert [seen.bid for seen in watch.told].count(Decimal("0.71")) == 1


async def test_a_stale_source_stays_as_old_as_it_says(exchange: KalshiExchange) -> None:
    """By the socket, by polling, and after every reconnect."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    exchange.move(CUT, yes_bid="0.71", yes_ask="0.73", updated_time=at.isoformat())
    async with watching(exchange, QUICK, signer(exchange), CUT) as watch:
        await watch.covers()
        exchange.socket("down")
        await watch.until(lambda: not watch.feed.health.socket_up)
        exchange.socket("up")
        await watch.covers()
        exchange.move(HIKE, yes_bid="0.21", yes_ask="0.23")
        await watch.feed.follow(frozenset({CUT, HIKE}))
        await watch.tells(market=HIKE)
        assert {seen.source_time for seen in watch.told if seen.market == CUT} == {at}


async def test_nonsense_is_counted_dropped_and_made_good_by_polling(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, signer(exchange), CUT, HIKE) as watch:
        await watch.covers()
        exchange.socket("garbage")
        await watch.until(lambda: watch.feed.health.nonsense_count >= 11)
        exchange.move(HIKE, yes_bid="0.21", yes_ask="0.23")
        await watch.tells(market=HIKE, bid=Decimal("0.21"))
        exchange.socket("up")
        await watch.covers()
        exchange.move(CUT, yes_bid="0.81", yes_ask="0.83")
        await watch.tells(bid=Decimal("0.81"))
        assert {seen.bid for seen in watch.told if seen.market == CUT} == {Decimal("0.55"), Decimal("0.81")}
        assert exchange.accepted() == 1


async def test_a_listing_nobody_can_believe_is_dropped_and_the_others_told(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, None, CUT, HIKE) as watch:
        await watch.tells(market=CUT)
        exchange.move(CUT, yes_bid="0.90", yes_ask="0.10")
        await watch.until(lambda: watch.feed.health.nonsense_count > 0)
        exchange.move(HIKE, yes_bid="0.21", yes_ask="0.23")
        await watch.tells(market=HIKE, bid=Decimal("0.21"))
        assert {seen.bid for seen in watch.told if seen.market == CUT} == {Decimal("0.55")}


class _Rewritten(httpx.AsyncHTTPTransport):
    """The exchange's own answers, with a status that nobody has heard of once `lies` is set."""

    lies = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        body = await answer.aread()
        return httpx.Response(answer.status_code, content=body.replace(b"active", b"upside down", self.lies))


async def test_after_a_listing_nobody_can_believe_the_socket_alone_is_not_trusted(
    exchange: KalshiExchange,
) -> None:
    transport = _Rewritten()
    async with httpx.AsyncClient(transport=transport) as client:
        rest = KalshiRest(exchange.url, client)
        watch = Watch(KalshiFeed(rest, exchange.ws_url, signer(exchange), replace(QUICK, reread_s=0.2)))
        async with collecting(watch, CUT):
            await watch.covers()
            transport.lies = True
            await watch.until(lambda: watch.feed.health.nonsense_count > 0)
            exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
            assert (await watch.tells(bid=Decimal("0.71"))).status is MarketStatus.UNKNOWN


async def test_a_market_the_socket_refuses_is_polled_and_not_asked_for_again(exchange: KalshiExchange) -> None:
    asked: list[list[str]] = []

    async def refuse_tickers(connection: ServerConnection) -> None:
        async for text in connection:
            command = json.loads(text)
            channels = command["params"]["channels"]
            asked.append(channels)
            granted = {"type": "subscribed", "msg": {"channel": channels[0], "sid": 1}}
            refused = {"type": "error", "msg": {"code": 16, "msg": "Market not found"}}
            answer = refused if channels == ["ticker"] else granted
            await connection.send(json.dumps({"id": command["id"], **answer}))

    async with serve(refuse_tickers, "127.0.0.1", 0, ping_interval=0.2) as server, reader(exchange) as rest:
        port = server.sockets[0].getsockname()[1]
        watch = Watch(KalshiFeed(rest, f"ws://127.0.0.1:{port}/trade-api/ws/v2", signer(exchange), QUICK))
        async with collecting(watch, CUT):
            await watch.until(lambda: ["ticker"] in asked)
            for bid in ("0.71", "0.72", "0.73"):
                exchange.move(CUT, yes_bid=bid, yes_ask="0.75")
                await watch.tells(bid=Decimal(bid))
            assert asked == [["market_lifecycle_v2"], ["ticker"]]


async def test_polling_goes_on_after_rest_was_in_trouble(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, None, CUT) as watch:
        await watch.tells(market=CUT)
        for mode in ("drop_before", "garble", "truncate"):
            exchange.fault(match="/trade-api/v2/markets", mode=mode, calls=2)
        exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
        await watch.tells(bid=Decimal("0.71"))


async def test_too_many_reads_only_slow_the_polling_down(tmp_path: Path) -> None:
    with kalshi_exchange(tmp_path, read_tokens_per_s=20) as exchange:
        async with watching(exchange, QUICK, None, CUT) as watch:
            await watch.tells(market=CUT)
            exchange.move(CUT, yes_bid="0.71", yes_ask="0.73")
            await watch.tells(bid=Decimal("0.71"))


async def test_a_wrong_key_is_named_and_polling_does_without_it(exchange: KalshiExchange, tmp_path: Path) -> None:
    mint(tmp_path / "other.pem", tmp_path / "other.pub.pem")
    wrong_key = Signer.from_file(exchange.key_id, tmp_path / "other.pem")
    async with watching(exchange, QUICK, wrong_key, CUT) as watch:
        await watch.until(lambda: "INCORRECT_API_KEY_SIGNATURE" in watch.feed.health.trouble)
        await watch.tells(market=CUT)
    unknown_key = Signer.from_file("00000000-0000-0000-0000-000000000000", exchange.private_key_file)
    async with watching(exchange, QUICK, unknown_key, CUT) as watch:
        await watch.until(lambda: "401" in watch.feed.health.trouble)
        assert "NOT_FOUND" in watch.feed.health.trouble
        await watch.tells(market=CUT)


async def test_the_feed_survives_a_restart_of_the_exchange(tmp_path: Path) -> None:
    with ExitStack() as until_restart:
        first = until_restart.enter_context(kalshi_exchange(tmp_path))
        async with watching(first, QUICK, signer(first), CUT) as watch:
            await watch.covers()
            first.move(CUT, yes_bid="0.71", yes_ask="0.73")
            await watch.tells(bid=Decimal("0.71"))
            until_restart.close()
            await watch.until(lambda: not watch.feed.health.socket_up)
            with kalshi_exchange(tmp_path, port=first.port) as second:
                await watch.covers()
                second.move(CUT, yes_ask="0.75")
                assert (await watch.tells(ask=Decimal("0.75"))).bid == Decimal("0.71")


async def test_a_second_reader_is_refused(exchange: KalshiExchange) -> None:
    async with watching(exchange, QUICK, None, CUT) as watch:
        await watch.tells(market=CUT)
        with pytest.raises(RuntimeError):
            await anext(aiter(watch.feed.observations()))
