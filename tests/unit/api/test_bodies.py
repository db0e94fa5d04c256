"""Strict JSON, before anything else looks at a body."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import MAX_DEPTH, parse
from domain.errors import InvalidInput

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


@given(documents)
def test_ordinary_json_means_what_it_means_everywhere(document: object) -> None:
    assert parse(json.dumps(document).encode()) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_either_json_or_refused(raw: bytes) -> None:
    try:
        understood = json.loads(raw.decode())
    except ValueError:
        with pytest.raises(InvalidInput):
            parse(raw)
    else:
        with contextlib.suppress(InvalidInput):  # NaN, or a name that stands twice
            assert parse(raw) == understood


def test_brackets_in_a_string_are_no_nesting() -> None:
    text = "[{" * 100 + '"\\'
    assert parse(json.dumps({"name": text}).encode()) == {"name": text}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_has_a_limit(opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    parse(nested(MAX_DEPTH))
    with pytest.raises(InvalidInput, match="nested"):
        parse(nested(MAX_DEPTH + 1))
