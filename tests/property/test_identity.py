"""Keys follow from what a thing is: the same thing, the same key; another thing, another key."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from domain import identity

# Texts in which a careless joining of parts would run together.
parts = st.text() | st.text(alphabet='a/",[]:\\1_ ', max_size=6)
numbers = st.integers(0, 10**6)
bodies = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@given(parts, parts, numbers)
def test_the_same_thing_has_the_same_key_each_time(one: str, other: str, number: int) -> None:
    assert identity.trigger_id(one, other) == identity.trigger_id(one, other)
    assert identity.execution_id(one) == identity.execution_id(one)
    assert identity.leg_id(one, number) == identity.leg_id(one, number)
    assert identity.attempt_id(one, number) == identity.attempt_id(one, number)


@given(st.tuples(parts, parts), st.tuples(parts, parts))
def test_other_rules_or_occurrences_make_other_triggers(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (identity.trigger_id(*one) == identity.trigger_id(*other)) == (one == other)


@given(parts, parts, parts)
def test_a_separator_inside_a_part_moves_no_border(a: str, b: str, c: str) -> None:
    for separator in ("", "/", ",", '","', ":", " ", "\x00"):
        left, right = (a + separator + b, c), (a, b + separator + c)
        assert (identity.trigger_id(*left) == identity.trigger_id(*right)) == (left == right)


@given(st.tuples(parts, numbers), st.tuples(parts, numbers))
def test_other_parents_or_numbers_make_other_legs_and_attempts(one: tuple[str, int], other: tuple[str, int]) -> None:
    assert (identity.leg_id(*one) == identity.leg_id(*other)) == (one == other)
    assert (identity.attempt_id(*one) == identity.attempt_id(*other)) == (one == other)


@given(st.tuples(parts, parts), st.tuples(parts, parts))
def test_a_request_key_makes_other_things_for_other_owners(one: tuple[str, str], other: tuple[str, str]) -> None:
    for made in (identity.api_key_id, identity.wallet_id, identity.rule_id):
        assert (made(*one) == made(*other)) == (one == other)
    assert (identity.owner_id(one[0]) == identity.owner_id(other[0])) == (one[0] == other[0])


@given(parts, numbers)
def test_things_of_different_kinds_share_no_key_material(parent: str, number: int) -> None:
    keys = [
        identity.trigger_id(parent, str(number)),
        identity.leg_id(parent, number),
        identity.attempt_id(parent, number),
        identity.execution_id(parent),
        identity.owner_id(parent),
        identity.api_key_id(parent, str(number)),
        identity.wallet_id(parent, str(number)),
        identity.rule_id(parent, str(number)),
    ]
    assert len({key.partition("_")[2] for key in keys}) == len(keys)


@given(parts, parts)
def test_keys_are_short_plain_words(one: str, other: str) -> None:
    for key in (identity.trigger_id(one, other), identity.execution_id(one), identity.leg_id(one, 1)):
        assert re.fullmatch(r"[a-z]{3}_[a-z2-7]{26}", key)


@given(numbers, numbers, parts, parts)
def test_a_crossing_and_a_hand_never_name_the_same_occurrence(m: int, n: int, key: str, other: str) -> None:
    assert identity.crossing(m) != identity.by_hand(key)
    assert (identity.crossing(m) == identity.crossing(n)) == (m == n)
    assert (identity.by_hand(key) == identity.by_hand(other)) == (key == other)


@given(parts, parts)
def test_each_trigger_has_its_own_workflow(one: str, other: str) -> None:
    assert identity.workflow_id(one) == f"execution/{one}"
    assert (identity.workflow_id(one) == identity.workflow_id(other)) == (one == other)


@given(bodies)
def test_a_fingerprint_does_not_see_the_order_of_fields(body: dict[str, object]) -> None:
    shuffled = dict(sorted(body.items(), reverse=True))
    assert identity.canonical(shuffled) == identity.canonical(body)
    assert identity.fingerprint(shuffled) == identity.fingerprint(body)


@given(bodies, bodies)
def test_different_bodies_have_different_fingerprints(one: dict[str, object], other: dict[str, object]) -> None:
    assume(repr(sorted(one.items(), key=repr)) != repr(sorted(other.items(), key=repr)))
    assume(one != other)  # Python holds True equal to 1; JSON does not, and either answer is safe
    assert identity.fingerprint(one) != identity.fingerprint(other)
