"""What the stand-in asks the Solana node: reserves, balances, blockhashes; and what it sends there."""

import base64
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import associated_token_account, jupiter_program_authority
from infra.chains.solana.answers import AccountState, InContext, LatestBlockhash, SignatureStatus
from infra.chains.solana.message import table_addresses
from infra.chains.solana.rpc import SolanaNode

POOL_ID: Final = 0  # the one pool of the embedded chain
_AMOUNT: Final = slice(64, 72)  # of a token account's data

_ACCOUNTS = TypeAdapter(InContext[list[AccountState | None]])
_BLOCKHASH = TypeAdapter(InContext[LatestBlockhash])
_STATUSES = TypeAdapter(InContext[list[SignatureStatus | None]])
_TEXT = TypeAdapter(str)


@dataclass(frozen=True, slots=True)
class Reserves:
    """What the pool holds of both mints, in base units, and the slot in which it did."""

    sold: int
    bought: int
    slot: int


class Chain:
    """One node, seen through the calls that Jupiter's backend would make."""

    def __init__(self, node: SolanaNode) -> None:
        self._node = node

    async def reserves(self, sell: Pubkey, buy: Pubkey) -> Reserves | None:
        """Nothing, if the pool does not trade the pair."""
        authority = jupiter_program_authority(POOL_ID)
        vaults = [associated_token_account(authority, mint) for mint in (sell, buy)]
        slot, (sold, bought) = await self._amounts(vaults)
        if sold is None or bought is None or sell == buy:
            return None
        return Reserves(sold, bought, slot)

    async def held(self, owner: Pubkey, mint: Pubkey) -> int:
        """Base units in an owner's associated token account."""
        _, (amount,) = await self._amounts([associated_token_account(owner, mint)])
        return amount or 0

    async def lamports(self, owner: Pubkey) -> int:
        _, (state,) = await self._accounts([owner])
        return state.lamports if state else 0

    async def tables(self, keys: tuple[Pubkey, ...]) -> dict[Pubkey, tuple[Pubkey, ...]]:
        """What the lookup tables hold; those that are none are left out."""
        if not keys:
            return {}
        _, states = await self._accounts(list(keys))
        held = zip(keys, states, strict=True)
        return {key: table_addresses(state.owner, state.data) for key, state in held if state}

    async def blockhash(self) -> LatestBlockhash:
        params: list[Any] = [{"commitment": "confirmed"}]
        return (await self._node.call("getLatestBlockhash", params, _BLOCKHASH)).value

    async def send(self, raw: bytes) -> str:
        """Errors: CHAIN_UNAVAILABLE; RpcRefusal."""
        options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
        return await self._node.call("sendTransaction", [base64.b64encode(raw).decode(), options], _TEXT)

    async def status(self, signature: str) -> SignatureStatus | None:
        params: list[Any] = [[signature], {"searchTransactionHistory": True}]
        return (await self._node.call("getSignatureStatuses", params, _STATUSES)).value[0]

    async def _amounts(self, keys: list[Pubkey]) -> tuple[int, list[int | None]]:
        slot, states = await self._accounts(keys)
        return slot, [int.from_bytes(state.data[_AMOUNT], "little") if state else None for state in states]

    async def _accounts(self, keys: list[Pubkey]) -> tuple[int, list[AccountState | None]]:
        options = {"encoding": "base64", "commitment": "confirmed"}
        params: list[Any] = [[str(key) for key in keys], options]
        answer = await self._node.call("getMultipleAccounts", params, _ACCOUNTS)
        return answer.context.slot, answer.value
