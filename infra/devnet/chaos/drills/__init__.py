"""Every drill there is. A new file of drills is a line here."""

from infra.devnet.chaos.drill import DRILLS, Drill
from infra.devnet.chaos.drills import (
    bad_input,
    code,
    database,
    endurance,
    engine,
    evm_fees,
    evm_lies,
    evm_reorgs,
    evm_sending,
    evm_tokens,
    forged,
    keys,
    load,
    processes,
    solana,
    solana_nonce,
    switches,
    takeover,
    triggers,
    waiting,
)

__all__ = ["all_drills"]

_FILES = (
    bad_input,
    code,
    database,
    endurance,
    engine,
    evm_fees,
    evm_lies,
    evm_reorgs,
    evm_sending,
    evm_tokens,
    forged,
    keys,
    load,
    processes,
    solana,
    solana_nonce,
    switches,
    takeover,
    triggers,
    waiting,
)


def all_drills() -> tuple[Drill, ...]:
    """In the order of their faults."""
    assert all(_FILES)  # noqa: S101 - importing them registered their drills
    return tuple(sorted(DRILLS, key=lambda one: one.fault))
