"""A JSON-RPC proxy that a test stands before a node, to act between the node's answer and its delivery."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.devnet.ports import LOOPBACK, free_port


@dataclass
class RpcProxy:
    """`after` is called once with each method's name, when the node has answered and nobody knows it yet."""

    upstream: str
    port: int
    after: Callable[[str], None]
    seen: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def pass_on(self, request: Request) -> Response:
        body = await request.body()
        method = str(json.loads(body).get("method"))
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.post(self.upstream, content=body, headers={"content-type": "application/json"})
        self.seen.append(method)
        await asyncio.to_thread(self.after, method)
        return Response(answer.content, answer.status_code, media_type="application/json")


@contextmanager
def rpc_proxy(upstream: str, after: Callable[[str], None]) -> Iterator[RpcProxy]:
    proxy = RpcProxy(upstream, free_port(), after)
    app = Starlette(routes=[Route("/", proxy.pass_on, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=proxy.port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield proxy
    finally:
        server.should_exit = True
        thread.join(20)
