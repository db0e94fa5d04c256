"""From when on a block of a chain is believed to stay for ever."""

from collections.abc import Mapping
from typing import Final

# Blocks that must stand on top of one, beside its being `finalized`; none where that tag says it all.
# Sources: ethereum, the proof-of-stake specification (undone only by a third of all stake being lost); base and
# arbitrum, their nodes' documentation: `finalized` is what Ethereum has finalized of them; anvil with
# `--slots-in-an-epoch 1`: two blocks. Polygon's milestones (PIP-11) are votes of its own validators, and have
# stood still for want of a patch; two minutes of its blocks bridge what such an incident took back.
_DEPTH_BLOCKS: Final[Mapping[int, int]] = {1: 0, 8453: 0, 42161: 0, 137: 64, 31337: 0}

# A chain that nobody has thought about gets what exchanges ask of the least settled ones.
_UNKNOWN_DEPTH_BLOCKS: Final = 64


def final_height(chain_number: int, finalized: int, latest: int) -> int:
    """The highest block that is final, given the heights that a node tells for the two tags."""
    return min(finalized, latest - _DEPTH_BLOCKS.get(chain_number, _UNKNOWN_DEPTH_BLOCKS))
