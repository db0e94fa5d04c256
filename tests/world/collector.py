"""An OpenTelemetry collector for tests: keeps every span that any process sends it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.devnet.ports import LOOPBACK, free_port


@dataclass(frozen=True, slots=True)
class SeenSpan:
    process: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str


@dataclass
class Collector:
    port: int
    spans: list[SeenSpan] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.spans += [
                SeenSpan(names["service.name"], s.name, s.trace_id.hex(), s.span_id.hex(), s.parent_span_id.hex())
                for scope in resource.scope_spans
                for s in scope.spans
            ]
        return Response()

    def of_trace(self, trace_id: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]


@contextmanager
def collector() -> Iterator[Collector]:
    collector = Collector(free_port())
    app = Starlette(routes=[Route("/v1/traces", collector.receive, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=collector.port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield collector
    finally:
        server.should_exit = True
        thread.join(20)
