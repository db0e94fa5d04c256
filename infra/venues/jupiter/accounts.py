"""Reads accounts and lookup tables of the chain. What they hold is asked of nobody else."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from solders.pubkey import Pubkey

from domain.errors import ChainUnavailable
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.answers import AccountState, InContext
from infra.chains.solana.message import Tables, UnreadableMessage, table_addresses
from infra.chains.solana.rpc import SolanaNode

# What forks have not dropped in practice, and is seconds old where finalized is a quarter of a minute.
CONFIRMED: Final = {"commitment": "confirmed"}

_MAX_ACCOUNTS: Final = 100  # Source: MAX_MULTIPLE_ACCOUNTS of the validator
_INVALID_PARAMS: Final = -32602
_ACCOUNTS = TypeAdapter(InContext[list[AccountState | None]])


async def accounts_of(node: SolanaNode, addresses: Sequence[str], commitment: str) -> list[AccountState | None]:
    """Their states, in order, all of one slot. Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal."""
    if len(addresses) > _MAX_ACCOUNTS:
        raise RpcRefusal(_INVALID_PARAMS, f"{len(addresses)} accounts are more than one call tells", None)
    if not addresses:
        return []
    params: list[Any] = [list(addresses), {"encoding": "base64", "commitment": commitment}]
    answer = await node.call("getMultipleAccounts", params, _ACCOUNTS)
    if len(answer.value) != len(addresses):
        raise ChainUnavailable(f"{node.host} told {len(answer.value)} of {len(addresses)} accounts")
    return answer.value


async def tables_of(node: SolanaNode, named: Sequence[Pubkey]) -> Tables:
    """What the named tables hold. Errors: UnreadableMessage; CHAIN_UNAVAILABLE (retried); RpcRefusal."""
    tables = await usable_tables(node, named)
    if missing := set(named) - set(tables):
        raise UnreadableMessage(f"no lookup table in use is at {', '.join(sorted(map(str, missing)))}")
    return tables


async def usable_tables(node: SolanaNode, named: Sequence[Pubkey]) -> Tables:
    """As `tables_of`, without those that are none: a message can be built without a table."""
    states = await accounts_of(node, [str(key) for key in named], "confirmed")
    tables = {}
    for key, state in zip(named, states, strict=True):
        if state is None:
            continue
        try:
            tables[key] = table_addresses(state.owner, state.data)
        except UnreadableMessage:
            continue
    return tables
