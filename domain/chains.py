"""The chains that wallets live on, and who serves them. Another chain is a line here and its assets."""

from dataclasses import dataclass

from domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Chain:
    """`number` is the chain's own id in what is signed for it (EIP-155); None where payloads carry none."""

    name: str
    family: str
    venue: str
    number: int | None = None


# Source of the numbers: EIP-155's registry, ethereum-lists/chains.
CHAINS: dict[str, Chain] = {
    chain.name: chain
    for chain in (
        Chain("solana", "solana", "jupiter"),
        Chain("ethereum", "evm", "uniswap", 1),
        Chain("base", "evm", "uniswap", 8453),
        Chain("arbitrum", "evm", "uniswap", 42161),
        Chain("polygon", "evm", "uniswap", 137),
        Chain("anvil", "evm", "uniswap", 31337),
    )
}

# Who keeps the keys of a family's wallets.
CUSTODIANS: dict[str, str] = {"solana": "kms-envelope", "evm": "kms-envelope"}


def chain(name: str) -> Chain:
    """Errors: INVALID_INPUT (final)."""
    if name not in CHAINS:
        raise InvalidInput(f"unknown chain {name!r}: there are {', '.join(CHAINS)}")
    return CHAINS[name]
