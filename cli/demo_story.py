"""The demo's acts, each a call that any client of the API and the stand-ins could make."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import httpx

from cli.demo_chains import DemoChain, DemoFailed, EvmChain, SolanaChain

MARKET = "FED-25DEC-CUT"
SPENT_USDC = "50"

# A finalized swap takes some 20 s at real slot times; a machine under load may take a few times as long.
PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Places:
    """Where the embedded world is."""

    api: str
    admin_key: str
    solana: str
    evm: str
    kalshi: str


Say = Callable[[str], None]
Facts = dict[str, Any]
T = TypeVar("T")


async def play(places: Places, families: Sequence[str], say: Say) -> dict[str, Facts]:
    """Play the main job from an empty book to settled swaps, one for each family, side by side: one crossing
    fires all their rules. Returns every fact, by family, as one JSON document.
    """
    async with httpx.AsyncClient(timeout=30) as http:
        chains: dict[str, DemoChain] = {
            "solana": SolanaChain(http, places.solana),
            "evm": EvmChain(http, places.evm),
        }
        stories = [Story(http, places, chains[family]) for family in families]
        say("creating an owner, an API key and an automation wallet")
        await _all(story.set_the_stage() for story in stories)
        say("funding " + " and ".join(story.address for story in stories))
        await _all(story.fund() for story in stories)
        before = await _all(story.chain_balances() for story in stories)
        say("creating and activating the rule")
        await _all(story.make_rule() for story in stories)
        say(f"moving {MARKET} across the threshold")
        await stories[0].move_market("0.7100", "0.7300")
        stages = dict.fromkeys(families, "PENDING")

        def following(family: str) -> Say:
            def reached(stage: str) -> None:
                stages[family] = stage
                say("until it is final:  " + "   ".join(f"{name} {stage}" for name, stage in stages.items()))

            return reached

        executions = await _all(story.follow(following(story.chain.family)) for story in stories)
        after = await _all(story.chain_balances() for story in stories)
        say("comparing the chain with the book")
        told = zip(stories, executions, before, after, strict=True)
        reports = await _all(story.report(*facts) for story, *facts in told)
        return dict(zip(families, reports, strict=True))


class Story:
    """One wallet's way from its making to its settled swap."""

    def __init__(self, http: httpx.AsyncClient, places: Places, chain: DemoChain) -> None:
        self.http, self.places, self.chain = http, places, chain
        self.key = places.admin_key
        self.wallet_id = self.address = self.rule_id = self.owner_id = ""

    async def set_the_stage(self) -> None:
        owner = await self.post("/owners", {"name": "Demo trader"})
        self.owner_id = owner["id"]
        made = await self.post("/api-keys", {"name": "demo", "scopes": ["read", "trade"], "owner_id": owner["id"]})
        self.key = made["key"]
        wallet = await self.post("/wallets", {"family": self.chain.family})
        self.wallet_id, self.address = wallet["id"], wallet["address"]

    async def fund(self) -> None:
        await self.chain.fund(self.address)
        await self._until(self._is_funded, "the funds to be final on the chain")

    async def _is_funded(self) -> bool:
        return await self.chain_balances() == self.chain.funded

    async def make_rule(self) -> None:
        buy = self.chain.native
        await self.move_market("0.5500", "0.5700")
        rule = await self.post(
            "/rules",
            {
                "name": f"Fed cut → {buy}",
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
                "action": {"kind": "swap", "sell": "USDC", "buy": buy, "amount": SPENT_USDC, "max_slippage_bps": 50},
                "limits": {"cooldown_hours": 24, "max_executions": 1},
            },
        )
        self.rule_id = rule["id"]
        await self.post(f"/rules/{self.rule_id}/activate", {})
        await self._until(self._is_armed, "the watcher to see the market below the threshold")

    async def _is_armed(self) -> bool:
        return bool((await self.get(f"/rules/{self.rule_id}"))["armed"])

    async def move_market(self, bid: str, ask: str) -> None:
        body = {"yes_bid": bid, "yes_ask": ask, "status": "active"}
        (await self.http.put(f"{self.places.kalshi}/_control/markets/{MARKET}", json=body)).raise_for_status()

    async def follow(self, reached: Say = lambda _: None) -> Facts:
        """The execution of the rule, once it is over; each of its stages is told on the way."""
        found: dict[str, Any] = {}

        async def over() -> bool:
            lines = (await self.get("/executions", rule_id=self.rule_id))["items"]
            if lines:
                found.update(await self.get(f"/executions/{lines[0]['id']}"))
                reached(found["status"])
            return bool(found.get("final"))

        await self._until(over, "the execution to end")
        return found

    async def chain_balances(self) -> dict[str, int]:
        """Base units, read from the node itself and not through the product."""
        return await self.chain.balances(self.address)

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


async def _all(doing: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*doing))


def timings(execution: dict[str, Any]) -> dict[str, int]:
    """Milliseconds from the source's frame reaching us to each later point, by the database's clock."""
    began = execution["trigger"]["evidence"].get("received_time")
    if began is None or not execution["attempts"]:
        return {}
    first, last = execution["attempts"][0], execution["attempts"][-1]
    points = {
        "observation_to_recorded": execution["trigger"]["created_at"],
        "observation_to_workflow_started": execution["trigger"]["started_at"],
        "observation_to_signed": first["signed_at"],
        "observation_to_submitted": first["first_sent_at"],
        "observation_to_finalized": last["final_at"],
    }
    start = datetime.fromisoformat(began)
    return {
        name: round((datetime.fromisoformat(at) - start).total_seconds() * 1000) for name, at in points.items() if at
    }
