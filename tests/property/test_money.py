"""Money is read exactly or refused, and never rounded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.money import MAX_BASE_UNITS, Amount, Asset
from tests.property.draws import amounts, assets, base_units

DOLLAR = Asset("test:1/token:usd", "USD", 6)
DIGITS = "0123456789"

# Python's own number readers take every one of these, or nearly.
NOT_AMOUNTS = [
    "",
    ".",
    ".5",
    "5.",
    "+1",
    "-1",
    "-0",
    " 1",
    "1 ",
    "1\n",
    "1\x00",
    "1_000",
    "1,5",
    "1 000",
    "1.2.3",
    "1e5",
    "1E-2",
    "0x10",
    "NaN",
    "nan",
    "Infinity",
    "-inf",
    "½",
    "١٢",  # Arabic-Indic digits
    "１２",  # full-width digits
    "1٫5",  # Arabic decimal separator
    "²",
]


def is_plain_decimal(text: str) -> bool:
    """What may be an amount, said without a pattern."""
    parts = text.split(".")
    return len(parts) <= 2 and all(part and set(part) <= set(DIGITS) for part in parts)


@given(st.integers(0, MAX_BASE_UNITS), assets)
def test_what_is_printed_reads_back_as_the_same_amount(base: int, asset: Asset) -> None:
    assume(len(str(base // 10**asset.decimals)) <= 60)
    amount = Amount(base, asset)
    assert Amount.parse(str(amount), asset) == amount


@given(amounts)
def test_what_is_printed_is_exact_and_plain(amount: Amount) -> None:
    text = str(amount)
    assert Fraction(text) == Fraction(amount.base, 10**amount.asset.decimals)
    assert set(text) <= set(DIGITS + "-.")
    assert "." not in text or text[-1] not in "0."
    assert amount.spoken() == f"{text} {amount.asset.symbol}"


@given(base_units, assets)
def test_the_value_in_whole_units_is_exact(base: int, asset: Asset) -> None:
    assert Fraction(Amount(base, asset).whole) == Fraction(base, 10**asset.decimals)


@given(st.from_regex(r"[0-9]{1,30}(\.[0-9]{1,40})?", fullmatch=True, alphabet=DIGITS + "."), assets)
def test_a_plain_decimal_is_read_exactly_or_refused_for_its_decimals(text: str, asset: Asset) -> None:
    fits = (Fraction(text) * 10**asset.decimals).denominator == 1
    if fits:
        assert Fraction(Amount.parse(text, asset).base, 10**asset.decimals) == Fraction(text)
    else:
        with pytest.raises(InvalidInput):
            Amount.parse(text, asset)


@given(st.text() | st.text(alphabet=DIGITS + ".-+eE_ ٣") | st.floats().map(repr) | st.decimals().map(str))
def test_no_other_text_is_an_amount(text: str) -> None:
    assume(not is_plain_decimal(text))
    with pytest.raises(InvalidInput):
        Amount.parse(text, DOLLAR)


@pytest.mark.parametrize("text", NOT_AMOUNTS)
def test_what_only_looks_like_a_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Amount.parse(text, DOLLAR)


@given(st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.binary(), st.decimals()))
def test_only_text_is_parsed(value: object) -> None:
    with pytest.raises(InvalidInput):
        Amount.parse(value, DOLLAR)  # type: ignore[arg-type]


@given(st.one_of(st.floats(), st.booleans(), st.none(), st.text(), st.decimals()))
def test_base_units_are_whole_numbers_and_nothing_like_them(value: object) -> None:
    with pytest.raises(InvalidInput):
        Amount(value, DOLLAR)  # type: ignore[arg-type]


@given(st.integers(1, 10**9))
def test_more_than_256_bits_is_refused(beyond: int) -> None:
    for base in (MAX_BASE_UNITS + beyond, -MAX_BASE_UNITS - beyond):
        with pytest.raises(InvalidInput):
            Amount(base, DOLLAR)
    with pytest.raises(InvalidInput):
        Amount(MAX_BASE_UNITS, DOLLAR) + Amount(beyond, DOLLAR)
    assert Amount(MAX_BASE_UNITS, DOLLAR).base == MAX_BASE_UNITS


@given(amounts, amounts)
def test_two_assets_neither_add_up_nor_compare(one: Amount, other: Amount) -> None:
    assume(one.asset.id != other.asset.id)
    with pytest.raises(InvalidInput):
        one + other
    with pytest.raises(InvalidInput):
        one - other
    with pytest.raises(InvalidInput):
        assert one < other
    with pytest.raises(InvalidInput):
        assert one <= other
    with pytest.raises(InvalidInput):
        assert one > other
    with pytest.raises(InvalidInput):
        assert one >= other
    assert one != other


@given(base_units, base_units, assets)
def test_one_asset_adds_and_compares_as_its_base_units_do(a: int, b: int, asset: Asset) -> None:
    one, other = Amount(a, asset), Amount(b, asset)
    if abs(a + b) <= MAX_BASE_UNITS:
        assert one + other == other + one == Amount(a + b, asset)
        assert (one + other) - other == one
    assert (one < other, one <= other, one > other, one >= other) == (a < b, a <= b, a > b, a >= b)


@given(st.integers().filter(lambda decimals: not 0 <= decimals <= 36))
def test_an_asset_with_impossible_decimals_is_refused(decimals: int) -> None:
    with pytest.raises(InvalidInput):
        Asset("test:1/token:x", "X", decimals)


def test_an_amount_cannot_be_changed() -> None:
    amount = Amount(1, DOLLAR)
    with pytest.raises(AttributeError):
        amount.base = 2  # type: ignore[misc]
    assert amount.whole == Decimal("0.000001")
