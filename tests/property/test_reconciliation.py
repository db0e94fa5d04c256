"""What a difference between chain and book is put down to."""

from hypothesis import given
from hypothesis import strategies as st

from domain import assets
from domain.attempts import Fate, Sighting
from domain.reconciliation import (
    CODES,
    Cause,
    Line,
    Moved,
    Seen,
    attribute,
    attribute_restored,
    behind,
    taken_back,
)

KNOWN = (assets.SOL, assets.SOLANA_USDC)
bases = st.integers(min_value=0, max_value=10**12)
lines = st.tuples(*(st.builds(Line, st.just(asset), bases, bases) for asset in KNOWN))
changes = st.integers(min_value=-(10**9), max_value=10**9)
payloads = st.lists(
    st.builds(
        Moved,
        st.just("att_1"),
        st.just("reference"),
        st.tuples(*(st.tuples(st.just(asset.id), changes) for asset in KNOWN)),
    ),
    max_size=3,
).map(tuple)
some_strangers = st.sampled_from([("somebody signed one",), ("somebody signed one", "and another")])
strangers = st.just(()) | some_strangers
wallets = st.builds(Seen, lines, strangers, payloads, payloads)


@given(wallets)
def test_only_a_plain_gain_is_ever_booked_without_a_person(seen: Seen) -> None:
    finding = attribute(seen)
    if finding.arrived:
        assert not finding.code
        assert (*seen.strangers, *seen.late, *seen.gone) == ()
        assert all(line.difference > 0 for line in finding.arrived)


@given(wallets)
def test_what_is_adopted_makes_the_book_equal_to_the_chain(seen: Seen) -> None:
    finding = attribute(seen)
    if not finding.code:
        adopted = {line.asset.id: line.difference for line in finding.arrived}
        assert all(line.booked + adopted.get(line.asset.id, 0) == line.chain for line in seen.lines)


@given(wallets)
def test_money_that_left_calls_a_person(seen: Seen) -> None:
    if any(line.difference < 0 for line in seen.lines):
        assert attribute(seen).code


@given(lines, some_strangers, payloads, payloads)
def test_what_others_signed_outweighs_everything(
    seen: tuple[Line, ...], others: tuple[str, ...], late: tuple[Moved, ...], gone: tuple[Moved, ...]
) -> None:
    finding = attribute(Seen(seen, others, late, gone))
    assert (finding.cause, finding.code) == (Cause.FOREIGN, "FOREIGN_NONCE")
    assert others[0] in finding.detail


@given(lines, payloads.filter(bool))
def test_a_late_payload_is_never_booked_silently_even_where_it_explains_all(
    seen: tuple[Line, ...], late: tuple[Moved, ...]
) -> None:
    assert attribute(Seen(seen, late=late)).code == "LATE_FILL"


@given(lines, payloads, payloads.filter(bool))
def test_a_settlement_that_is_gone_is_told_as_such(
    seen: tuple[Line, ...], late: tuple[Moved, ...], gone: tuple[Moved, ...]
) -> None:
    assert attribute(Seen(seen, late=late, gone=gone)).code == "REORG_AFTER_FINAL"


@given(lines, payloads)
def test_a_restored_book_agrees_exactly_where_its_own_payloads_explain_the_difference(
    before: tuple[Line, ...], late: tuple[Moved, ...]
) -> None:
    moved = {asset.id: sum(dict(payload.changes)[asset.id] for payload in late) for asset in KNOWN}
    explained = tuple(Line(line.asset, line.booked + moved[line.asset.id], line.booked) for line in before)
    assert attribute_restored(Seen(explained, late=late)).cause is Cause.AGREES
    first, *rest = explained
    off_by_one = (Line(first.asset, first.chain + 1, first.booked), *rest)
    assert attribute_restored(Seen(off_by_one, late=late)).code == "BOOK_BEHIND_CHAIN"
    assert attribute_restored(Seen(explained, ("somebody signed",), late)).code == "BOOK_BEHIND_CHAIN"


@given(st.sampled_from(Fate), st.booleans(), st.none() | st.integers(90, 110))
def test_only_death_or_absence_from_a_node_that_is_far_enough_takes_a_settlement_back(
    fate: Fate, seen: bool, head: int | None
) -> None:
    sighting = Sighting(fate, seen=seen, head=head)
    absent = fate is Fate.PENDING and not seen
    assert taken_back(sighting, 100) == (fate is Fate.DEAD or (absent and head is not None and head >= 100))
    assert behind(sighting, 100) == (absent and (head is None or head < 100))


def test_each_cause_that_freezes_has_a_code_of_its_own() -> None:
    assert len(set(CODES.values())) == len(CODES)
    assert {Cause.AGREES, Cause.ARRIVED}.isdisjoint(CODES)
