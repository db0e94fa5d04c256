"""Nonce accounts as the chain holds them. Source: solana-nonce `state.rs`: version, state, authority, value, fee."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter
from solders.hash import Hash
from solders.pubkey import Pubkey

from domain.errors import ChainUnavailable
from infra.chains.solana.addresses import SYSTEM_PROGRAM
from infra.chains.solana.answers import AccountState, InContext
from infra.chains.solana.rpc import SolanaNode

_SIZE: Final = 80
_CURRENT: Final = 1  # u32 version: values of the older one are blockhashes, which the network no longer takes
_INITIALISED: Final = 1  # u32 state
_PAGE: Final = 100  # Source: MAX_MULTIPLE_ACCOUNTS of the validator
_ACCOUNTS = TypeAdapter(InContext[list[AccountState | None]])


@dataclass(frozen=True, slots=True)
class Nonce:
    """What a nonce account held at a finalized slot; `authority` and `value` are None where there is none."""

    slot: int
    authority: str | None
    value: str | None


async def nonces_at(node: SolanaNode, addresses: Sequence[str]) -> dict[str, Nonce]:
    """The finalized state of each account. Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal."""
    found: dict[str, Nonce] = {}
    for start in range(0, len(addresses), _PAGE):
        page = list(addresses[start : start + _PAGE])
        params: list[Any] = [page, {"encoding": "base64", "commitment": "finalized"}]
        answer = await node.call("getMultipleAccounts", params, _ACCOUNTS)
        if len(answer.value) != len(page):
            raise ChainUnavailable(f"{node.host} told {len(answer.value)} of {len(page)} accounts")
        for address, state in zip(page, answer.value, strict=True):
            found[address] = Nonce(answer.context.slot, *_held(state))
    return found


def _held(state: AccountState | None) -> tuple[str, str] | tuple[None, None]:
    if state is None or state.owner != str(SYSTEM_PROGRAM) or len(state.data) != _SIZE:
        return None, None
    version, initialised = (int.from_bytes(state.data[at : at + 4], "little") for at in (0, 4))
    if (version, initialised) != (_CURRENT, _INITIALISED):
        return None, None
    return str(Pubkey(state.data[8:40])), str(Hash(state.data[40:72]))
