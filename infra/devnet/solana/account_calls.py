"""Calls that read accounts, as they were at the asked commitment."""

from typing import Any, Final

from solders.account import Account
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import TOKEN_PROGRAM
from infra.devnet.solana.account_forms import account_json
from infra.devnet.solana.chain import Chain
from infra.devnet.solana.errors import invalid
from infra.devnet.solana.params import Params, as_address, in_context, view_of
from infra.devnet.solana.records import token_amount
from infra.devnet.solana.tokens import read_decimals, read_supply, read_token_account

_MAX_ADDRESSES: Final = 100  # of one getMultipleAccounts. Source: solana RPC docs


def get_balance(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(1))
    account = chain.account_at(params.address(0), block.slot)
    return in_context(block, account.lamports if account else 0)


def get_account_info(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(1))
    account = chain.account_at(params.address(0), block.slot)
    return in_context(block, _form(chain, account, params.settings(1), block.slot))


def get_multiple_accounts(chain: Chain, params: Params) -> dict[str, Any]:
    settings = params.settings(1)
    block = view_of(chain, settings)
    found = [chain.account_at(as_address(text), block.slot) for text in params.texts(0, most=_MAX_ADDRESSES)]
    return in_context(block, [_form(chain, account, settings, block.slot) for account in found])


def get_token_account_balance(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(1))
    token = read_token_account(chain.account_at(params.address(0), block.slot))
    if token is None:
        raise invalid("Invalid param: could not find account")
    return in_context(block, token_amount(token.amount, _decimals(chain, token.mint, block.slot)))


def get_token_supply(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(1))
    account = chain.account_at(params.address(0), block.slot)
    decimals = read_decimals(account)
    if account is None or decimals is None:
        raise invalid("Invalid param: not a Token mint")
    return in_context(block, token_amount(read_supply(account), decimals))


def get_token_accounts_by_owner(chain: Chain, params: Params) -> dict[str, Any]:
    owner, wanted, settings = params.address(0), params.settings(1), params.settings(2)
    block = view_of(chain, settings)
    mint = as_address(wanted["mint"]) if "mint" in wanted else None
    program = as_address(wanted["programId"]) if "programId" in wanted else TOKEN_PROGRAM
    if (mint is None) == ("programId" not in wanted):
        raise invalid("Invalid params: name either a mint or a programId")
    if mint is not None and read_decimals(chain.account_at(mint, block.slot)) is None:
        raise invalid("Invalid param: could not find mint")
    value = []
    for address in chain.token_accounts_of(owner) if program == TOKEN_PROGRAM else []:
        account = chain.account_at(address, block.slot)
        token = read_token_account(account)
        if token is not None and token.owner == owner and mint in (None, token.mint):
            form = _form(chain, account, settings, block.slot)
            value.append({"pubkey": str(address), "account": form})
    return in_context(block, value)


def get_minimum_balance_for_rent_exemption(chain: Chain, params: Params) -> int:
    return chain.machine.rent_exemption_lamports(params.number(0))


def _form(chain: Chain, account: Account | None, settings: dict[str, Any], slot: int) -> dict[str, Any] | None:
    if account is None:
        return None
    return account_json(account, settings, lambda address: chain.account_at(address, slot))


def _decimals(chain: Chain, mint: Pubkey, slot: int) -> int:
    decimals = read_decimals(chain.account_at(mint, slot))
    if decimals is None:
        raise invalid("Invalid param: could not find mint")
    return decimals
