"""KMS over HTTP, JSON 1.1, as boto3 speaks it; `PUT /_control/faults` makes it misbehave.

A fault's `match` is the operation (`Decrypt`): all of them share one path.
"""

import asyncio
import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.devnet.faults import Faults
from infra.devnet.kms.front import Front
from infra.devnet.kms.keyring import Keyring
from infra.devnet.kms.refusals import Refused

MEDIA_TYPE = "application/x-amz-json-1.1"


class FaultsByOperation:
    """Faults are matched by path; here every operation has the same one, so they are shown its name instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._faults = Faults(self._at_its_own_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = _operation(Headers(scope=scope)) if scope["type"] == "http" else ""
        shown = {**scope, "path": operation, "own_path": scope["path"]} if operation else scope
        await self._faults(shown, receive, send)

    async def _at_its_own_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "path": scope["own_path"]} if "own_path" in scope else scope, receive, send)


def _operation(headers: Headers) -> str:
    return headers.get("x-amz-target", "").removeprefix("TrentService.")


def build(state_file: Path) -> ASGIApp:
    """The application, with the keys of `state_file` in it."""
    front = Front(Keyring(state_file))

    async def operate(request: Request) -> Response:
        body = await request.body()
        operation = _operation(request.headers)
        try:
            answered = await asyncio.to_thread(front.answer, operation, request.headers.get("authorization"), body)
        except Refused as refusal:
            refused = {"__type": refusal.kind, "message": refusal.message}
            return Response(json.dumps(refused), refusal.status, media_type=MEDIA_TYPE)
        return Response(json.dumps(answered), media_type=MEDIA_TYPE)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [Route("/health", health), Route("/", operate, methods=["POST"])]
    return FaultsByOperation(Starlette(routes=routes))
