"""What the signer reads from the bytes of a swap, and what it refuses."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, to_bytes_versioned
from solders.pubkey import Pubkey

from domain.intents import Objection
from domain.solana_intent import MAX_FEE_LAMPORTS, fee_lamports, judge
from infra.chains.solana.addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    COMPUTE_BUDGET_PROGRAM,
    JUPITER_PROGRAM,
    LOOKUP_TABLE_PROGRAM,
    USDC_MINT,
    WSOL_MINT,
    associated_token_account,
)
from infra.chains.solana.message import (
    UnreadableMessage,
    read_message,
    signers_named,
    table_addresses,
    tables_named,
)
from infra.devnet.jupiter.instructions import FormName, opened
from infra.devnet.jupiter.lies import LieName, stranger
from infra.venues.jupiter.decoding import payload_of
from tests.unit.infra.jupiter_bytes import (
    BLOCKHASH,
    FORMS,
    PRICE_MICRO_LAMPORTS,
    UNITS,
    WALLET,
    Swap,
    both_ways,
    message_of,
)

SWAPS = [swap for form in FORMS for swap in both_ways(form)]
OUGHT: dict[LieName, Objection] = {
    "other_destination": Objection.WRONG_DESTINATION,
    "larger_amount": Objection.AMOUNT_TOO_LARGE,
    "worse_price": Objection.MINIMUM_TOO_LOW,
    "platform_fee": Objection.FEE_TOO_HIGH,
    "other_asset": Objection.WRONG_ASSET,
    "extra_instruction": Objection.WRONG_DESTINATION,
    "spending_right": Objection.UNEXPECTED_INSTRUCTION,
    "foreign_program": Objection.FOREIGN_PROGRAM,
    "foreign_signer": Objection.FOREIGN_SIGNER,
    "foreign_account": Objection.FOREIGN_ACCOUNT,
    "closed_to_stranger": Objection.WRONG_DESTINATION,
    "second_swap": Objection.UNEXPECTED_INSTRUCTION,
}


def found(swap: Swap, message: bytes, tables: dict[Pubkey, tuple[Pubkey, ...]] | None = None) -> set[Objection]:
    payload = payload_of(read_message(message, tables or {}))
    return {refusal.objection for refusal in judge(payload, swap.terms)}


def name_of(swap: Swap) -> str:
    return f"{swap.form}-{'sells' if swap.sell == WSOL_MINT else 'buys'}-sol"


@pytest.mark.parametrize("swap", SWAPS, ids=name_of)
def test_an_honest_swap_is_not_refused(swap: Swap) -> None:
    assert not found(swap, message_of(swap.instructions()))


@pytest.mark.parametrize("swap", SWAPS, ids=name_of)
@pytest.mark.parametrize("lie", OUGHT)
def test_every_lie_is_refused_by_its_own_name(swap: Swap, lie: LieName) -> None:
    assert OUGHT[lie] in found(swap, message_of(swap.instructions(lie)))


@pytest.mark.parametrize("swap", SWAPS, ids=name_of)
def test_another_fee_payer_is_refused(swap: Swap) -> None:
    message = message_of(swap.instructions(), payer=stranger())
    assert {Objection.FOREIGN_FEE_PAYER, Objection.FOREIGN_SIGNER} <= found(swap, message)


def test_another_blockhash_than_the_slots_is_refused() -> None:
    swap = both_ways("route_v2")[0]
    assert found(swap, message_of(swap.instructions(), blockhash=Hash(bytes(32)))) == {Objection.OTHER_SLOT}


def test_the_fee_is_what_the_limit_times_the_price_and_a_signature_cost() -> None:
    payload = payload_of(read_message(message_of(SWAPS[0].instructions()), {}))
    assert fee_lamports(payload) == 5_000 + UNITS * PRICE_MICRO_LAMPORTS // 1_000_000


@pytest.mark.parametrize("over_lamports", [0, 1])
def test_a_fee_above_the_cap_is_refused_to_the_lamport(over_lamports: int) -> None:
    swap = SWAPS[0]
    limit, _, *rest = swap.instructions()
    wanted = (MAX_FEE_LAMPORTS - 5_000 + over_lamports) * 1_000_000 // UNITS
    price = Instruction(COMPUTE_BUDGET_PROGRAM, b"\x03" + wanted.to_bytes(8, "little"), [])
    expected = {Objection.FEE_TOO_HIGH} if over_lamports else set()
    # Rounded down, the price buys at most the cap; one lamport more has to round above it.
    price = (
        price
        if not over_lamports
        else Instruction(COMPUTE_BUDGET_PROGRAM, b"\x03" + (wanted + 1).to_bytes(8, "little"), [])
    )
    assert found(swap, message_of([limit, price, *rest])) == expected


@pytest.mark.parametrize("left_out", [0, 1])
def test_a_swap_without_a_bounded_fee_is_refused(left_out: int) -> None:
    instructions = SWAPS[0].instructions()
    del instructions[left_out]
    assert Objection.UNEXPECTED_INSTRUCTION in found(SWAPS[0], message_of(instructions))


def test_more_token_accounts_than_a_route_needs_are_refused() -> None:
    instructions = SWAPS[0].instructions()
    extra = [opened(WALLET.pubkey(), WALLET.pubkey(), Pubkey(bytes([n]) * 32)) for n in range(1, 5)]
    assert found(SWAPS[0], message_of([*instructions[:2], *extra[:3], *instructions[2:]])) == set()
    assert found(SWAPS[0], message_of([*instructions[:2], *extra, *instructions[2:]])) == {
        Objection.UNEXPECTED_INSTRUCTION
    }


def test_opening_an_account_that_must_not_exist_yet_is_refused() -> None:
    limit, price, opening, *rest = SWAPS[0].instructions()
    strict = Instruction(ASSOCIATED_TOKEN_PROGRAM, b"\x00", opening.accounts)
    assert found(SWAPS[0], message_of([limit, price, strict, *rest])) == {Objection.UNEXPECTED_INSTRUCTION}


@pytest.mark.parametrize("form", ["route", "route_v2"])
def test_an_optional_destination_has_to_be_the_wallets(form: FormName) -> None:
    swap = both_ways(form)[0]
    place = {"route": 4, "route_v2": 7}[form]
    own = associated_token_account(WALLET.pubkey(), swap.buy)
    theirs = associated_token_account(stranger(), swap.buy)
    for destination, expected in ((own, set()), (theirs, {Objection.WRONG_DESTINATION})):
        instructions = swap.instructions()
        at = next(n for n, one in enumerate(instructions) if one.program_id == JUPITER_PROGRAM)
        accounts = list(instructions[at].accounts)
        accounts[place] = AccountMeta(destination, is_signer=False, is_writable=True)
        instructions[at] = Instruction(JUPITER_PROGRAM, instructions[at].data, accounts)
        assert found(swap, message_of(instructions)) == expected


@pytest.mark.parametrize("swap", SWAPS, ids=name_of)
def test_bytes_after_the_arguments_do_not_change_what_is_read(swap: Swap) -> None:
    """A program reads from the front: a decoy behind the arguments must not be taken for them."""
    instructions = swap.instructions("larger_amount")
    at = next(n for n, one in enumerate(instructions) if one.program_id == JUPITER_PROGRAM)
    honest = swap.instructions()[at].data
    decoy = Instruction(JUPITER_PROGRAM, instructions[at].data + honest[-19:], instructions[at].accounts)
    instructions[at] = decoy
    assert found(swap, message_of(instructions)) & {
        Objection.AMOUNT_TOO_LARGE,
        Objection.UNEXPECTED_INSTRUCTION,
    }


def test_a_lookup_table_is_believed_as_the_chain_holds_it() -> None:
    """The message names a place in a table; whose account stands there, only the chain says."""
    swap, table = both_ways("route_v2")[0], Keypair.from_seed(bytes([5]) * 32).pubkey()
    own = associated_token_account(WALLET.pubkey(), WSOL_MINT)
    message = message_of(swap.instructions(), tables={table: (USDC_MINT, own)})
    assert tables_named(message) == (table,)
    assert found(swap, message, {table: (USDC_MINT, own)}) == set()
    theirs = associated_token_account(stranger(), WSOL_MINT)
    assert Objection.WRONG_DESTINATION in found(swap, message, {table: (USDC_MINT, theirs)})
    for short in ({}, {table: (USDC_MINT,)}):
        with pytest.raises(UnreadableMessage):
            read_message(message, short)


def test_an_account_named_twice_is_unreadable() -> None:
    swap, table = both_ways("route_v2")[0], Keypair.from_seed(bytes([5]) * 32).pubkey()
    own = associated_token_account(WALLET.pubkey(), WSOL_MINT)
    message = message_of(swap.instructions(), tables={table: (USDC_MINT, own)})
    with pytest.raises(UnreadableMessage):
        read_message(message, {table: (WALLET.pubkey(), own)})


def test_a_table_is_read_from_the_bytes_of_its_account() -> None:
    in_use = (1).to_bytes(4, "little") + b"\xff" * 8 + bytes(44) + bytes(USDC_MINT) + bytes(WSOL_MINT)
    assert table_addresses(str(LOOKUP_TABLE_PROGRAM), in_use) == (USDC_MINT, WSOL_MINT)
    closing = in_use[:4] + bytes(8) + in_use[12:]
    for owner, data in (
        (str(JUPITER_PROGRAM), in_use),
        (str(LOOKUP_TABLE_PROGRAM), closing),
        (str(LOOKUP_TABLE_PROGRAM), in_use[:-1]),
        (str(LOOKUP_TABLE_PROGRAM), b""),
    ):
        with pytest.raises(UnreadableMessage):
            table_addresses(owner, data)


def test_a_legacy_message_is_read_too() -> None:
    swap = both_ways("route_v2")[0]
    legacy = Message.new_with_blockhash(swap.instructions(), WALLET.pubkey(), BLOCKHASH)
    assert found(swap, bytes(to_bytes_versioned(legacy))) == set()
    assert signers_named(bytes(to_bytes_versioned(legacy))) == (WALLET.pubkey(),)


@given(st.binary(max_size=300))
def test_what_is_no_message_is_unreadable_and_nothing_else(noise: bytes) -> None:
    for raw in (noise, b"\x80\x01\x00\x00" + noise):
        try:
            read_message(raw, {})
        except UnreadableMessage:
            continue


def test_bytes_after_a_message_are_unreadable() -> None:
    with pytest.raises(UnreadableMessage):
        read_message(message_of(SWAPS[0].instructions()) + b"\0", {})


def rewritten(swap: Swap, change: Callable[[list[AccountMeta]], object]) -> bytes:
    """The swap's message with another list of accounts in Jupiter's instruction."""
    instructions = swap.instructions()
    at = next(n for n, one in enumerate(instructions) if one.program_id == JUPITER_PROGRAM)
    accounts = list(instructions[at].accounts)
    change(accounts)
    instructions[at] = Instruction(JUPITER_PROGRAM, instructions[at].data, accounts)
    return message_of(instructions)


@pytest.mark.parametrize(
    ("form", "fixed", "places"),
    [
        ("route", 9, (7, 8)),
        ("route_v2", 10, (8, 9)),
        ("shared_accounts_route", 13, (10, 11, 12)),
        ("shared_accounts_route_v2", 12, (10, 11)),
    ],
)
def test_a_swap_without_its_own_fixed_accounts_is_refused(form: FormName, fixed: int, places: tuple[int, ...]) -> None:
    swap = both_ways(form)[0]
    foreign = AccountMeta(stranger(), is_signer=False, is_writable=True)
    for place in places:
        message = rewritten(swap, lambda accounts, at=place: accounts.__setitem__(at, foreign))  # type: ignore[misc]
        assert found(swap, message) == {Objection.UNEXPECTED_INSTRUCTION}
    message = rewritten(swap, lambda accounts: accounts.__delitem__(slice(fixed - 1, None)))
    assert found(swap, message) == {Objection.UNEXPECTED_INSTRUCTION}


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 0),  # nobody signs
        (0, 99),  # more signers than accounts
        (1, 1),  # the payer is read-only
        (2, 99),  # more read-only accounts than there are
    ],
)
def test_a_header_that_does_not_fit_is_unreadable(legacy: bool, place: int, value: int) -> None:
    swap = both_ways("route_v2")[0]
    plain = Message.new_with_blockhash(swap.instructions(), WALLET.pubkey(), BLOCKHASH)
    raw = bytearray(to_bytes_versioned(plain) if legacy else message_of(swap.instructions()))
    raw[place + (not legacy)] = value
    with pytest.raises(UnreadableMessage):
        read_message(bytes(raw), {})


@pytest.mark.parametrize("legacy", [True, False])
def test_an_instruction_that_names_what_is_not_there_is_unreadable(legacy: bool) -> None:
    limit, *_ = SWAPS[0].instructions()
    plain = Message.new_with_blockhash([limit], WALLET.pubkey(), BLOCKHASH)
    raw = bytearray(to_bytes_versioned(plain) if legacy else message_of([limit]))
    program = raw.index(limit.data) - 3  # program, number of accounts, length of data
    assert raw[program] == 1
    raw[program] = 2
    with pytest.raises(UnreadableMessage):
        read_message(bytes(raw), {})


def test_a_message_of_a_later_version_is_unreadable() -> None:
    raw = message_of(SWAPS[0].instructions())
    for version in range(0x81, 0x100):
        with pytest.raises(UnreadableMessage):
            read_message(bytes([version]) + raw[1:], {})
