"""Every drill there is. A new file of drills is a line here."""

from infra.devnet.chaos.drill import DRILLS, Drill
from infra.devnet.chaos.drills import (
    evm_fees,
    evm_lies,
    evm_reorgs,
    evm_sending,
    evm_tokens,
    processes,
    solana,
    solana_nonce,
)

__all__ = ["all_drills"]

_FILES = (processes, evm_sending, evm_reorgs, evm_fees, evm_lies, evm_tokens, solana, solana_nonce)


def all_drills() -> tuple[Drill, ...]:
    """In the order of their faults."""
    assert all(_FILES)  # noqa: S101 - importing them registered their drills
    return tuple(sorted(DRILLS, key=lambda one: one.fault))
