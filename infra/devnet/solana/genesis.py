"""What the chain holds on its first day: two mints, one pool, a faucet."""

import hashlib
from typing import Final

from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import (
    SYSTEM_PROGRAM,
    USDC_DECIMALS,
    USDC_MINT,
    WSOL_DECIMALS,
    WSOL_MINT,
    associated_token_account,
    jupiter_program_authority,
)
from infra.devnet.solana.chain import Chain
from infra.devnet.solana.tokens import mint_account, read_decimals, read_supply, token_account

POOL_ID: Final = 0
POOL_USDC: Final = 2_000_000 * 10**USDC_DECIMALS
POOL_SOL: Final = 10_000 * 10**WSOL_DECIMALS  # 200 USDC a SOL
FAUCET_LAMPORTS: Final = 500_000_000 * 10**9  # about mainnet's whole supply


def faucet() -> Keypair:
    """The key that pays airdrops. Public on purpose: what it holds is worth nothing."""
    return Keypair.from_seed(hashlib.sha256(b"tripwire embedded faucet").digest())


def found(chain: Chain) -> None:
    """Fill a chain that is new; leave one that has been here before as it is."""
    if chain.machine.account(USDC_MINT) is not None and chain.ledger.mark("founded"):
        return
    chain.rewrite(
        {
            USDC_MINT: mint_account(POOL_USDC, USDC_DECIMALS),
            WSOL_MINT: mint_account(0, WSOL_DECIMALS),
            faucet().pubkey(): Account(FAUCET_LAMPORTS, b"", SYSTEM_PROGRAM),
            **_pool(POOL_USDC, POOL_SOL),
        }
    )
    chain.ledger.put_mark("founded", 1)


def fill_pool(chain: Chain, usdc: int, sol: int) -> None:
    """Set the pool's reserves, in base units; with them, its price."""
    chain.rewrite(_pool(usdc, sol))


def issue(chain: Chain, mint: Pubkey, amount: int) -> None:
    """Count newly made tokens into the supply. Errors: ValueError if there is no such mint."""
    account = chain.machine.account(mint)
    decimals = read_decimals(account)
    if account is None or decimals is None:
        raise ValueError(f"no mint at {mint}")
    if mint != WSOL_MINT:  # wrapped SOL counts no supply
        supply = read_supply(account) + amount
        data = account.data[:36] + supply.to_bytes(8, "little") + account.data[44:]
        chain.rewrite({mint: Account(account.lamports, data, account.owner)})


def _pool(usdc: int, sol: int) -> dict[Pubkey, Account]:
    authority = jupiter_program_authority(POOL_ID)
    return {
        associated_token_account(authority, USDC_MINT): token_account(USDC_MINT, authority, usdc),
        associated_token_account(authority, WSOL_MINT): token_account(WSOL_MINT, authority, sol),
    }
