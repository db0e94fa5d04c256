"""Jupiter v6's four exact-in instructions as bytes and accounts. All integers little-endian.

Source: the Anchor IDL of program JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4, state of 2025;
tests/vectors/jupiter-mainnet.json holds instructions that mainnet ran.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from domain.intents import BPS

_SCALARS_V1: Final = struct.Struct("<QQHB")  # in_amount, quoted_out_amount, slippage_bps, platform_fee_bps
_SCALARS_V2: Final = struct.Struct("<QQHHH")  # the same with a wider fee, then positive_slippage_bps
_SLIPPAGE_OFFSET: Final = 16  # in both
_DISCRIMINATOR_BYTES: Final = 8

# How many bytes of fields follow the number of a swap in a route plan; those not named have none.
_SWAP_FIELD_BYTES: Final = {
    **dict.fromkeys((8, 12, 15, 16, 17, 18, 21, 23, 24, 27, 28, 39, 58, 60, 61, 64, 85, 89), 1),
    **dict.fromkeys((94, 95, 104, 106, 107), 1),
    29: 16,
    33: 4,
    41: 4,
    42: 3,
    43: 10,
    44: 5,
    45: 5,
    71: 2,
    81: 8,
    82: 8,
    86: 2,
    87: 9,
}
_SWAPS_WITH_OPTIONAL_SLICES: Final = {47, 103}  # one bool, then an option of slices
_SWAPS_WITH_SLICES: Final = {75}
_LAST_SWAP: Final = 108  # later additions have lengths that this table does not know
_SLICE_BYTES: Final = 2
_STEP_TAIL_BYTES: Final = 3  # percent, input_index, output_index


class UnreadableRoute(ValueError):
    """Not one of the four instructions, or not as the program would read it."""


@dataclass(frozen=True, slots=True)
class Form:
    """Where one of the four keeps its accounts: positions in the account list, None where it has none."""

    name: str
    shared: bool
    second: bool  # the v2 layout: amounts first, plan last
    accounts: int  # fixed ones; those of the stations follow
    user: int
    source: int
    destination: int
    destination_mint: int
    token_programs: tuple[int, ...]
    source_mint: int | None
    other_destination: int | None
    platform_fee_account: int | None
    absent: tuple[int, ...]  # optional accounts that a plain swap leaves out
    event_authority: int
    program: int

    @property
    def discriminator(self) -> bytes:
        return hashlib.sha256(b"global:" + self.name.encode()).digest()[:_DISCRIMINATOR_BYTES]


ROUTE: Final = Form("route", False, False, 9, 1, 2, 3, 5, (0,), None, 4, 6, (), 7, 8)
SHARED_ROUTE: Final = Form("shared_accounts_route", True, False, 13, 2, 3, 6, 8, (0,), 7, None, 9, (10,), 11, 12)
ROUTE_V2: Final = Form("route_v2", False, True, 10, 0, 1, 2, 4, (5, 6), 3, 7, None, (), 8, 9)
SHARED_ROUTE_V2: Final = Form("shared_accounts_route_v2", True, True, 12, 1, 2, 5, 7, (8, 9), 6, None, None, (), 10, 11)
FORMS: Final = (ROUTE, SHARED_ROUTE, ROUTE_V2, SHARED_ROUTE_V2)


@dataclass(frozen=True, slots=True)
class Route:
    """The arguments of a swap instruction. Amounts in base units; `scalars_at` is where they begin."""

    form: Form
    amount_in: int
    quoted_out: int
    slippage_bps: int
    platform_fee_bps: int
    positive_slippage_bps: int
    scalars_at: int


def read_route(data: bytes) -> Route:
    """Decode as the program does, from the front: what stands after the arguments means nothing to it.

    Errors: UnreadableRoute.
    """
    form = next((form for form in FORMS if data[:_DISCRIMINATOR_BYTES] == form.discriminator), None)
    if form is None:
        raise UnreadableRoute(f"an instruction {data[:_DISCRIMINATOR_BYTES].hex()} that is no exact-in swap")
    at = _DISCRIMINATOR_BYTES + form.shared  # the shared forms begin with the id of their authority
    if not form.second:
        at = _after_plan(data, at)
    scalars = _SCALARS_V2 if form.second else _SCALARS_V1
    if len(data) < at + scalars.size:
        raise UnreadableRoute("a swap without all of its arguments")
    if not form.second and len(data) != at + scalars.size:
        raise UnreadableRoute("a swap with more bytes than its arguments")
    amount_in, quoted_out, slippage_bps, platform_fee_bps, *positive = scalars.unpack_from(data, at)
    if slippage_bps > BPS:
        raise UnreadableRoute(f"a slippage of {slippage_bps} bps")
    return Route(form, amount_in, quoted_out, slippage_bps, platform_fee_bps, sum(positive), at)


def tightened(data: bytes, minimum_base: int) -> bytes:
    """The same swap, its slippage lowered until it guarantees `minimum_base` where its quote is high enough.

    Between our quote and the built route the price moves; the promise made at the quote stays.
    Errors: UnreadableRoute.
    """
    route = read_route(data)
    if route.quoted_out < minimum_base or not route.quoted_out:
        return data  # no slippage mends that: the examination refuses it by name
    slippage_bps = min(route.slippage_bps, (route.quoted_out - minimum_base) * BPS // route.quoted_out)
    at = route.scalars_at + _SLIPPAGE_OFFSET
    return data[:at] + slippage_bps.to_bytes(2, "little") + data[at + 2 :]


def _after_plan(data: bytes, at: int) -> int:
    count, at = int.from_bytes(data[at : at + 4], "little"), at + 4
    for _ in range(count):
        if at >= len(data):  # also the end of a count that promises billions
            raise UnreadableRoute("a route plan that ends early")
        at = _after_swap(data, at) + _STEP_TAIL_BYTES
    return at


def _after_swap(data: bytes, at: int) -> int:
    swap, at = data[at], at + 1
    if swap > _LAST_SWAP:
        raise UnreadableRoute(f"a route by venue number {swap}, whose length is not known")
    if swap in _SWAPS_WITH_OPTIONAL_SLICES:
        present = data[at + 1 : at + 2]
        if present not in (b"\0", b"\1"):
            raise UnreadableRoute("an option that is neither there nor absent")
        return _after_slices(data, at + 2) if present == b"\1" else at + 2
    if swap in _SWAPS_WITH_SLICES:
        return _after_slices(data, at)
    return at + _SWAP_FIELD_BYTES.get(swap, 0)


def _after_slices(data: bytes, at: int) -> int:
    return at + 4 + int.from_bytes(data[at : at + 4], "little") * _SLICE_BYTES
