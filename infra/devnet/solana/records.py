"""The `meta` object of a landed transaction: balances before and after, fee, logs."""

from collections.abc import Callable, Mapping
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import TOKEN_PROGRAM
from infra.devnet.solana.envelope import Keys
from infra.devnet.solana.machine import Outcome
from infra.devnet.solana.tokens import read_decimals, read_token_account

Accounts = Mapping[Pubkey, Account | None]


def meta_of(
    keys: Keys,
    before: Accounts,
    after: Accounts,
    outcome: Outcome,
    read: Callable[[Pubkey], Account | None],
) -> dict[str, Any]:
    """Write down what a transaction did. `read` finds the mints, for their decimals."""
    meta: dict[str, Any] = {
        "err": outcome.error,
        "status": {"Ok": None} if outcome.error is None else {"Err": outcome.error},
        "fee": outcome.fee_lamports,
        "preBalances": _lamports(keys, before),
        "postBalances": _lamports(keys, after),
        "preTokenBalances": _tokens(keys, before, read),
        "postTokenBalances": _tokens(keys, after, read),
        "innerInstructions": outcome.inner,
        "logMessages": outcome.logs,
        "computeUnitsConsumed": outcome.units,
        "rewards": [],
        "loadedAddresses": {
            "writable": [str(key) for key in keys.loaded_writable],
            "readonly": [str(key) for key in keys.loaded_readonly],
        },
    }
    if outcome.return_data is not None:
        meta["returnData"] = outcome.return_data
    return meta


def token_amount(amount: int, decimals: int) -> dict[str, Any]:
    """Base units and the decimal string. `uiAmount`, a float and deprecated, stays null."""
    whole, part = divmod(amount, 10**decimals)
    text = f"{whole}.{part:0{decimals}d}".rstrip("0").rstrip(".") if decimals else str(whole)
    return {"amount": str(amount), "decimals": decimals, "uiAmount": None, "uiAmountString": text}


def _lamports(keys: Keys, accounts: Accounts) -> list[int]:
    held = (accounts[key] for key in keys.all)
    return [account.lamports if account else 0 for account in held]


def _tokens(keys: Keys, accounts: Accounts, read: Callable[[Pubkey], Account | None]) -> list[dict[str, Any]]:
    balances = []
    for index, key in enumerate(keys.all):
        token = read_token_account(accounts[key])
        decimals = read_decimals(read(token.mint)) if token else None
        if token is None or decimals is None:
            continue
        balances.append(
            {
                "accountIndex": index,
                "mint": str(token.mint),
                "owner": str(token.owner),
                "programId": str(TOKEN_PROGRAM),
                "uiTokenAmount": token_amount(token.amount, decimals),
            }
        )
    return balances
