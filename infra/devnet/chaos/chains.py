"""What the chains themselves say: their own records, read past the product and past every proxy."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from domain import assets
from infra.devnet.evm.addresses import DEPLOYER, USDC, V2_ROUTER, V3_ROUTER
from infra.devnet.evm.rpc import EvmRpc
from infra.devnet.evm.transactions import call_data, read, transact

BLOCKS_AT_ONCE = 20
LONGEST_LAG = 300  # slots; what the stand-in's door takes
SLOW_SLOT_MS = 400  # Solana's own pace
BLOCK_S = 1  # anvil can be told whole seconds only: a chain that began faster has this pace once it was held
LAMPORTS = 2_000_000_000
WEI = 2 * 10**18
USDC_BASE = 500_000_000


@dataclass(frozen=True, slots=True)
class Landed:
    """A final transaction that a wallet signed. `swapped`: it did what a swap does, and did not fail."""

    ref: str
    swapped: bool


class ChainRecords(Protocol):
    """`sells` and `buys` are the symbols of the drills' usual swap, `legs` how many it takes."""

    venue: str
    family: str
    chain: str
    sells: str
    buys: str
    legs: int

    async def fund(self, address: str) -> None:
        """Give a wallet both assets, and wait until that is final."""

    async def balances(self, address: str) -> dict[str, int]:
        """Final base units by CAIP-19 id."""

    async def landed(self, address: str) -> list[Landed]:
        """What is final and signed by this address."""

    def finality_held(self) -> AbstractAsyncContextManager[None]:
        """Within the block nothing new becomes final: for two minutes on Solana; on EVM no block is made by itself."""

    async def produce(self) -> None:
        """One block more."""


def records_at(venue: str, url: str, http: httpx.AsyncClient) -> ChainRecords:
    return SolanaRecords(url, http) if venue == "solana" else EvmRecords(url)


class SolanaRecords:
    venue, family, chain, sells, buys, legs = "solana", "solana", "solana", "USDC", "SOL", 1

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url, self._http = url, http

    async def fund(self, address: str) -> None:
        await self.door("airdrop", {"address": address, "lamports": str(LAMPORTS)})
        await self.door("tokens", {"owner": address, "mint": assets.USDC_MINT, "amount": str(USDC_BASE)})
        wanted = {assets.SOL.id: LAMPORTS, assets.SOLANA_USDC.id: USDC_BASE}
        while await self.balances(address) != wanted:  # noqa: ASYNC110 - another process, which sets no event
            await asyncio.sleep(0.05)

    async def balances(self, address: str) -> dict[str, int]:
        final = {"commitment": "finalized"}
        lamports = await self.call("getBalance", address, final)
        accounts = await self.call(
            "getTokenAccountsByOwner", address, {"mint": assets.USDC_MINT}, {"encoding": "jsonParsed", **final}
        )
        held = [one["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"] for one in accounts["value"]]
        return {assets.SOL.id: int(lamports["value"]), assets.SOLANA_USDC.id: sum(map(int, held))}

    async def landed(self, address: str) -> list[Landed]:
        options = {"encoding": "json", "commitment": "finalized", "maxSupportedTransactionVersion": 0}
        found = []
        for entry in await self.call("getSignaturesForAddress", address, {"commitment": "finalized"}):
            final = await self.call("getTransaction", entry["signature"], options)
            if final["transaction"]["message"]["accountKeys"][0] == address:
                found.append(Landed(entry["signature"], final["meta"]["err"] is None and _moved(final, address)))
        return found

    @asynccontextmanager
    async def finality_held(self) -> AsyncIterator[None]:
        usual = await self.door("clock", {})
        await self.door("clock", {"finalized_lag": LONGEST_LAG, "slot_ms": SLOW_SLOT_MS})
        try:
            yield
        finally:
            await self.door("clock", usual)

    async def produce(self) -> None:
        await self.door("advance", {"slots": 1})

    async def door(self, name: str, body: dict[str, Any]) -> Any:
        answer = (await self._http.put(f"{self.url}/_control/{name}", json=body)).raise_for_status()
        return answer.json()

    async def call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return (await self._http.post(self.url, json=body)).raise_for_status().json()["result"]


class EvmRecords:
    venue, family, chain, sells, buys, legs = "evm", "evm", "anvil", "USDC", "ETH", 2

    def __init__(self, url: str) -> None:
        self.url = url

    async def fund(self, address: str) -> None:
        async with EvmRpc(self.url) as rpc:
            await rpc.call("anvil_setBalance", address, hex(WEI))
            await rpc.call("anvil_impersonateAccount", DEPLOYER)
            await rpc.call("anvil_setBalance", DEPLOYER, hex(WEI))
            await transact(rpc, DEPLOYER, {"to": USDC, "data": call_data("mint(address,uint256)", address, USDC_BASE)})
        known = assets.BY_CHAIN[self.chain]
        wanted = {known["ETH"].id: WEI, known["USDC"].id: USDC_BASE}
        while await self.balances(address) != wanted:  # noqa: ASYNC110 - another process, which sets no event
            await asyncio.sleep(0.05)

    async def balances(self, address: str) -> dict[str, int]:
        known = assets.BY_CHAIN[self.chain]
        async with EvmRpc(self.url) as rpc:
            wei = int(await rpc.call("eth_getBalance", address, "finalized"), 16)
            (held,) = await read(rpc, USDC, "balanceOf(address)", address, returns="(uint256)", block="finalized")
        return {known["ETH"].id: wei, known["USDC"].id: int(held)}

    async def landed(self, address: str) -> list[Landed]:
        """All blocks up to the last final one are read; a chain of drills is short."""
        found = []
        async with EvmRpc(self.url) as rpc:
            final = int((await rpc.call("eth_getBlockByNumber", "finalized", False))["number"], 16)
            numbers = range(final + 1)
            for start in range(0, len(numbers), BLOCKS_AT_ONCE):
                blocks = await asyncio.gather(
                    *(rpc.call("eth_getBlockByNumber", hex(no), True) for no in numbers[start : start + BLOCKS_AT_ONCE])
                )
                ours = [tx for block in blocks for tx in block["transactions"] if _same(tx["from"], address)]
                for transaction in ours:
                    receipt = await rpc.call("eth_getTransactionReceipt", transaction["hash"])
                    to_router = any(_same(transaction["to"], router) for router in (V2_ROUTER, V3_ROUTER))
                    found.append(Landed(transaction["hash"], to_router and receipt["status"] == "0x1"))
        return found

    @asynccontextmanager
    async def finality_held(self) -> AsyncIterator[None]:
        async with EvmRpc(self.url) as rpc:
            await rpc.call("evm_setIntervalMining", 0)
            try:
                yield
            finally:
                await rpc.call("evm_setIntervalMining", BLOCK_S)

    async def produce(self) -> None:
        async with EvmRpc(self.url) as rpc:
            await rpc.call("evm_mine")


def payload_sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _moved(final: dict[str, Any], owner: str) -> bool:
    def held(balances: Sequence[dict[str, Any]]) -> dict[str, str]:
        return {one["mint"]: one["uiTokenAmount"]["amount"] for one in balances if one["owner"] == owner}

    return held(final["meta"]["preTokenBalances"]) != held(final["meta"]["postTokenBalances"])


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.lower() == other.lower()
