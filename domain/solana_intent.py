"""May this Solana swap be signed? Compares what a payload says it does, and what it did in a simulation, with terms.

The facts here were read from the very bytes to be signed. What is not listed as harmless is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from domain.assets import WRAPPED_SOL_MINT
from domain.intents import BPS, Objection, Refusal

SYSTEM_PROGRAM = "11111111111111111111111111111111"
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105 - an address
JUPITER_PROGRAM = "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"

SIGNATURE_FEE_LAMPORTS = 5_000  # Source: solana.com/docs/core/fees, base fee per signature
MICRO = 1_000_000  # compute prices are in millionths of a lamport

# 0.002 SOL. Busy hours price a landing swap at 0.0001 to 0.001 SOL; more than twice that is a mistake or a theft.
MAX_FEE_LAMPORTS = 2_000_000

# Rent exemption of a 165-byte token account. Source: getMinimumBalanceForRentExemption(165).
TOKEN_ACCOUNT_RENT_LAMPORTS = 2_039_280

# Bought, wrapped SOL, and two stations on the way: longer routes go through Jupiter's own accounts.
MAX_OPENED_ACCOUNTS = 4


@dataclass(frozen=True, slots=True)
class ComputeLimit:
    units: int


@dataclass(frozen=True, slots=True)
class ComputePrice:
    micro_lamports: int  # per compute unit


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """An associated token account is made, unless it is there already."""

    payer: str
    account: str
    owner: str
    mint: str
    token_program: str


@dataclass(frozen=True, slots=True)
class Transfer:
    source: str
    destination: str
    lamports: int


@dataclass(frozen=True, slots=True)
class SyncNative:
    account: str


@dataclass(frozen=True, slots=True)
class CloseAccount:
    account: str
    destination: str
    authority: str


@dataclass(frozen=True, slots=True)
class Swap:
    """One of Jupiter's four exact-in instructions. Amounts in base units; None: the form has no such account."""

    form: str
    user: str
    source: str
    destination: str
    destination_mint: str
    amount_in: int
    quoted_out: int
    slippage_bps: int
    platform_fee_bps: int
    positive_slippage_bps: int
    token_programs: tuple[str, ...]
    source_mint: str | None = None
    other_destination: str | None = None
    platform_fee_account: str | None = None


@dataclass(frozen=True, slots=True)
class AdvanceNonce:
    """A nonce account gets a new value; whatever else carries the old one is dead from then on."""

    account: str
    authority: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """An instruction of a program that a swap does not need."""

    program: str


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A known program, asked for something else than the steps above."""

    program: str
    detail: str


Step = (
    ComputeLimit
    | ComputePrice
    | OpenAccount
    | Transfer
    | SyncNative
    | CloseAccount
    | Swap
    | AdvanceNonce
    | Foreign
    | Unexpected
)


@dataclass(frozen=True, slots=True)
class Payload:
    """A message, decoded."""

    fee_payer: str
    signers: tuple[str, ...]
    blockhash: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the payload may do. Amounts in base units; `token_account` derives the wallet's account of a mint.

    `blockhash` is the value of `nonce_account`, if there is one.
    """

    wallet: str
    blockhash: str
    sell_mint: str
    sell_base: int
    buy_mint: str
    minimum_base: int
    max_slippage_bps: int
    token_account: Callable[[str], str] = field(repr=False)
    nonce_account: str | None = None

    @property
    def sells_sol(self) -> bool:
        return self.sell_mint == WRAPPED_SOL_MINT

    @property
    def buys_sol(self) -> bool:
        return self.buy_mint == WRAPPED_SOL_MINT


@dataclass(frozen=True, slots=True)
class Effect:
    """What a simulation changed of all that is the wallet's.

    `lamports` counts the wallet and its token accounts together, `deposits` what its token accounts other
    than wrapped SOL gained of them; `tokens` is base units per mint, wrapped SOL apart;
    `taken` names what would pass into another's control.
    """

    error: str | None
    lamports: int
    deposits: int
    tokens: Mapping[str, int]
    taken: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """Whether anything of the wallet's is other than before."""
        return bool(self.lamports or self.deposits or any(self.tokens.values()) or self.taken)


def fee_lamports(payload: Payload) -> int:
    """What the network charges for a payload at most: signatures, and the price of every unit allowed."""
    units = sum(step.units for step in payload.steps if isinstance(step, ComputeLimit))
    price = sum(step.micro_lamports for step in payload.steps if isinstance(step, ComputePrice))
    return SIGNATURE_FEE_LAMPORTS * len(payload.signers) - (-units * price // MICRO)


def judge(payload: Payload, terms: Terms) -> tuple[Refusal, ...]:
    """Every reason not to sign that the bytes themselves give. Empty: they can only do what `terms` says."""
    return (
        *_frame(payload, terms.wallet, terms.blockhash),
        *_nonce(payload, terms.wallet, terms.nonce_account),
        *_counts(payload),
        *_each(payload, terms),
        *_wrapped(payload, terms),
        *_unwrapped(payload, terms),
    )


def judge_cancellation(payload: Payload, wallet: str, nonce_account: str, value: str) -> tuple[Refusal, ...]:
    """Every reason not to sign what is to do nothing but use up the nonce, so that all else on it is dead."""
    kinds = [type(step) for step in payload.steps]
    odd = kinds != [AdvanceNonce, ComputeLimit, ComputePrice]
    names = ", ".join(kind.__name__ for kind in kinds)
    return (
        *_frame(payload, wallet, value),
        *_nonce(payload, wallet, nonce_account),
        *((Refusal(Objection.UNEXPECTED_INSTRUCTION, f"a cancellation holds {names}"),) if odd else ()),
        *_fee(payload),
    )


def judge_effect(effect: Effect, terms: Terms, fee: int) -> tuple[Refusal, ...]:
    """Every reason not to sign that a simulation gives. `fee`: what `fee_lamports` said of the payload."""
    if effect.error is not None:
        return (Refusal(Objection.SIMULATION_FAILED, f"the simulation ended with {effect.error}"),)
    return tuple(_differences(effect, terms, fee))


def _frame(payload: Payload, wallet: str, blockhash: str) -> Iterator[Refusal]:
    if payload.fee_payer != wallet:
        yield Refusal(Objection.FOREIGN_FEE_PAYER, f"{payload.fee_payer} would pay the fee, not the wallet {wallet}")
    for signer in payload.signers:
        if signer != wallet:
            yield Refusal(Objection.FOREIGN_SIGNER, f"{signer} would have to sign beside the wallet")
    if payload.blockhash != blockhash:
        yield Refusal(Objection.OTHER_SLOT, f"carries blockhash {payload.blockhash}, allocated was {blockhash}")


def _nonce(payload: Payload, wallet: str, nonce_account: str | None) -> Iterator[Refusal]:
    """First and once the allocated account, by the wallet; none where none was allocated.

    Anywhere but first, the network would take the value for a blockhash, and the payload would not be durable.
    """
    found = [step for step in payload.steps if isinstance(step, AdvanceNonce)]
    if nonce_account is None:
        for step in found:
            yield Refusal(Objection.OTHER_SLOT, f"advances the nonce account {step.account}, none was allocated")
    elif found != [wanted := AdvanceNonce(nonce_account, wallet)] or payload.steps[0] != wanted:
        yield Refusal(
            Objection.OTHER_SLOT, f"does not begin by advancing the nonce account {nonce_account}, and no other"
        )


def _counts(payload: Payload) -> Iterator[Refusal]:
    for kind, name in ((ComputeLimit, "compute limit"), (ComputePrice, "compute price"), (Swap, "swap")):
        found = sum(isinstance(step, kind) for step in payload.steps)
        if found != 1:
            yield Refusal(
                Objection.UNEXPECTED_INSTRUCTION, f"holds {found} {name} instructions, allowed is exactly one"
            )
    opened = sum(isinstance(step, OpenAccount) for step in payload.steps)
    if opened > MAX_OPENED_ACCOUNTS:
        yield Refusal(
            Objection.UNEXPECTED_INSTRUCTION,
            f"opens {opened} token accounts, allowed are {MAX_OPENED_ACCOUNTS}",
        )
    yield from _fee(payload)


def _fee(payload: Payload) -> Iterator[Refusal]:
    fee = fee_lamports(payload)
    if fee > MAX_FEE_LAMPORTS:
        yield Refusal(Objection.FEE_TOO_HIGH, f"costs {fee} lamports, allowed are {MAX_FEE_LAMPORTS}")


def _each(payload: Payload, terms: Terms) -> Iterator[Refusal]:
    for step in payload.steps:
        match step:
            case Swap():
                yield from _swap(step, terms)
            case OpenAccount():
                yield from _open(step, terms)
            case SyncNative(account):
                if account != terms.token_account(WRAPPED_SOL_MINT):
                    yield Refusal(Objection.FOREIGN_ACCOUNT, f"syncs {account}, not the wallet's wrapped SOL")
            case CloseAccount():
                yield from _close(step, terms)
            case Foreign(program):
                yield Refusal(Objection.FOREIGN_PROGRAM, f"calls {program}, which no swap needs")
            case Unexpected(program, detail):
                yield Refusal(Objection.UNEXPECTED_INSTRUCTION, f"asks {program} for {detail}")


def _swap(swap: Swap, terms: Terms) -> Iterator[Refusal]:
    if swap.user != terms.wallet:
        yield Refusal(Objection.FOREIGN_SIGNER, f"{swap.user} would authorise the sale, not the wallet")
    for mint, wanted in ((swap.source_mint, terms.sell_mint), (swap.destination_mint, terms.buy_mint)):
        if mint is not None and mint != wanted:
            yield Refusal(Objection.WRONG_ASSET, f"names the mint {mint}, intended is {wanted}")
    if swap.source != (own := terms.token_account(terms.sell_mint)):
        yield Refusal(Objection.FOREIGN_ACCOUNT, f"sells from {swap.source}, the wallet's account is {own}")
    own = terms.token_account(terms.buy_mint)
    for destination in (swap.destination, swap.other_destination):
        if destination is not None and destination != own:
            yield Refusal(Objection.WRONG_DESTINATION, f"pays to {destination}, the wallet's account is {own}")
    for program in swap.token_programs:
        if program != TOKEN_PROGRAM:  # Token-2022 mints may tax a transfer or call others
            yield Refusal(Objection.FOREIGN_PROGRAM, f"moves tokens by {program}, not by SPL Token")
    if swap.amount_in > terms.sell_base:
        yield Refusal(Objection.AMOUNT_TOO_LARGE, f"sells {swap.amount_in} base units, intended are {terms.sell_base}")
    if swap.amount_in < terms.sell_base:
        yield Refusal(Objection.BALANCES_DIFFER, f"sells only {swap.amount_in} base units of {terms.sell_base}")
    yield from _price(swap, terms)


def _price(swap: Swap, terms: Terms) -> Iterator[Refusal]:
    if swap.slippage_bps > terms.max_slippage_bps:
        yield Refusal(
            Objection.MINIMUM_TOO_LOW,
            f"lets the price slip {swap.slippage_bps} bps, allowed are {terms.max_slippage_bps}",
        )
    # Compared without division: the guarantee holds whichever way Jupiter rounds.
    if swap.quoted_out * (BPS - swap.slippage_bps) < terms.minimum_base * BPS:
        yield Refusal(
            Objection.MINIMUM_TOO_LOW,
            f"guarantees {swap.quoted_out} less {swap.slippage_bps} bps, required are {terms.minimum_base}",
        )
    if swap.platform_fee_bps or swap.positive_slippage_bps:
        yield Refusal(
            Objection.FEE_TOO_HIGH,
            f"pays {swap.platform_fee_bps} bps to a platform and {swap.positive_slippage_bps} bps of a gain",
        )
    if swap.platform_fee_account is not None:
        yield Refusal(Objection.FOREIGN_ACCOUNT, f"names {swap.platform_fee_account} to collect fees")


def _open(step: OpenAccount, terms: Terms) -> Iterator[Refusal]:
    for role, who in (("for", step.owner), ("paid by", step.payer)):
        if who != terms.wallet:
            yield Refusal(Objection.FOREIGN_ACCOUNT, f"opens a token account {role} {who}, not the wallet")
    if step.token_program != TOKEN_PROGRAM:
        yield Refusal(Objection.FOREIGN_PROGRAM, f"opens a token account of {step.token_program}")
    if step.account != terms.token_account(step.mint):
        yield Refusal(Objection.FOREIGN_ACCOUNT, f"opens {step.account}, which is not the wallet's")


def _close(step: CloseAccount, terms: Terms) -> Iterator[Refusal]:
    if step.account != terms.token_account(WRAPPED_SOL_MINT):
        yield Refusal(Objection.FOREIGN_ACCOUNT, f"closes {step.account}, not the wallet's wrapped SOL")
    if step.destination != terms.wallet:
        yield Refusal(Objection.WRONG_DESTINATION, f"unwraps to {step.destination}, not to the wallet")
    if step.authority != terms.wallet:
        yield Refusal(Objection.FOREIGN_SIGNER, f"{step.authority} would close the account, not the wallet")


def _wrapped(payload: Payload, terms: Terms) -> Iterator[Refusal]:
    """Plain transfers: only to wrap what is sold, and no more than that in total."""
    total = 0
    for step in payload.steps:
        if not isinstance(step, Transfer):
            continue
        total += step.lamports
        if not terms.sells_sol:
            yield Refusal(Objection.UNEXPECTED_INSTRUCTION, f"transfers {step.lamports} lamports, but sells no SOL")
        if step.source != terms.wallet:
            yield Refusal(Objection.FOREIGN_SIGNER, f"{step.source} would pay the transfer, not the wallet")
        if step.destination != terms.token_account(WRAPPED_SOL_MINT):
            yield Refusal(
                Objection.WRONG_DESTINATION,
                f"transfers lamports to {step.destination}, not to the wallet's wrapped SOL",
            )
    if terms.sells_sol and total > terms.sell_base:
        yield Refusal(Objection.AMOUNT_TOO_LARGE, f"wraps {total} lamports, sold are {terms.sell_base}")


def _unwrapped(payload: Payload, terms: Terms) -> Iterator[Refusal]:
    """SOL that is bought has to arrive as SOL: left wrapped, it would be booked as a deposit."""
    kinds = [type(step) for step in payload.steps]
    if terms.buys_sol and Swap in kinds and CloseAccount not in kinds[kinds.index(Swap) :]:
        yield Refusal(Objection.UNEXPECTED_INSTRUCTION, "leaves the bought SOL wrapped: nothing closes its account")


def _differences(effect: Effect, terms: Terms, fee: int) -> Iterator[Refusal]:
    for what in effect.taken:
        yield Refusal(Objection.BALANCES_DIFFER, f"the simulation gives away control: {what}")
    lamports = (terms.minimum_base if terms.buys_sol else 0) - (terms.sell_base if terms.sells_sol else 0) - fee
    if effect.lamports < lamports:
        yield Refusal(
            Objection.BALANCES_DIFFER,
            f"the simulation changes SOL by {effect.lamports} lamports, allowed is {lamports}",
        )
    least = dict.fromkeys(effect.tokens, 0)
    if not terms.sells_sol:
        least[terms.sell_mint] = -terms.sell_base
    if not terms.buys_sol:
        least[terms.buy_mint] = terms.minimum_base
    for mint, allowed in least.items():
        if mint not in (terms.sell_mint, terms.buy_mint) and effect.tokens[mint]:
            yield Refusal(
                Objection.BALANCES_DIFFER,
                f"the simulation changes {mint} by {effect.tokens[mint]} base units, which no swap of this rule should",
            )
            continue
        if (change := effect.tokens.get(mint, 0)) < allowed:
            yield Refusal(
                Objection.BALANCES_DIFFER,
                f"the simulation changes {mint} by {change} base units, allowed is {allowed}",
            )
    if effect.deposits > MAX_OPENED_ACCOUNTS * TOKEN_ACCOUNT_RENT_LAMPORTS:
        yield Refusal(Objection.FEE_TOO_HIGH, f"{effect.deposits} lamports would be bound in token accounts")
