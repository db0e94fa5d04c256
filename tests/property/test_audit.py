"""Any one change, removal, exchange or insertion in the audit chain shows; a whole chain shows nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.audit import GENESIS, Record, first_break, seal
from domain.identity import canonical

values: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
)
bodies = st.dictionaries(st.sampled_from(["kind", "subject", "body", "seq", "hash"]), values, max_size=4)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)


def chained(told: list[dict[str, object]]) -> list[Record]:
    records: list[Record] = []
    previous = GENESIS
    for seq, body in enumerate(told, 1):
        records.append(Record(seq, body, previous, seal(seq, body, previous)))
        previous = records[-1].hash
    return records


chains = st.lists(bodies, min_size=1, max_size=8).map(chained)
long_chains = st.lists(bodies, min_size=2, max_size=8).map(chained)
places = st.integers(0, 10**6)


@given(st.lists(bodies, max_size=8).map(chained))
def test_a_whole_chain_has_no_break_and_neither_has_its_beginning(records: list[Record]) -> None:
    for length in range(len(records) + 1):
        assert first_break(records[:length]) is None


@given(chains, places, bodies)
def test_a_changed_body_is_found_where_it_is(records: list[Record], place: int, body: Mapping[str, object]) -> None:
    at = place % len(records)
    assume(canonical(body) != canonical(records[at].body))
    records[at] = replace(records[at], body=body)
    assert first_break(records) == at + 1


@given(chains, places, hashes, st.sampled_from(["hash", "previous"]))
def test_a_changed_hash_is_found_where_it_is(records: list[Record], place: int, other: str, part: str) -> None:
    at = place % len(records)
    assume(other != getattr(records[at], part))
    changed: dict[str, Any] = {part: other}
    records[at] = replace(records[at], **changed)
    assert first_break(records) == at + 1


@given(chains, places, st.integers())
def test_a_changed_number_is_found(records: list[Record], place: int, seq: int) -> None:
    at = place % len(records)
    assume(seq != at + 1)
    records[at] = replace(records[at], seq=seq)
    assert first_break(records) == seq


@given(long_chains, places, bodies)
def test_a_record_rewritten_with_a_fitting_hash_is_betrayed_by_the_next(
    records: list[Record], place: int, body: Mapping[str, object]
) -> None:
    at = place % (len(records) - 1)
    assume(canonical(body) != canonical(records[at].body))
    records[at] = replace(records[at], body=body, hash=seal(at + 1, body, records[at].previous))
    assert first_break(records) == at + 2


@given(long_chains, places)
def test_a_removed_record_is_betrayed_by_the_next(records: list[Record], place: int) -> None:
    at = place % (len(records) - 1)  # a chain cannot tell that its end is missing: that takes a copy elsewhere
    del records[at]
    assert first_break(records) == at + 2


@given(long_chains, places)
def test_a_removed_record_shows_even_when_the_rest_is_numbered_anew(records: list[Record], place: int) -> None:
    at = place % (len(records) - 1)
    rest = [replace(r, seq=r.seq - 1, hash=seal(r.seq - 1, r.body, r.previous)) for r in records[at + 1 :]]
    assert first_break(records[:at] + rest) == at + 1


@given(long_chains, places, places)
def test_two_exchanged_records_are_found(records: list[Record], place: int, other: int) -> None:
    a, b = sorted((place % len(records), other % len(records)))
    assume(a != b)
    records[a], records[b] = records[b], records[a]
    assert first_break(records) == b + 1


@given(long_chains, places, places)
def test_two_exchanged_bodies_are_found(records: list[Record], place: int, other: int) -> None:
    a, b = sorted((place % len(records), other % len(records)))
    assume(canonical(records[a].body) != canonical(records[b].body))
    records[a], records[b] = replace(records[a], body=records[b].body), replace(records[b], body=records[a].body)
    assert first_break(records) == a + 1


@given(chains, places, bodies)
def test_an_inserted_record_is_found_though_it_follows_from_the_one_before(
    records: list[Record], place: int, body: Mapping[str, object]
) -> None:
    at = place % len(records)
    assume(canonical(body) != canonical(records[at].body))
    previous = records[at].previous
    forged = Record(at + 1, body, previous, seal(at + 1, body, previous))
    assert first_break([*records[:at], forged, *records[at:]]) == at + 1


@given(chains, places)
def test_a_record_told_twice_is_found(records: list[Record], place: int) -> None:
    at = place % len(records)
    assert first_break([*records[: at + 1], *records[at:]]) == at + 1


@given(chains, hashes)
def test_a_chain_has_to_begin_at_the_beginning(records: list[Record], other: str) -> None:
    assume(other != GENESIS)
    moved = replace(records[0], previous=other, hash=seal(1, records[0].body, other))
    assert first_break([moved, *records[1:]]) == 1


@given(chains, bodies, st.integers(-3, 10**6))
def test_a_number_left_out_shows_though_every_hash_fits(
    records: list[Record], body: dict[str, object], seq: int
) -> None:
    assume(seq != len(records) + 1)
    previous = records[-1].hash
    assert first_break([*records, Record(seq, body, previous, seal(seq, body, previous))]) == seq


@given(bodies, hashes, st.integers(1, 10**6), hashes)
def test_a_seal_covers_the_number_the_body_and_the_hash_before(
    body: dict[str, object], previous: str, seq: int, other: str
) -> None:
    sealed = seal(seq, body, previous)
    assert seal(seq + 1, body, previous) != sealed
    assert seal(seq, {**body, "more": 1}, previous) != sealed
    assert (seal(seq, body, other) == sealed) == (other == previous)
