"""The recorded intent of a leg, and what a payload would really do: the signer compares the two (law 4)."""

from dataclasses import dataclass
from enum import StrEnum

from domain.money import Amount, Asset

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Intent:
    """Sell exactly `sell` for `buy`, into `destination`, the wallet's own address."""

    sell: Amount
    buy: Asset
    max_slippage_bps: int
    destination: str


class LegKind(StrEnum):
    APPROVE = "approve"  # lets a contract take exactly what is to be sold
    SWAP = "swap"


@dataclass(frozen=True, slots=True)
class Leg:
    """One economic action of an execution. Legs run in sequence; the last is what the owner asked for."""

    no: int
    kind: LegKind
    intent: Intent


@dataclass(frozen=True, slots=True)
class Quote:
    """A price for an intent. `minimum` is the least that may arrive for `sell`."""

    sell: Amount
    expected: Amount
    minimum: Amount


# Above every block height and every time of day in seconds or milliseconds, and still exact in JSON.
NEVER = 2**52


@dataclass(frozen=True, slots=True)
class Slot:
    """What makes a payload unique and mortal at its venue.

    `nonce` is the venue's own word for it (a blockhash, an account nonce, a client order id) and
    `valid_until` the last point (block height, unix seconds of block time, milliseconds at an exchange) at
    which it can do what it is meant to. Payloads with one nonce exclude each other: at most one ever lands.
    `valid_until` from `NEVER` on: age alone does not end it, only another payload of its nonce; what is above
    `NEVER` then tells when it was allocated, in the venue's own count (Solana: the slot its nonce was read in).
    `earlier` counts the payloads of the same leg before this one, so that fees can grow with it.
    """

    nonce: str
    valid_until: int
    earlier: int = 0

    @property
    def durable(self) -> bool:
        return self.valid_until >= NEVER


class Objection(StrEnum):
    """Why a payload is not signed."""

    UNREADABLE = "PAYLOAD_UNREADABLE"
    FOREIGN_FEE_PAYER = "FOREIGN_FEE_PAYER"
    FOREIGN_SIGNER = "FOREIGN_SIGNER"
    FOREIGN_PROGRAM = "FOREIGN_PROGRAM"
    FOREIGN_ACCOUNT = "FOREIGN_ACCOUNT"
    OTHER_SLOT = "OTHER_SLOT"
    OTHER_PAYMENT = "OTHER_PAYMENT"
    WRONG_CHAIN = "WRONG_CHAIN"
    UNEXPECTED_INSTRUCTION = "UNEXPECTED_INSTRUCTION"
    WRONG_ASSET = "WRONG_ASSET"
    WRONG_DESTINATION = "WRONG_DESTINATION"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    MINIMUM_TOO_LOW = "MINIMUM_TOO_LOW"
    FEE_TOO_HIGH = "FEE_TOO_HIGH"
    FEE_TOO_LOW = "FEE_TOO_LOW"
    SIMULATION_FAILED = "SIMULATION_FAILED"
    BALANCES_DIFFER = "BALANCES_DIFFER"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to sign, in a sentence that names what was found and what was allowed."""

    objection: Objection
    detail: str


def least_acceptable(expected_base: int, max_slippage_bps: int) -> int:
    """The least base units that a slippage cap allows. Rounds up: the last unit is the wallet's."""
    return -(-expected_base * (BPS - max_slippage_bps) // BPS)
