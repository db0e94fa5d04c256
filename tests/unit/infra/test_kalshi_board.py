"""How prices from the socket, answers from REST and events become one story per market."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.errors import FeedNonsense
from domain.triggers import MarketObservation, MarketStatus
from infra.feeds.kalshi.board import READS_LAG_S, STANDING_MAX_AGE_S, Board, Receipt
from infra.feeds.kalshi.wire import Lifecycle, Listing, Quote, Standing, Ticker

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
CLOSE = datetime(2035, 1, 1, tzinfo=UTC)
START_S = 1000.0
ACTIVE = Standing(MarketStatus.ACTIVE, CLOSE)


def quote(bid: str, age_s: float = 0) -> Quote:
    return Quote(Decimal(bid), Decimal(bid) + Decimal("0.02"), None, NOW - timedelta(seconds=age_s))


def receipt(at_s: float = START_S) -> Receipt:
    return Receipt(NOW, at_s, "00" * 32)


def seen(observation: MarketObservation | None) -> MarketObservation:
    assert observation is not None
    return observation


def event(status: MarketStatus | None, known: bool = True) -> Lifecycle:
    return Lifecycle("A", status, None, known)


@pytest.fixture
def board() -> Board:
    """Follows A, known to be active, at a bid of 0.50 ten seconds ago."""
    board = Board()
    board.follow({"A"})
    board.read(Listing("A", quote("0.50", age_s=10), ACTIVE), START_S, receipt())
    return board


def test_the_same_state_is_told_once(board: Board) -> None:
    assert board.read(Listing("A", quote("0.50", age_s=10), ACTIVE), START_S + 1, receipt()) is None


def test_a_new_reader_is_told_again(board: Board) -> None:
    board.tell_again()
    told = seen(board.read(Listing("A", quote("0.50", age_s=10), ACTIVE), START_S + 1, receipt()))
    assert told.bid == Decimal("0.50")


def test_a_late_answer_does_not_bring_old_prices_back(board: Board) -> None:
    assert seen(board.quoted(Ticker("A", quote("0.60")), receipt())).bid == Decimal("0.60")
    assert board.read(Listing("A", quote("0.50", age_s=10), ACTIVE), START_S + 1, receipt()) is None


def test_the_same_prices_at_a_later_time_are_news(board: Board) -> None:
    assert seen(board.quoted(Ticker("A", quote("0.50", age_s=5)), receipt())).source_time == NOW - timedelta(seconds=5)


def test_receiving_a_stale_price_does_not_make_it_fresh(board: Board) -> None:
    told = seen(board.quoted(Ticker("A", quote("0.70", age_s=9)), receipt()))
    assert (told.source_time, told.received_time) == (NOW - timedelta(seconds=9), NOW)


def test_a_frame_from_the_future_is_nonsense_and_silences_nothing(board: Board) -> None:
    with pytest.raises(FeedNonsense):
        board.quoted(Ticker("A", quote("0.99", age_s=-60)), receipt())
    assert seen(board.quoted(Ticker("A", quote("0.60")), receipt())).bid == Decimal("0.60")


def test_a_price_of_a_market_nobody_listed_has_no_known_status(board: Board) -> None:
    board.follow({"A", "B"})
    assert seen(board.quoted(Ticker("B", quote("0.60")), receipt())).status is MarketStatus.UNKNOWN


def test_a_status_that_nobody_confirms_becomes_unknown(board: Board) -> None:
    late_s = START_S + STANDING_MAX_AGE_S + 1
    assert seen(board.quoted(Ticker("A", quote("0.60")), receipt(late_s))).status is MarketStatus.UNKNOWN


def test_a_pause_is_told_at_once_with_the_prices_of_before(board: Board) -> None:
    told = seen(board.happened(event(MarketStatus.PAUSED), receipt()))
    assert (told.status, told.bid) == (MarketStatus.PAUSED, Decimal("0.50"))
    assert told.source_time == NOW - timedelta(seconds=10)


def test_a_read_begun_before_a_pause_does_not_undo_it(board: Board) -> None:
    board.happened(event(MarketStatus.PAUSED), receipt(START_S + 5))
    answer = Listing("A", quote("0.60"), ACTIVE)
    told = seen(board.read(answer, START_S + 5 + READS_LAG_S / 2, receipt(START_S + 7)))
    assert told.status is MarketStatus.PAUSED
    later_s = START_S + 6 + READS_LAG_S
    assert seen(board.read(answer, later_s, receipt(later_s))).status is MarketStatus.ACTIVE


def test_a_pause_heard_before_the_first_answer_is_not_lost() -> None:
    board = Board()
    board.follow({"A"})
    board.happened(event(MarketStatus.PAUSED), receipt(START_S + 1))
    told = seen(board.read(Listing("A", quote("0.60"), ACTIVE), START_S, receipt(START_S + 2)))
    assert told.status is MarketStatus.UNKNOWN


def test_after_an_event_we_do_not_know_the_status_is_unknown_until_read(board: Board) -> None:
    told = seen(board.happened(event(None, known=False), receipt()))
    assert told.status is MarketStatus.UNKNOWN
    later_s = START_S + READS_LAG_S + 1
    answer = Listing("A", quote("0.50", age_s=10), ACTIVE)
    assert seen(board.read(answer, later_s, receipt(later_s))).status is MarketStatus.ACTIVE


def test_a_listing_we_cannot_believe_leaves_the_status_unknown(board: Board) -> None:
    board.doubt("A")
    assert seen(board.quoted(Ticker("A", quote("0.60")), receipt())).status is MarketStatus.UNKNOWN


def test_a_market_that_is_not_followed_is_not_told(board: Board) -> None:
    board.follow({"B"})
    assert board.quoted(Ticker("A", quote("0.60")), receipt()) is None
    assert board.happened(event(MarketStatus.CLOSED), receipt()) is None
