"""How the stand-in behaves: honestly, unless it was told otherwise for the next calls."""

from dataclasses import dataclass
from typing import Final

from infra.devnet.jupiter.instructions import FormName
from infra.devnet.jupiter.lies import LieName

# The median of a quiet hour on mainnet, as Jupiter's "medium" tells it.
_PRICE_MICRO_LAMPORTS: Final = 50_000


@dataclass(slots=True)
class Script:
    """Changed through `/_control`."""

    form: FormName = "route_v2"
    price_micro_lamports: int = _PRICE_MICRO_LAMPORTS
    lie: LieName = "none"
    lies_left: int | None = None  # None: until told otherwise
    tables: tuple[str, ...] = ()  # lookup tables that answers name

    def next_lie(self) -> LieName:
        """The lie of this call, if any is left."""
        if self.lies_left is not None:
            if self.lies_left == 0:
                return "none"
            self.lies_left -= 1
        return self.lie
