"""One trace from the request to each RPC, metrics of every process, and searchable, explained workflows."""

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from infra.devnet.world import World
from tests.e2e.trader import Trader
from tests.world.collector import Collector, SeenSpan
from tests.world.conditions import until


async def test_one_trace_leads_from_the_request_through_the_workflow_to_each_call_of_the_chain(
    trader: Trader, spans: Collector
) -> None:
    execution = await trader.ended(await trader.fire(await trader.active_rule()))
    assert execution["status"] == "SETTLED"

    def trace() -> list[SeenSpan]:
        ids = [s.trace_id for s in spans.spans if s.process == "tripwire-api" and s.name.endswith("/trigger")]
        return spans.of_trace(ids[-1]) if ids else []

    async def whole() -> bool:
        steps = {s.name for s in trace()}
        return {f"RunActivity:{step}" for step in STEPS} <= steps

    await until(whole)
    seen = trace()
    by_id = {span.span_id: span for span in seen}
    assert {span.process for span in seen} >= {"tripwire-api", "tripwire-executor", "tripwire-signer"}
    calls = [span for span in seen if span.name == "POST" and span.process != "tripwire-api"]
    for step in ("submit", "confirm", "sign"):
        assert any(step in _line(call, by_id) for call in calls), f"no call to the chain under {step}"


STEPS = ("preflight", "lock", "sign", "submit", "confirm", "reconcile")


def _line(span: SeenSpan, by_id: dict[str, SeenSpan]) -> str:
    """The names from a span up to its root."""
    parent = by_id.get(span.parent_id)
    return span.name + (f" < {_line(parent, by_id)}" if parent else "")


async def test_every_process_tells_its_metrics(trader: Trader, world: World) -> None:
    await trader.ended(await trader.fire(await trader.active_rule()))
    for process in ("executor", "signer", "watcher", "api"):
        answer = await trader.http.get(f"{world.url(process)}/metrics")
        assert answer.status_code == 200
        assert "tripwire_" in answer.text
    executor = (await trader.http.get(f"{world.url('executor')}/metrics")).text
    assert 'tripwire_step_seconds_count{step="reconcile"}' in executor


async def test_operators_find_executions_by_attribute_and_read_what_each_waits_for(
    trader: Trader, world: World
) -> None:
    execution = await trader.ended(await trader.fire(await trader.active_rule()))
    client = await Client.connect(world.env["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)

    async def listed() -> bool:
        query = f'TripwireWallet = "{trader.wallet_id}" AND TripwireOutcome = "SETTLED" AND TripwireStage = "SETTLED"'
        return [found.id async for found in client.list_workflows(query)] == [execution["workflow_id"]]

    await until(listed)
    handle = client.get_workflow_handle(execution["workflow_id"])
    description = await handle.describe()
    assert await description.static_summary() == f"jupiter: {trader.rule_id}"
    assert (await handle.query("status"))["stage"] == "SETTLED"
    assert "SETTLED" in await handle.query("explain")
