"""A user of the running product: only its API, the stand-ins' doors, and the chain's own records."""

import json
from typing import Any

from cli.demo_story import Story
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
    async def active_rule(self, *, sell: str = "USDC", buy: str = "SOL", amount: str = "5") -> str:
        """The id of a rule that waits to be fired by hand."""
        action = {"kind": "swap", "sell": sell, "buy": buy, "amount": amount, "max_slippage_bps": 50}
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

    async def received(self) -> list[str]:
        """The signature of every transaction that the node ever received, by its own record, oldest first."""
        log = (await self.http.get(f"{self.places.solana}/_control/log")).json()
        return [str(entry["signature"]) for entry in log]

    async def landed(self) -> list[str]:
        """Signatures of this wallet's final transactions, the funding left out."""
        params = [self.address, {"commitment": "finalized"}]
        call = {"jsonrpc": "2.0", "id": 1, "method": "getSignaturesForAddress", "params": params}
        answer = (await self.http.post(self.places.solana, content=json.dumps(call))).json()
        return [str(entry["signature"]) for entry in answer["result"]]
