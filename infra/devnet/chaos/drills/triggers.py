"""One occurrence, one execution: dying nodes, impatient clients, two watchers, and rules that outrun a wallet."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

from temporalio.service import RPCError, RPCStatusCode

from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.lane import Lane, Refused
from infra.devnet.chaos.scene import Scene
from infra.devnet.chaos.verdict import FINAL
from infra.devnet.proxy.tcp import Blackhole

RETRIES = 10
AT_ONCE = 50
RULES = 10  # on one wallet, each for two fifths of what it has


def _key(scene: Scene) -> str:
    return f"drill-{scene.rng.getrandbits(64):016x}"


def _nodes(scene: Scene, lane: Lane, count: int) -> list[Lane]:
    """The same owner, as `count` clients who ask all API nodes in turn."""
    urls = [scene.world.url(name) for name in scene.of_kind("api")]
    return [replace(lane, api=url) for url in islice(cycle(urls), count)]


async def _executions(scene: Scene, rule_id: str) -> list[str]:
    return [row["execution_id"] for row in await scene.rows("SELECT * FROM v_execution WHERE rule_id = $1", rule_id)]


@drill(
    "F01",
    "the API dies after the trigger is recorded, before its workflow starts: the sweep starts it",
    guards=("G4", "G6"),
)
async def killed_before_the_start(scene: Scene) -> None:
    lane, apis = await scene.lane(), scene.of_kind("api")
    rule, key = await lane.rule(), _key(scene)
    async with scene.committed("execution", f"NEW.rule_id = '{rule}'") as recorded:
        scene.proxies["temporal"].mode = Blackhole()
        firing = asyncio.create_task(lane.fire(rule, key))
        await recorded.wait()
        await scene.kill(*apis)
    firing.cancel()
    await asyncio.gather(firing, return_exceptions=True)
    (execution,) = await _executions(scene, rule)
    scene.check(not await _has_workflow(scene, execution), "no workflow was started")
    scene.proxies["temporal"].clear()
    await scene.ends(execution)  # no API runs: the sweep alone can have started it
    await scene.restart(*apis)
    scene.check(await lane.fire(rule, key) == execution, "the client that asks again is told of the same execution")


@drill(
    "F02",
    f"the API dies after the workflow started, before it replies; the client asks {RETRIES} times more",
    guards=("G4",),
)
async def killed_before_the_reply(scene: Scene) -> None:
    lane, apis = await scene.lane(), scene.of_kind("api")
    rule, key = await lane.rule(), _key(scene)
    async with scene.held("trigger", f"NEW.rule_id = '{rule}' AND NEW.started_at IS NOT NULL") as started:
        firing = asyncio.create_task(lane.fire(rule, key))
        await started.wait()
        await scene.kill(*apis)
    firing.cancel()
    await asyncio.gather(firing, return_exceptions=True)
    (execution,) = await _executions(scene, rule)
    scene.check(await _has_workflow(scene, execution), "its workflow was started")
    await scene.restart(*apis)
    told = await asyncio.gather(*(client.fire(rule, key) for client in _nodes(scene, lane, RETRIES)))
    scene.check(set(told) == {execution}, f"every retry was told of {execution}: {Counter(told)}")
    await scene.ends(execution)
    scene.check(await _executions(scene, rule) == [execution], "the rule was executed once")


@drill("F54", f"one rule is fired {AT_ONCE} times at once with one key, over two API nodes", guards=("G4",), quick=True)
async def fired_at_once_with_one_key(scene: Scene) -> None:
    lane = await scene.lane()
    rule, key = await lane.rule(), _key(scene)
    told = await asyncio.gather(*(client.fire(rule, key) for client in _nodes(scene, lane, AT_ONCE)))
    scene.check(len(set(told)) == 1, f"all were told of one execution: {Counter(told)}")
    await scene.ends(told[0])
    scene.check(await _executions(scene, rule) == told[:1], "the rule was executed once")


@drill("F54", f"one rule is fired {AT_ONCE} times at once, each with a key of its own", guards=("G4",))
async def fired_at_once_with_many_keys(scene: Scene) -> None:
    lane = await scene.lane()
    rule = await lane.rule()

    async def fire(client: Lane) -> str:
        try:
            return await client.fire(rule, _key(scene))
        except Refused as refused:
            return f"{refused.status} {refused.code}"

    told = Counter(await asyncio.gather(*(fire(client) for client in _nodes(scene, lane, AT_ONCE))))
    (execution,) = await _executions(scene, rule)
    expected = {execution: 1, "409 ILLEGAL_TRANSITION": AT_ONCE - 1}
    scene.check(told == expected, f"one fired, and the others were refused: {told}")
    await scene.ends(execution)


@drill("F54", "two watchers see the same crossing at the same time", guards=("G4",))
async def crossing_seen_twice(scene: Scene) -> None:
    lane = await scene.lane()
    market = f"DRILL-{scene.rng.getrandbits(32):08X}"
    await _price(scene, market, "0.5000", "0.5200")
    asked = scene.proxies["kalshi"].log
    since = asked.count
    async with scene.committed("rule", f"NEW.market = '{market}' AND NEW.armed_at IS NOT NULL") as armed:
        rule = await lane.rule(market=market, threshold="0.70")
        await armed.wait()

    async def both_follow() -> bool:
        """The API asks for the market when the rule is made, each watcher when it learns of it."""
        return len(asked.calls(f"*{market}*", since)) >= 3

    await scene.until(both_follow, "both watchers to follow the rule")
    # The first to record it stands still until the other waits at the rule's row.
    async with scene.held("trigger", f"NEW.rule_id = '{rule}'") as recording:
        await _price(scene, market, "0.7100", "0.7300")
        await recording.wait()
        await scene.until(lambda: _at_the_rule(scene), "the other watcher to have seen it, too", 4)
    (execution,) = await scene.until(lambda: _executions(scene, rule), "the crossing to be recorded")
    lane.fired.append(execution)
    await scene.ends(execution)
    scene.check(await _executions(scene, rule) == [execution], "the crossing was executed once")
    recorded = [await asyncio.to_thread(_recorded, scene, name, rule) for name in scene.of_kind("watcher")]
    scene.check(set(recorded) == {False, True}, f"one watcher recorded it, the other found it recorded: {recorded}")


@drill("F55", f"{RULES} rules of one wallet fire at once, each for two fifths of what it has", guards=("G7", "G8"))
async def more_than_there_is(scene: Scene) -> None:
    lane = await scene.lane()
    rules = [await lane.rule(amount="200") for _ in range(RULES)]
    executions = await asyncio.gather(*(lane.fire(rule) for rule in rules))
    ended = Counter([await scene.reaches(execution, *FINAL, "UNKNOWN") for execution in executions])
    scene.check(ended == {"SETTLED": 2, "BLOCKED": RULES - 2}, f"two could be paid, the others were refused: {ended}")
    refused = await scene.rows("SELECT codes FROM execution WHERE id = ANY($1) AND status = 'BLOCKED'", executions)
    codes = {code for row in refused for code in json.loads(row["codes"])}
    scene.check(codes == {"INSUFFICIENT_BALANCE"}, f"they were refused for want of money: {codes}")


async def _has_workflow(scene: Scene, execution_id: str) -> bool:
    handle = (await scene.temporal()).get_workflow_handle(await scene.workflow_id(execution_id))
    try:
        await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def _price(scene: Scene, market: str, bid: str, ask: str) -> None:
    body = {"yes_bid": bid, "yes_ask": ask, "status": "active"}
    (await scene.http.put(f"{scene.world.url('kalshi')}/_control/markets/{market}", json=body)).raise_for_status()


async def _at_the_rule(scene: Scene) -> list[dict[str, Any]]:
    return await scene.rows(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT * FROM rule %FOR UPDATE'"
    )


def _recorded(scene: Scene, watcher: str, rule_id: str) -> bool | None:
    """Whether this watcher recorded the rule's crossing, or found it recorded, by its own log; None: neither."""
    for line in (scene.world.state / "logs" / f"{watcher}.log").read_text().splitlines():
        if "trigger recorded" in line and rule_id in line:
            return bool(json.loads(line)["new"])
    return None
