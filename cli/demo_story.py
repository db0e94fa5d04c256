"""The demo's acts, each a call that any client of the API and the stand-ins could make."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

USDC_MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
MARKET = "FED-25DEC-CUT"
FUNDED_LAMPORTS = 2_000_000_000
FUNDED_USDC_BASE = 500_000_000
SPENT_USDC = "50"

# A finalized swap takes some 20 s at real slot times; a machine under load may take a few times as long.
PATIENCE_S = 120


class DemoFailed(Exception):
    """The demo did not come out as it should; the message says what to look at."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the embedded world is."""

    api: str
    admin_key: str
    solana: str
    kalshi: str


Say = Callable[[str], None]
Facts = dict[str, Any]


async def play(places: Places, say: Say) -> Facts:
    """Play the main job from an empty book to a settled swap. Returns every fact as one JSON document."""
    async with httpx.AsyncClient(timeout=30) as http:
        story = Story(http, places)
        say("creating an owner, an API key and an automation wallet")
        await story.set_the_stage()
        say(f"funding {story.address}")
        await story.fund()
        before = await story.chain_balances()
        say("creating and activating the rule")
        await story.make_rule()
        say(f"moving {MARKET} across the threshold")
        await story.move_market("0.7100", "0.7300")
        say("following the execution until its swap is final")
        execution = await story.follow()
        after = await story.chain_balances()
        say("comparing the chain with the book")
        return await story.report(execution, before, after)


class Story:
    def __init__(self, http: httpx.AsyncClient, places: Places) -> None:
        self.http, self.places = http, places
        self.key = places.admin_key
        self.wallet_id = self.address = self.rule_id = self.owner_id = ""

    async def set_the_stage(self) -> None:
        owner = await self.post("/owners", {"name": "Demo trader"})
        self.owner_id = owner["id"]
        made = await self.post("/api-keys", {"name": "demo", "scopes": ["read", "trade"], "owner_id": owner["id"]})
        self.key = made["key"]
        wallet = await self.post("/wallets", {"family": "solana"})
        self.wallet_id, self.address = wallet["id"], wallet["address"]

    async def fund(self) -> None:
        await self._door(self.places.solana, "airdrop", {"address": self.address, "lamports": str(FUNDED_LAMPORTS)})
        tokens = {"owner": self.address, "mint": USDC_MINT, "amount": str(FUNDED_USDC_BASE)}
        await self._door(self.places.solana, "tokens", tokens)
        await self._until(self._is_funded, "the funds to be final on the chain")

    async def _is_funded(self) -> bool:
        return await self.chain_balances() == {"USDC": FUNDED_USDC_BASE, "SOL": FUNDED_LAMPORTS}

    async def make_rule(self) -> None:
        await self.move_market("0.5500", "0.5700")
        rule = await self.post(
            "/rules",
            {
                "name": "Fed cut → SOL",
                "wallet_id": self.wallet_id,
                "trigger": {
                    "kind": "market_probability",
                    "venue": "kalshi",
                    "market": MARKET,
                    "outcome": "yes",
                    "price": "mid",
                    "when": "at_or_above",
                    "threshold": "0.70",
                },
                "action": {"kind": "swap", "sell": "USDC", "buy": "SOL", "amount": SPENT_USDC, "max_slippage_bps": 50},
                "limits": {"cooldown_hours": 24, "max_executions": 1},
            },
        )
        self.rule_id = rule["id"]
        await self.post(f"/rules/{self.rule_id}/activate", {})
        await self._until(self._is_armed, "the watcher to see the market below the threshold")

    async def _is_armed(self) -> bool:
        return bool((await self.get(f"/rules/{self.rule_id}"))["armed"])

    async def move_market(self, bid: str, ask: str) -> None:
        await self._door(self.places.kalshi, f"markets/{MARKET}", {"yes_bid": bid, "yes_ask": ask, "status": "active"})

    async def follow(self) -> Facts:
        found: dict[str, Any] = {}

        async def over() -> bool:
            lines = (await self.get("/executions", rule_id=self.rule_id))["items"]
            if lines:
                found.update(await self.get(f"/executions/{lines[0]['id']}"))
            return bool(found.get("final"))

        await self._until(over, "the execution to end")
        return found

    async def chain_balances(self) -> dict[str, int]:
        """Base units, read from the node itself and not through the product."""
        final = {"commitment": "finalized"}
        lamports = await self._rpc("getBalance", [self.address, final])
        accounts = await self._rpc(
            "getTokenAccountsByOwner", [self.address, {"mint": USDC_MINT}, {"encoding": "jsonParsed", **final}]
        )
        held = sum(int(one["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"]) for one in accounts["value"])
        return {"USDC": held, "SOL": int(lamports["value"])}

    async def report(self, execution: dict[str, Any], before: dict[str, int], after: dict[str, int]) -> Facts:
        booked = {
            line["asset"]: int(line["book"]["base"])
            for line in (await self.get(f"/wallets/{self.wallet_id}/balances"))["balances"]
        }
        return {
            "owner_id": self.owner_id,
            "wallet": {"id": self.wallet_id, "address": self.address},
            "rule": await self.get(f"/rules/{self.rule_id}"),
            "execution": execution,
            "balances": {
                asset: {"before": before[asset], "after": after[asset], "book": booked.get(asset)} for asset in after
            },
            "book_equals_chain": {asset: booked.get(asset) for asset in after} == after,
            "timings_ms": timings(execution),
        }

    async def post(self, path: str, body: dict[str, Any]) -> Facts:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": secrets.token_hex(16)}
        return _answer(await self.http.post(self.places.api + path, json=body, headers=headers))

    async def get(self, path: str, **query: str) -> Facts:
        headers = {"Authorization": f"Bearer {self.key}"}
        return _answer(await self.http.get(self.places.api + path, params=query, headers=headers))

    async def _door(self, origin: str, door: str, body: dict[str, Any]) -> None:
        (await self.http.put(f"{origin}/_control/{door}", json=body)).raise_for_status()

    async def _rpc(self, method: str, params: list[Any]) -> Facts:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = (await self.http.post(self.places.solana, json=call)).json()
        return dict(answer["result"])

    async def _until(self, condition: Callable[[], Any], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await condition():  # noqa: ASYNC110  it comes true in another process
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DemoFailed(f"waited {PATIENCE_S} s for {what}; look at the logs in the state directory") from None


def _answer(response: httpx.Response) -> Facts:
    if response.is_error:
        problem = response.json()
        raise DemoFailed(f"{response.request.url.path}: {problem.get('code')}: {problem.get('detail')}")
    return dict(response.json())


def timings(execution: dict[str, Any]) -> dict[str, int]:
    """Milliseconds from the source's frame reaching us to each later point, by the database's clock."""
    began = execution["trigger"]["evidence"].get("received_time")
    if began is None or not execution["attempts"]:
        return {}
    attempt = execution["attempts"][-1]
    points = {
        "observation_to_recorded": execution["trigger"]["created_at"],
        "observation_to_workflow_started": execution["trigger"]["started_at"],
        "observation_to_signed": attempt["signed_at"],
        "observation_to_submitted": attempt["first_sent_at"],
        "observation_to_finalized": attempt["final_at"],
    }
    start = datetime.fromisoformat(began)
    return {
        name: round((datetime.fromisoformat(at) - start).total_seconds() * 1000) for name, at in points.items() if at
    }
