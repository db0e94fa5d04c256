"""One owner with one funded wallet on one chain, who uses the product as anybody does: by its REST API."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from infra.devnet.chaos.chains import ChainRecords

PATIENCE_S = 60  # a client goes on asking for so long, with the same key; parts come back within seconds
MARKET = "FED-25DEC-CUT"


class Refused(Exception):
    """The API refused, for good: `code` is its public code."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.code = status, str(problem.get("code"))


@dataclass(slots=True)
class Lane:
    """`fired` are the ids of the executions that this lane's triggers began, each once."""

    http: httpx.AsyncClient
    records: ChainRecords
    api: str
    key: str
    owner_id: str = ""
    wallet_id: str = ""
    address: str = ""
    fired: list[str] = field(default_factory=list)

    @classmethod
    async def opened(cls, http: httpx.AsyncClient, records: ChainRecords, api: str, admin_key: str) -> "Lane":
        """A fresh owner with a wallet that has money."""
        lane = cls(http, records, api, admin_key)
        owner = await lane.post("/owners", {"name": "drill"})
        lane.owner_id = owner["id"]
        made = await lane.post("/api-keys", {"name": "drill", "scopes": ["read", "trade"], "owner_id": owner["id"]})
        lane.key = made["key"]
        wallet = await lane.post("/wallets", {"family": records.family})
        lane.wallet_id, lane.address = wallet["id"], wallet["address"]
        await records.fund(lane.address)
        return lane

    async def rule(
        self,
        amount: str = "5",
        sell: str | None = None,
        buy: str | None = None,
        market: str = MARKET,
        threshold: str = "0.99",
    ) -> str:
        """An active rule that waits to be fired by hand, or by its market reaching the threshold."""
        sell, buy = sell or self.records.sells, buy or self.records.buys
        rule = await self.post(
            "/rules",
            {
                "name": "drill",
                "wallet_id": self.wallet_id,
                "trigger": {
                    "kind": "market_probability",
                    "venue": "kalshi",
                    "market": market,
                    "when": "at_or_above",
                    "threshold": threshold,
                },
                "action": {"kind": "swap", "sell": sell, "buy": buy, "amount": amount, "max_slippage_bps": 50},
                "limits": {"cooldown_hours": 0, "max_executions": 1},
            },
        )
        await self.post(f"/rules/{rule['id']}/activate", {})
        return str(rule["id"])

    async def fire(self, rule_id: str | None = None, key: str | None = None) -> str:
        """Fire a rule, a fresh one unless it is given. Returns the execution's id."""
        rule_id = rule_id or await self.rule()
        answer = await self.post(f"/rules/{rule_id}/trigger", None, key)
        execution_id = str(answer["execution_id"])
        if execution_id not in self.fired:
            self.fired.append(execution_id)
        return execution_id

    async def execution(self, execution_id: str) -> dict[str, Any]:
        return await self.get(f"/executions/{execution_id}")

    async def post(self, path: str, body: dict[str, Any] | None, key: str | None = None) -> dict[str, Any]:
        """As a careful client: no answer and 5xx are asked again with the same key. Errors: Refused, TimeoutError."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key or secrets.token_hex(16)}
        return await self._asked("POST", path, headers=headers, json=body)

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return await self._asked("GET", path, headers={"Authorization": f"Bearer {self.key}"}, params=query)

    async def _asked(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.http.request(method, self.api + path, **request)
                except httpx.TransportError:
                    await asyncio.sleep(0.2)
                    continue
                if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    await asyncio.sleep(0.2)
                    continue
                if answer.is_error:
                    raise Refused(answer.status_code, answer.json())
                return dict(answer.json())
