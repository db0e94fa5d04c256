"""A user of the running product: only its API, the stand-ins' doors, and the chain's own records."""

from abc import abstractmethod
from typing import Any

import httpx

from cli.demo_chains import EvmChain, SolanaChain, rpc
from cli.demo_story import Places, Story
from tests.world.conditions import until

MANUAL = {
    "trigger": {
        "kind": "market_probability",
        "venue": "kalshi",
        "market": "FED-25DEC-CUT",
        "when": "at_or_above",
        "threshold": "0.70",
    },
    "limits": {"cooldown_hours": 0, "max_executions": 1},
}


class Trader(Story):
    async def active_rule(self, *, sell: str = "USDC", buy: str = "", amount: str = "5") -> str:
        """The id of a rule that waits to be fired by hand."""
        buying = buy or self.chain.native
        action = {"kind": "swap", "sell": sell, "buy": buying, "amount": amount, "max_slippage_bps": 50}
        rule = await self.post("/rules", {"name": "by hand", "wallet_id": self.wallet_id, "action": action, **MANUAL})
        await self.post(f"/rules/{rule['id']}/activate", {})
        self.rule_id = str(rule["id"])
        return self.rule_id

    async def fire(self, rule_id: str, key: str = "once") -> str:
        """The id of the execution."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key}
        answer = await self.http.post(f"{self.places.api}/rules/{rule_id}/trigger", headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["execution_id"])

    async def ended(self, execution_id: str, seconds: float = 90) -> dict[str, Any]:
        """The execution once it is final."""
        found: dict[str, Any] = {}

        async def over() -> bool:
            found.update(await self.get(f"/executions/{execution_id}"))
            return bool(found["final"])

        await until(over, seconds)
        return found

    @abstractmethod
    async def received(self) -> list[str]:
        """The id of every transaction that the node has, by its own record, oldest first."""

    @abstractmethod
    async def landed(self) -> list[str]:
        """Ids of this wallet's final transactions, the funding left out, oldest first."""


class SolanaTrader(Trader):
    def __init__(self, http: httpx.AsyncClient, places: Places) -> None:
        super().__init__(http, places, SolanaChain(http, places.solana))

    async def received(self) -> list[str]:
        log = (await self.http.get(f"{self.places.solana}/_control/log")).json()
        return [str(entry["signature"]) for entry in log]

    async def landed(self) -> list[str]:
        final = {"commitment": "finalized"}
        found = await rpc(self.http, self.places.solana, "getSignaturesForAddress", self.address, final)
        return [str(entry["signature"]) for entry in reversed(found)]


class EvmTrader(Trader):
    def __init__(self, http: httpx.AsyncClient, places: Places) -> None:
        super().__init__(http, places, EvmChain(http, places.evm))

    async def rpc(self, method: str, *params: Any) -> Any:
        return await rpc(self.http, self.places.evm, method, *params)

    async def received(self) -> list[str]:
        """Of this wallet alone: what is in blocks, then what waits."""
        ours = self.address.lower()
        pool = (await self.rpc("txpool_content"))["pending"]
        waiting = [sent["hash"] for who, by_nonce in pool.items() if who.lower() == ours for sent in by_nonce.values()]
        in_blocks = await self._in_blocks("latest")
        return in_blocks + [str(sent) for sent in waiting if sent not in in_blocks]

    async def landed(self) -> list[str]:
        return await self._in_blocks("finalized")

    async def nonce(self) -> int:
        """How many transactions the chain counts of this wallet, final or not."""
        return int(await self.rpc("eth_getTransactionCount", self.address, "latest"), 16)

    async def _in_blocks(self, until: str) -> list[str]:
        newest = await self.rpc("eth_getBlockByNumber", until, True)
        blocks = [await self.rpc("eth_getBlockByNumber", hex(no), True) for no in range(int(newest["number"], 16) + 1)]
        ours = self.address.lower()
        return [str(sent["hash"]) for block in blocks for sent in block["transactions"] if sent["from"] == ours]
