"""The sorted index of a market finds the rules that going through all of them would find."""

from hypothesis import given
from hypothesis import strategies as st

from domain.matching import MarketIndex
from domain.triggers import MarketObservation, MarketProbability, probability
from tests.property.draws import observations, triggers

rule_ids = st.sampled_from([f"rul_{number}" for number in range(12)] + ["", "\U0010ffff", "rul_1\x00"])
Change = tuple[str, MarketProbability | None]
changes = st.lists(st.tuples(rule_ids, st.none() | triggers), max_size=40)


def kept(changes_made: list[Change]) -> tuple[MarketIndex, dict[str, MarketProbability]]:
    """The index and a plain dictionary after the same changes: a trigger adds, None removes."""
    index, plain = MarketIndex(), dict[str, MarketProbability]()
    for rule_id, trigger in changes_made:
        if trigger is None:
            index.remove(rule_id)
            plain.pop(rule_id, None)
        else:
            index.add(rule_id, trigger)
            plain[rule_id] = trigger
    return index, plain


def holds(trigger: MarketProbability, seen: MarketObservation) -> bool | None:
    value = probability(trigger.outcome, trigger.price, seen)
    if value is None:
        return None
    return value >= trigger.threshold if trigger.when == "at_or_above" else value <= trigger.threshold


@given(changes, observations)
def test_the_index_finds_what_a_look_at_every_rule_finds(changes_made: list[Change], seen: MarketObservation) -> None:
    index, plain = kept(changes_made)
    true, false = list(index.true_for(seen)), list(index.false_for(seen))
    assert sorted(true) == sorted(rule_id for rule_id, trigger in plain.items() if holds(trigger, seen) is True)
    assert sorted(false) == sorted(rule_id for rule_id, trigger in plain.items() if holds(trigger, seen) is False)


@given(changes, observations)
def test_each_priced_rule_is_on_one_side_and_once(changes_made: list[Change], seen: MarketObservation) -> None:
    index, plain = kept(changes_made)
    found = [*index.true_for(seen), *index.false_for(seen)]
    assert len(found) == len(set(found))
    assert set(found) == {rule_id for rule_id, trigger in plain.items() if holds(trigger, seen) is not None}


@given(changes, observations)
def test_the_index_counts_its_rules_and_empties(changes_made: list[Change], seen: MarketObservation) -> None:
    index, plain = kept(changes_made)
    assert len(index) == len(plain)
    for rule_id in [*plain, "never added"]:
        index.remove(rule_id)
    assert len(index) == 0
    assert [*index.true_for(seen), *index.false_for(seen)] == []


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
