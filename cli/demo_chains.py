"""Where the demo's wallets live: funding them out of nothing, and reading what they hold from the node itself."""

from typing import Any, ClassVar, Protocol

import httpx

USDC_MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
USDC_CONTRACT = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
# The first four bytes of keccak256 of `mint(address,uint256)` and of `balanceOf(address)`.
MINT, BALANCE_OF = "0x40c10f19", "0x70a08231"
ETHER = 10**18

# Blocks made at once after the funding, so that it is final without waiting: the swap is what is to be watched at
# the chain's own pace.
UNTIL_FINAL = {"solana": 32, "evm": 3}


class DemoFailed(Exception):
    """The demo did not come out as it should; the message says what to look at."""


class DemoChain(Protocol):
    """`family` as the API calls it, `native` what the wallet buys and pays fees in, `funded` base units by asset."""

    family: ClassVar[str]
    native: ClassVar[str]
    funded: ClassVar[dict[str, int]]

    async def fund(self, address: str) -> None:
        """Have `funded` given to the address, and the blocks made that make it final."""

    async def balances(self, address: str) -> dict[str, int]:
        """Final balances, base units by asset."""


class SolanaChain:
    family: ClassVar[str] = "solana"
    native: ClassVar[str] = "SOL"
    funded: ClassVar[dict[str, int]] = {"USDC": 500_000_000, "SOL": 2_000_000_000}

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url

    async def fund(self, address: str) -> None:
        await self._door("airdrop", {"address": address, "lamports": str(self.funded["SOL"])})
        tokens = {"owner": address, "mint": USDC_MINT, "amount": str(self.funded["USDC"])}
        await self._door("tokens", tokens)
        await self._door("advance", {"slots": UNTIL_FINAL["solana"]})

    async def balances(self, address: str) -> dict[str, int]:
        final = {"commitment": "finalized"}
        lamports = await rpc(self._http, self._url, "getBalance", address, final)
        wanted = ({"mint": USDC_MINT}, {"encoding": "jsonParsed", **final})
        accounts = await rpc(self._http, self._url, "getTokenAccountsByOwner", address, *wanted)
        held = sum(int(one["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"]) for one in accounts["value"])
        return {"USDC": held, "SOL": int(lamports["value"])}

    async def _door(self, door: str, body: dict[str, Any]) -> None:
        (await self._http.put(f"{self._url}/_control/{door}", json=body)).raise_for_status()


class EvmChain:
    family: ClassVar[str] = "evm"
    native: ClassVar[str] = "ETH"
    funded: ClassVar[dict[str, int]] = {"USDC": 500_000_000, "ETH": 2 * ETHER}

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self._url = http, url

    async def fund(self, address: str) -> None:
        await self._rpc("anvil_setBalance", address, hex(self.funded["ETH"]))
        mint = MINT + _word(int(address, 16)) + _word(self.funded["USDC"])
        somebody, *_ = await self._rpc("eth_accounts")  # who has ether for the gas; anybody may mint here
        await self._rpc("eth_sendTransaction", {"from": somebody, "to": USDC_CONTRACT, "data": mint})
        await self._rpc("anvil_mine", hex(UNTIL_FINAL["evm"]))

    async def balances(self, address: str) -> dict[str, int]:
        wei = await self._rpc("eth_getBalance", address, "finalized")
        asked = {"to": USDC_CONTRACT, "data": BALANCE_OF + _word(int(address, 16))}
        usdc = await self._rpc("eth_call", asked, "finalized")
        return {"USDC": int(usdc, 16), "ETH": int(wei, 16)}

    async def _rpc(self, method: str, *params: Any) -> Any:
        return await rpc(self._http, self._url, method, *params)


async def rpc(http: httpx.AsyncClient, url: str, method: str, *params: Any) -> Any:
    """The `result` of a JSON-RPC call. Errors: DemoFailed where the node refuses; httpx.HTTPError."""
    call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = (await http.post(url, json=call)).raise_for_status().json()
    if "error" in answer:
        raise DemoFailed(f"{method}: {answer['error']}")
    return answer["result"]


def _word(number: int) -> str:
    """A number as the 32 bytes of an argument, in hex."""
    return f"{number:064x}"
