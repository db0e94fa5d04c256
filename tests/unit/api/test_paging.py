"""Cursors come back as they were given, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import decode, encode, number, page
from domain.errors import InvalidInput

visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


@given(st.lists(visible, min_size=1, max_size=3))
def test_a_cursor_comes_back_as_it_was(parts: list[str]) -> None:
    assert decode(encode(tuple(parts)), len(parts)) == tuple(parts)


@given(st.text(max_size=60))
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decode(f"{text}!", 2)
    assert refusal.value.field == "cursor"


def test_a_record_number_is_a_number_of_a_record() -> None:
    assert number(None) == 0
    assert number(("12",)) == 12
    for junk in ("", "-1", "1.5", "9" * 19, "x"):
        with pytest.raises(InvalidInput):
            number((junk,))


def test_a_page_tells_whether_more_follows() -> None:
    whole = page(["a", "b"], 2, str.upper, lambda item: (item,))
    assert (whole.items, whole.next_cursor) == (["A", "B"], None)
    part = page(["a", "b", "c"], 2, str.upper, lambda item: (item,))
    assert (part.items, decode(part.next_cursor, 1)) == (["A", "B"], ("b",))
