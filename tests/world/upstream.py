"""A small JSON-RPC server for tests of what stands before one: `with upstream() as server: ...`."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.devnet.ports import LOOPBACK, free_port

UNKNOWN_METHOD = -32601


@dataclass
class Upstream:
    """Answers each call with its place among all calls, `getSignatureStatuses` as a node does. `heard`: all bodies."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    calls: int = 0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        self.heard.append(body)
        if not body:
            return JSONResponse({"path": request.url.path, "query": request.url.query, "place": len(self.heard)})
        asked = json.loads(body)
        told = [self._result(call) for call in asked] if isinstance(asked, list) else self._result(asked)
        return JSONResponse(told, headers={"x-upstream": "heard"})

    def _result(self, call: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        head = {"jsonrpc": "2.0", "id": call.get("id")}
        if call["method"] == "unknown":
            return {**head, "error": {"code": UNKNOWN_METHOD, "message": "Method not found"}}
        if call["method"] == "getSignatureStatuses":
            return {**head, "result": {"context": {"slot": 7}, "value": [{"slot": 6}, {"slot": 5}]}}
        return {**head, "result": {"place": self.calls}}


@contextmanager
def upstream() -> Iterator[Upstream]:
    serving = Upstream(free_port())
    routes = [Route("/{path:path}", serving.answer, methods=["GET", "POST"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), LOOPBACK, serving.port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        yield serving
    finally:
        server.should_exit = True
        thread.join(20)
