"""Jupiter's instruction bytes, held against what mainnet ran."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.chains.solana.addresses import (
    JUPITER_PROGRAM,
    jupiter_event_authority,
    jupiter_program_authority,
)
from infra.devnet.jupiter.instructions import FormName
from infra.venues.jupiter.layout import FORMS, UnreadableRoute, read_route, tightened
from tests.unit.infra.jupiter_bytes import FORMS as FORM_NAMES
from tests.unit.infra.jupiter_bytes import both_ways

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "jupiter-mainnet.json").read_text()
)["instructions"]


def swap_data(form: FormName) -> bytes:
    return next(i.data for i in both_ways(form)[0].instructions() if len(i.data) > 30)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: f"{one['name']}-{one['transaction'][:6]}")
def test_a_recorded_instruction_reads_as_what_it_did(recorded: dict[str, Any]) -> None:
    route, accounts = read_route(bytes.fromhex(recorded["data"])), recorded["accounts"]
    assert route.form.name == recorded["name"]
    assert route.amount_in == recorded["paid"]
    assert accounts[route.form.event_authority] == str(jupiter_event_authority())
    assert accounts[route.form.program] == str(JUPITER_PROGRAM)
    if route.form.shared:
        assert accounts[1] == str(jupiter_program_authority(bytes.fromhex(recorded["data"])[8]))


def test_the_discriminators_are_those_of_the_published_interface() -> None:
    assert {form.name: form.discriminator.hex() for form in FORMS} == {
        "route": "e517cb977ae3ad2a",
        "shared_accounts_route": "c1209b3341d69c81",
        "route_v2": "bb64facc31c4af14",
        "shared_accounts_route_v2": "d19853937cfed8e9",
    }


@pytest.mark.parametrize("form", FORM_NAMES)
def test_arguments_cut_short_are_unreadable(form: FormName) -> None:
    whole = swap_data(form)
    needed = read_route(whole).scalars_at + (22 if form.endswith("v2") else 19)
    for length in range(needed):
        with pytest.raises(UnreadableRoute):
            read_route(whole[:length])


@pytest.mark.parametrize("form", ["route", "shared_accounts_route"])
def test_a_first_form_with_bytes_left_over_is_unreadable(form: FormName) -> None:
    with pytest.raises(UnreadableRoute):
        read_route(swap_data(form) + b"\0")


def test_a_plan_of_an_unknown_venue_is_unreadable_where_the_amounts_follow_it() -> None:
    data = bytearray(swap_data("route"))
    data[12] = 109
    with pytest.raises(UnreadableRoute):
        read_route(bytes(data))


@pytest.mark.parametrize("count", [2, 255, 2**32 - 1])
def test_a_plan_that_promises_more_steps_than_it_has_is_unreadable(count: int) -> None:
    data = swap_data("route")
    with pytest.raises(UnreadableRoute):
        read_route(data[:8] + count.to_bytes(4, "little") + data[12:])


def test_an_exact_out_swap_is_none_of_the_four() -> None:
    with pytest.raises(UnreadableRoute):
        read_route(bytes.fromhex("d033ef977b2bed5c") + swap_data("route")[8:])


@pytest.mark.parametrize("form", FORM_NAMES)
@given(share_bps=st.integers(0, 11_000))
def test_tightening_promises_the_minimum_and_changes_nothing_else(form: FormName, share_bps: int) -> None:
    data = swap_data(form)
    before = read_route(data)
    minimum = before.quoted_out * share_bps // 10_000
    after = read_route(made := tightened(data, minimum))
    assert after.slippage_bps <= before.slippage_bps
    if minimum <= before.quoted_out:
        assert after.quoted_out * (10_000 - after.slippage_bps) >= minimum * 10_000
    else:
        assert made == data
    at = before.scalars_at + 16
    assert made[:at] + made[at + 2 :] == data[:at] + data[at + 2 :]


def test_a_slippage_beyond_the_whole_is_unreadable() -> None:
    data = swap_data("route_v2")
    at = read_route(data).scalars_at + 16
    assert read_route(data[:at] + (10_000).to_bytes(2, "little") + data[at + 2 :]).slippage_bps == 10_000
    with pytest.raises(UnreadableRoute):
        read_route(data[:at] + (10_001).to_bytes(2, "little") + data[at + 2 :])


@pytest.mark.parametrize(
    ("swap", "readable"),
    [
        (b"\x07", True),  # no fields
        (b"\x11\x01", True),  # one bool
        (b"\x1d" + bytes(16), True),
        (b"\x2f\x01\x00", True),  # a bool, and no slices
        (b"\x2f\x01\x01\x02\0\0\0" + bytes(4), True),  # a bool, and two slices
        (b"\x2f\x01\x02", False),  # an option neither there nor absent
        (b"\x4b\x00\x00\x00\x00", True),  # slices, none of them
        (b"\x4b\x01\x00\x00\x00\x03\x02", True),
        (b"\x4b\xff\xff\xff\xff", False),
    ],
)
def test_the_amounts_are_found_behind_every_kind_of_swap(swap: bytes, readable: bool) -> None:
    data = swap_data("route")
    behind = data[13:]  # after discriminator, count and the number of a swap without fields
    if readable:
        assert read_route(data[:12] + swap + behind).amount_in == read_route(data).amount_in
    else:
        with pytest.raises(UnreadableRoute):
            read_route(data[:12] + swap + behind)
