"""The sorted index of a market finds the rules that going through all of them would find."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.matching import MarketIndex
from domain.triggers import MarketObservation, MarketProbability, probability
from tests.property.draws import directions, observations, observed, outcomes, price_kinds, trigger, triggers

rule_ids = st.sampled_from([f"rul_{number}" for number in range(12)] + ["", "\U0010ffff", "rul_1\x00"])
Change = tuple[str, MarketProbability | None]
changes = st.lists(st.tuples(rule_ids, st.none() | triggers), max_size=40)


def kept(changes_made: list[Change]) -> tuple[MarketIndex, dict[str, MarketProbability]]:
    """The index and a plain dictionary after the same changes: a trigger adds, None removes."""
    index, plain = MarketIndex(), dict[str, MarketProbability]()
    for rule_id, asked in changes_made:
        if asked is None:
            index.remove(rule_id)
            plain.pop(rule_id, None)
        else:
            index.add(rule_id, asked)
            plain[rule_id] = asked
    return index, plain


def holds(asked: MarketProbability, seen: MarketObservation) -> bool | None:
    value = probability(asked.outcome, asked.price, seen)
    if value is None:
        return None
    return value >= asked.threshold if asked.when == "at_or_above" else value <= asked.threshold


@given(changes, observations)
def test_the_index_finds_what_a_look_at_every_rule_finds(changes_made: list[Change], seen: MarketObservation) -> None:
    index, plain = kept(changes_made)
    true, false = list(index.true_for(seen)), list(index.false_for(seen))
    assert sorted(true) == sorted(rule_id for rule_id, asked in plain.items() if holds(asked, seen) is True)
    assert sorted(false) == sorted(rule_id for rule_id, asked in plain.items() if holds(asked, seen) is False)


@given(changes, observations)
def test_each_priced_rule_is_on_one_side_and_once(changes_made: list[Change], seen: MarketObservation) -> None:
    index, plain = kept(changes_made)
    found = [*index.true_for(seen), *index.false_for(seen)]
    assert len(found) == len(set(found))
    assert set(found) == {rule_id for rule_id, asked in plain.items() if holds(asked, seen) is not None}


@given(changes, observations)
def test_the_index_counts_its_rules_and_empties(changes_made: list[Change], seen: MarketObservation) -> None:
    index, plain = kept(changes_made)
    assert len(index) == len(plain)
    for rule_id in [*plain, "never added"]:
        index.remove(rule_id)
    assert len(index) == 0
    assert [*index.true_for(seen), *index.false_for(seen)] == []


tenths = st.integers(1, 9).map(lambda tenth: Decimal(tenth).scaleb(-1))
near_triggers = st.builds(trigger, outcome=outcomes, price=price_kinds, when=directions, threshold=tenths)


@given(st.dictionaries(rule_ids, near_triggers), tenths, tenths)
def test_rules_of_one_threshold_are_all_found_when_the_price_meets_it(
    plain: dict[str, MarketProbability], price: Decimal, last: Decimal
) -> None:
    index, _ = kept(list(plain.items()))
    seen = observed(bid=price, ask=price, last=last)
    assert set(index.true_for(seen)) == {rule_id for rule_id, asked in plain.items() if holds(asked, seen)}
    assert set(index.false_for(seen)) == {rule_id for rule_id, asked in plain.items() if not holds(asked, seen)}


def test_a_price_at_the_threshold_holds_from_above_and_from_below() -> None:
    index = MarketIndex()
    for rule_id in ("rul_1", "rul_2", "rul_3"):
        index.add(f"{rule_id}_up", trigger(price="last", when="at_or_above", threshold=Decimal("0.7")))
        index.add(f"{rule_id}_down", trigger(price="last", when="at_or_below", threshold=Decimal("0.70")))
    for last, ways in {"0.69": {"down"}, "0.7": {"up", "down"}, "0.71": {"up"}}.items():
        seen = observed(last=Decimal(last))
        assert {found.rpartition("_")[2] for found in index.true_for(seen)} == ways
        assert len(list(index.true_for(seen))) == 3 * len(ways)
        assert len(list(index.false_for(seen))) == 6 - 3 * len(ways)


@given(changes, rule_ids, triggers, triggers, observations)
def test_a_rule_added_anew_is_judged_by_its_new_trigger_alone(
    changes_made: list[Change],
    rule_id: str,
    old: MarketProbability,
    new: MarketProbability,
    seen: MarketObservation,
) -> None:
    index, _ = kept([*changes_made, (rule_id, old), (rule_id, new)])
    found = (list(index.true_for(seen)).count(rule_id), list(index.false_for(seen)).count(rule_id))
    assert found == {True: (1, 0), False: (0, 1), None: (0, 0)}[holds(new, seen)]
