"""Solana addresses the project knows by heart, and those derived from them. Pure: no I/O.

Source: spl.solana.com for the token programs, Circle for the USDC mint, Jupiter's published IDL for the rest.
"""

from typing import Final

from solders.pubkey import Pubkey

SYSTEM_PROGRAM: Final = Pubkey.from_string("11111111111111111111111111111111")
TOKEN_PROGRAM: Final = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM: Final = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED_TOKEN_PROGRAM: Final = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM: Final = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
COMPUTE_BUDGET_PROGRAM: Final = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
RECENT_BLOCKHASHES: Final = Pubkey.from_string("SysvarRecentB1ockHashes11111111111111111111")
LOOKUP_TABLE_PROGRAM: Final = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
JUPITER_PROGRAM: Final = Pubkey.from_string("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4")

USDC_MINT: Final = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
USDC_DECIMALS: Final = 6
WSOL_MINT: Final = Pubkey.from_string("So11111111111111111111111111111111111111112")
WSOL_DECIMALS: Final = 9

MAINNET_GENESIS_HASH: Final = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"

LAST_POOL_ID: Final = 255  # the id is one byte of the instruction


def associated_token_account(owner: Pubkey, mint: Pubkey, token_program: Pubkey = TOKEN_PROGRAM) -> Pubkey:
    """The one token account of an owner and a mint that every wallet finds without asking."""
    seeds = [bytes(owner), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM)[0]


def jupiter_program_authority(pool_id: int) -> Pubkey:
    """The owner of Jupiter's shared token accounts number `pool_id` (0 to 255)."""
    if not 0 <= pool_id <= LAST_POOL_ID:
        raise ValueError(f"a program authority's id is one byte, not {pool_id}")
    return Pubkey.find_program_address([b"authority", bytes([pool_id])], JUPITER_PROGRAM)[0]


def jupiter_event_authority() -> Pubkey:
    """The account Jupiter names in every swap to log its events."""
    return Pubkey.find_program_address([b"__event_authority"], JUPITER_PROGRAM)[0]
