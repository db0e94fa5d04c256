"""Money: whole base units of one asset. Nothing here rounds unless its name says which way."""

import re
from dataclasses import dataclass
from decimal import Decimal

from domain.errors import InvalidInput

# A uint256, the widest balance that any venue keeps, has 78 digits.
MAX_BASE_UNITS = 2**256 - 1

_DECIMAL_STRING = re.compile(r"[0-9]{1,60}(?:\.[0-9]{1,40})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset on one chain. `id` is CAIP-19; `decimals` places the point of a whole unit."""

    id: str
    symbol: str
    decimals: int

    def __post_init__(self) -> None:
        if not 0 <= self.decimals <= 36:
            raise InvalidInput(f"{self.symbol}: {self.decimals} decimals is not an asset's precision")


@dataclass(frozen=True, slots=True, order=False)
class Amount:
    """`base` units of `asset`. May be negative: a difference of balances is an amount too."""

    base: int
    asset: Asset

    def __post_init__(self) -> None:
        if isinstance(self.base, bool) or not isinstance(self.base, int):
            raise InvalidInput(f"an amount is a whole number of base units, not {self.base!r}")
        if abs(self.base) > MAX_BASE_UNITS:
            raise InvalidInput("an amount has to fit 256 bits")

    @classmethod
    def parse(cls, text: str, asset: Asset) -> "Amount":
        """Read whole units from an ASCII decimal string such as "50.25"; exact or refused.

        Errors: INVALID_INPUT (final), for signs, exponents, other digits and too many decimals.
        """
        if not isinstance(text, str) or not _DECIMAL_STRING.fullmatch(text):
            raise InvalidInput(f"{text!r} is not an amount: write digits with an optional point, as in 50.25")
        whole, _, fraction = text.partition(".")
        if len(fraction.rstrip("0")) > asset.decimals:
            raise InvalidInput(f"{text} has more decimals than {asset.symbol} holds ({asset.decimals})")
        return cls(int(whole + fraction[: asset.decimals].ljust(asset.decimals, "0")), asset)

    def __add__(self, other: "Amount") -> "Amount":
        self._same_asset(other)
        return Amount(self.base + other.base, self.asset)

    def __sub__(self, other: "Amount") -> "Amount":
        self._same_asset(other)
        return Amount(self.base - other.base, self.asset)

    def __le__(self, other: "Amount") -> bool:
        self._same_asset(other)
        return self.base <= other.base

    def __lt__(self, other: "Amount") -> bool:
        self._same_asset(other)
        return self.base < other.base

    def _same_asset(self, other: "Amount") -> None:
        if self.asset.id != other.asset.id:
            raise InvalidInput(f"{self.asset.symbol} and {other.asset.symbol} do not add up")

    @property
    def whole(self) -> Decimal:
        """The exact value in whole units, for printing and for comparison with prices."""
        return Decimal(str(self))  # arithmetic would round to the context's 28 digits

    def __str__(self) -> str:
        """Whole units with no trailing zeros, never in exponent form: `50.25`."""
        sign, digits = ("-", str(-self.base)) if self.base < 0 else ("", str(self.base))
        if not self.asset.decimals:
            return sign + digits
        digits = digits.rjust(self.asset.decimals + 1, "0")
        whole, fraction = digits[: -self.asset.decimals], digits[-self.asset.decimals :].rstrip("0")
        return f"{sign}{whole}.{fraction}" if fraction else sign + whole

    def spoken(self) -> str:
        return f"{self} {self.asset.symbol}"
