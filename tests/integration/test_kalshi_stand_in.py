"""The stand-in speaks as Kalshi does: to plain HTTP and WebSocket clients, and to a third party's."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pykalshi
import pytest
from pykalshi.afeed import AsyncFeed
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from infra.feeds.kalshi.signing import Signer
from tests.world.kalshi import KalshiExchange, kalshi_exchange

CUT, HIKE = "FED-25DEC-CUT", "FED-25DEC-HIKE"
WITHIN_S = 30


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KalshiExchange]:
    with kalshi_exchange(tmp_path_factory.mktemp("kalshi")) as running:
        yield running


@pytest.fixture(autouse=True)
def as_listed(exchange: KalshiExchange) -> None:
    exchange.move(
        CUT,
        yes_bid="0.55",
        yes_ask="0.57",
        last_price="0.56",
        status="active",
        close_time="2035-12-31T15:00:00Z",
    )


def get(exchange: KalshiExchange, path: str, **parameters: str) -> httpx.Response:
    return httpx.get(exchange.url + path, params=parameters, timeout=5)


def signed(exchange: KalshiExchange, path: str) -> dict[str, str]:
    signer = Signer.from_file(exchange.key_id, exchange.private_key_file)
    return signer.headers("GET", path, datetime.now(UTC))


class _Listener(ClientConnection):
    """Keeps the payloads of the server's pings."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pings: asyncio.Queue[bytes] = asyncio.Queue()

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings.put_nowait(bytes(event.data))
        super().process_event(event)


class Line:
    """A client that sends commands as they are written and reads frames as they come."""

    def __init__(self, connection: _Listener) -> None:
        self.connection = connection

    async def says(self, **command: Any) -> None:
        await self.connection.send(json.dumps(command))

    async def hears(self) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            text = await self.connection.recv()
        assert isinstance(text, str)
        assert text.endswith("}\n")
        return cast(dict[str, Any], json.loads(text))

    async def asks(self, **command: Any) -> dict[str, Any]:
        await self.says(**command)
        return await self.hears()


@asynccontextmanager
async def line(exchange: KalshiExchange) -> AsyncIterator[Line]:
    headers = signed(exchange, "/trade-api/ws/v2")
    async with connect(
        exchange.ws_url, additional_headers=headers, create_connection=_Listener, close_timeout=1
    ) as connection:
        yield Line(cast(_Listener, connection))


def test_market_data_needs_no_signature(exchange: KalshiExchange) -> None:
    market = get(exchange, f"/markets/{CUT}").json()["market"]
    assert (market["yes_bid_dollars"], market["yes_ask_dollars"]) == ("0.5500", "0.5700")
    assert (market["no_bid_dollars"], market["no_ask_dollars"]) == ("0.4300", "0.4500")
    assert market["status"] == "active"
    assert get(exchange, "/exchange/status").json() == {"exchange_active": True, "trading_active": True}


def test_a_bad_signature_is_refused_even_where_none_is_needed(exchange: KalshiExchange) -> None:
    headers = signed(exchange, "/trade-api/v2/another/path")
    answer = httpx.get(f"{exchange.url}/markets/{CUT}", headers=headers, timeout=5)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": {
            "code": "authentication_error",
            "message": "authentication_error",
            "details": "INCORRECT_API_KEY_SIGNATURE",
        }
    }


def test_an_account_call_needs_a_signature(exchange: KalshiExchange) -> None:
    answer = get(exchange, "/account/limits")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "signature_is_missing_from_headers")
    headers = signed(exchange, "/trade-api/v2/account/limits")
    limits = httpx.get(f"{exchange.url}/account/limits", headers=headers, timeout=5).json()
    assert limits["read"]["refill_rate"] == 4000


def test_the_query_is_not_part_of_what_is_signed(exchange: KalshiExchange) -> None:
    headers = signed(exchange, "/trade-api/v2/markets")
    assert httpx.get(f"{exchange.url}/markets?limit=1", headers=headers, timeout=5).status_code == 200


def test_an_unknown_market_is_not_found(exchange: KalshiExchange) -> None:
    answer = get(exchange, "/markets/NOPE")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_markets_are_filtered_by_words_unlike_their_own(exchange: KalshiExchange) -> None:
    def tickers(**filters: str) -> set[str]:
        return {market["ticker"] for market in get(exchange, "/markets", **filters).json()["markets"]}

    assert {CUT, HIKE} <= tickers(status="open")
    assert tickers(status="closed") == {"FED-25JAN-CUT"}
    assert tickers(status="settled") == {"FED-24DEC-CUT"}
    assert tickers(tickers=f"{CUT},NOPE,{HIKE}") == {CUT, HIKE}
    assert tickers(event_ticker="FED-24DEC") == {"FED-24DEC-CUT"}
    assert get(exchange, "/markets", status="active").status_code == 400


def test_pages_end_with_an_empty_cursor(exchange: KalshiExchange) -> None:
    seen, cursor = [], ""
    while True:
        page = get(exchange, "/markets", limit="1", cursor=cursor).json()
        seen += [market["ticker"] for market in page["markets"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert seen == sorted(seen)
    assert {CUT, HIKE, "FED-24DEC-CUT", "FED-25JAN-CUT"} <= set(seen)
    assert get(exchange, "/markets", cursor="garbage").status_code == 200
    too_many = get(exchange, "/markets", limit="1001")
    assert (too_many.status_code, list(too_many.json())) == (400, ["msg"])


def test_the_book_holds_bids_of_both_sides(exchange: KalshiExchange) -> None:
    assert get(exchange, f"/markets/{CUT}/orderbook").json() == {
        "orderbook_fp": {"yes_dollars": [["0.5500", "100.00"]], "no_dollars": [["0.4300", "100.00"]]}
    }


def test_who_reads_too_much_is_told_so_in_a_string(tmp_path: Path) -> None:
    with kalshi_exchange(tmp_path, read_tokens_per_s=20) as slow:
        answers = [get(slow, "/exchange/status") for _ in range(10)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == {"error": "too many requests"}


def test_markets_survive_a_restart(tmp_path: Path) -> None:
    with kalshi_exchange(tmp_path) as first:
        first.move("NEW-26-YES", yes_bid="0.21", yes_ask="0.23", status="inactive")
    with kalshi_exchange(tmp_path) as second:
        market = get(second, "/markets/NEW-26-YES").json()["market"]
    assert (market["yes_bid_dollars"], market["status"]) == ("0.2100", "inactive")


def test_a_busy_market_ticks_and_one_with_a_time_set_by_hand_does_not(tmp_path: Path) -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    with kalshi_exchange(tmp_path, tick_s=0.001) as busy:
        busy.move(HIKE, updated_time=at.isoformat())
        ages = [get(busy, f"/markets/{CUT}").json()["market"]["updated_time"] for _ in range(2)]
        still = get(busy, f"/markets/{HIKE}").json()["market"]["updated_time"]
    assert ages[0] < ages[1]
    assert datetime.fromisoformat(still) == at


def test_the_door_refuses_what_no_market_can_be(exchange: KalshiExchange) -> None:
    for change in ({"yes_bid": "1.5"}, {"status": "open"}, {"surprise": 1}):
        answer = httpx.put(f"{exchange.origin}/_control/markets/{CUT}", json=change, timeout=5)
        assert answer.status_code == 422
    assert httpx.put(f"{exchange.origin}/_control/socket", json={"mode": "x"}, timeout=5).status_code == 422


async def test_the_socket_wants_a_signature(exchange: KalshiExchange) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(exchange.ws_url)
    assert refused.value.response.status_code == 401
    assert b"signature_is_missing_from_headers" in (refused.value.response.body or b"")


async def test_the_heart_beats_with_its_own_payload(exchange: KalshiExchange) -> None:
    async with line(exchange) as client, asyncio.timeout(WITHIN_S):
        assert [await client.connection.pings.get() for _ in range(2)] == [b"heartbeat", b"heartbeat"]


async def test_a_book_is_a_snapshot_and_numbered_deltas(exchange: KalshiExchange) -> None:
    async with line(exchange) as client:
        params = {"channels": ["orderbook_delta"], "market_tickers": [CUT]}
        subscribed = await client.asks(id=1, cmd="subscribe", params=params)
        sid = subscribed["msg"]["sid"]
        snapshot = await client.hears()
        assert (snapshot["type"], snapshot["sid"], snapshot["seq"]) == ("orderbook_snapshot", sid, 1)
        assert snapshot["msg"]["yes_dollars_fp"] == [["0.5500", "100.00"]]
        exchange.move(CUT, yes_bid="0.54")
        deltas = [await client.hears() for _ in range(2)]
        assert [delta["seq"] for delta in deltas] == [2, 3]
        assert [(told["msg"]["price_dollars"], told["msg"]["delta_fp"]) for told in deltas] == [
            ("0.5400", "100.00"),
            ("0.5500", "-100.00"),
        ]
        again = {"sids": [sid], "market_tickers": [CUT], "action": "get_snapshot"}
        assert (await client.asks(id=2, cmd="update_subscription", params=again))["type"] == "ok"
        assert (await client.hears())["msg"]["yes_dollars_fp"] == [["0.5400", "100.00"]]


async def test_markets_are_added_and_taken_away_without_a_new_subscription(exchange: KalshiExchange) -> None:
    async with line(exchange) as client:
        params = {"channels": ["ticker"], "market_tickers": [CUT]}
        sid = (await client.asks(id=1, cmd="subscribe", params=params))["msg"]["sid"]
        add = {"sids": [sid], "market_tickers": [HIKE], "action": "add_markets"}
        added = await client.asks(id=2, cmd="update_subscription", params=add)
        assert (added["type"], added["id"], added["sid"]) == ("ok", 2, sid)
        exchange.move(HIKE, yes_bid="0.06")
        assert (await client.hears())["msg"]["market_ticker"] == HIKE
        delete = {**add, "action": "delete_markets"}
        await client.asks(id=3, cmd="update_subscription", params=delete)
        exchange.move(HIKE, yes_bid="0.05")
        exchange.move(CUT, yes_bid="0.54")
        told = await client.hears()
        assert (told["msg"]["market_ticker"], told["msg"]["yes_bid_dollars"]) == (CUT, "0.5400")
        listed = await client.asks(id=4, cmd="list_subscriptions")
        assert listed["msg"] == [{"channel": "ticker", "sid": sid}]
        gone = await client.asks(id=5, cmd="unsubscribe", params={"sids": [sid]})
        assert (gone["type"], gone["sid"]) == ("unsubscribed", sid)


async def test_the_life_of_a_market_is_told_but_not_what_the_clock_does(exchange: KalshiExchange) -> None:
    async with line(exchange) as client:
        await client.asks(id=1, cmd="subscribe", params={"channels": ["market_lifecycle_v2"]})
        exchange.move(CUT, status="inactive")
        exchange.move(CUT, status="active", close_time="2035-12-31T16:00:00Z")
        events = [(await client.hears())["msg"] for _ in range(3)]
        assert [told["event_type"] for told in events] == ["deactivated", "close_date_updated", "activated"]
        assert events[1]["close_ts"] == int(datetime(2035, 12, 31, 16, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("not json", 1),
        ('{"id":1,"cmd":"subscribe"}', 2),
        ('{"id":1,"cmd":"subscribe","params":{}}', 3),
        ('{"id":1,"cmd":"unsubscribe","params":{}}', 4),
        ('{"id":1,"cmd":"dance","params":{}}', 5),
        ('{"id":1,"cmd":"unsubscribe","params":{"sids":[99]}}', 7),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["weather"]}}', 8),
        ('{"id":1,"cmd":"update_subscription","params":{"sids":[1,2]}}', 12),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}', 14),
        ('{"id":1,"cmd":"subscribe","params":{"channels":["ticker"],"market_tickers":["NOPE"]}}', 16),
    ],
)
async def test_a_command_it_cannot_obey_is_answered_with_a_code(
    exchange: KalshiExchange, command: str, code: int
) -> None:
    async with line(exchange) as client:
        await client.connection.send(command)
        error = await client.hears()
        assert (error["type"], error["msg"]["code"]) == ("error", code)


def test_a_third_partys_client_reads_the_market_data(exchange: KalshiExchange) -> None:
    with pykalshi.KalshiClient(
        api_key_id=exchange.key_id, private_key_path=str(exchange.private_key_file), api_base=exchange.url
    ) as client:
        market = client.get_market(CUT)
        assert (market.yes_bid_dollars, market.yes_ask_dollars, market.status) == ("0.5500", "0.5700", "active")
        book = market.get_orderbook()
        assert (book.best_yes_bid, book.best_no_bid) == ("0.5500", "0.4300")
        assert {found.ticker for found in client.get_markets(limit=1, fetch_all=True)} >= {CUT, HIKE}
        assert client.exchange.is_trading()
        assert client.get_event("FED-25DEC").series_ticker == "FED"
        with pytest.raises(pykalshi.ResourceNotFoundError):
            client.get_market("NOPE")


async def test_a_third_partys_feed_hears_the_news(exchange: KalshiExchange) -> None:
    client = pykalshi.AsyncKalshiClient(
        api_key_id=exchange.key_id, private_key_path=str(exchange.private_key_file), api_base=exchange.url
    )
    feed = AsyncFeed(client)
    feed._ws_url = exchange.ws_url  # its only way to another address than the two it knows
    feed.subscribe("ticker", market_ticker=CUT)
    feed.subscribe("market_lifecycle_v2")
    feed.subscribe("orderbook_delta", market_ticker=CUT)  # last: its snapshot shows that all three stand
    kinds: list[str] = []
    async with client, feed, asyncio.timeout(WITHIN_S):
        async for message in feed:
            kinds.append(type(message).__name__)
            if kinds == ["OrderbookSnapshotMessage"]:
                await asyncio.to_thread(exchange.move, CUT, yes_bid="0.53", status="inactive")
            if len(kinds) == 5:
                break
    assert sorted(kinds) == [
        "MarketLifecycleMessage",
        "OrderbookDeltaMessage",
        "OrderbookDeltaMessage",
        "OrderbookSnapshotMessage",
        "TickerMessage",
    ]
