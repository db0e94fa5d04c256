"""Faults on order: an ASGI layer that makes a stand-in misbehave for the next few calls.

`PUT /_control/faults` arms one fault, `GET` lists what is still armed, `DELETE` disarms all.
Wrap the whole application, outermost, so that nothing below can tidy up a lost connection.
"""

import asyncio
import json
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DOOR = "/_control/faults"
MAX_DELAY_MS = 600_000  # ten minutes: longer than any client deadline of the project
MAX_CALLS = 1_000_000


class Fault(BaseModel):
    """What goes wrong, for which calls, and how many times."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    match: str = Field(min_length=1)  # a URL path, a JSON-RPC method, or "*" for every call
    mode: Literal["delay", "status", "drop_before", "drop_after", "truncate", "garble"]
    calls: int = Field(default=1, ge=1, le=MAX_CALLS)
    status: int = Field(default=503, ge=400, le=599)
    delay_ms: int = Field(default=0, ge=0, le=MAX_DELAY_MS)  # waited before the fault, in any mode
    retry_after_s: int | None = Field(default=None, ge=0)


class Faults:
    """Wraps an application; calls that match an armed fault meet it, all others pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._armed: list[Fault] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == DOOR:
            answer = await self._control(Request(scope, receive))
            await answer(scope, receive, send)
        elif scope["path"].startswith("/_control/") or not self._armed:
            await self._app(scope, receive, send)
        else:
            await self._meet(scope, receive, send)

    async def _control(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self._armed.append(Fault.model_validate_json(await request.body()))
            except ValidationError as refusal:
                return JSONResponse({"error": str(refusal)}, status_code=422)
        elif request.method == "DELETE":
            self._armed.clear()
        elif request.method != "GET":
            return Response(status_code=405)
        return JSONResponse([fault.model_dump() for fault in self._armed])

    async def _meet(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        fault = self._next_for({scope["path"], *_methods(body)})
        if fault is not None and fault.delay_ms:
            await asyncio.sleep(fault.delay_ms / 1000)
        match fault.mode if fault else "delay":
            case "delay":
                await self._app(scope, _replay(body, receive), send)
            case "status":
                await _refusal(cast(Fault, fault))(scope, receive, send)
            case "garble":
                await Response('{"jsonrpc":"2.0","result":{"\x00', media_type="application/json")(scope, receive, send)
            case "drop_before":
                await _hang_up(receive, send)
            case "drop_after":
                await self._app(scope, _replay(body, receive), _swallow)
                await _hang_up(receive, send)
            case "truncate":
                await self._app(scope, _replay(body, receive), _Truncated(send))
                await _hang_up(receive, send)

    def _next_for(self, names: set[str]) -> Fault | None:
        for place, fault in enumerate(self._armed):
            if fault.match == "*" or fault.match in names:
                if fault.calls > 1:
                    self._armed[place] = fault.model_copy(update={"calls": fault.calls - 1})
                else:
                    del self._armed[place]
                return fault
        return None


class _Truncated:
    """Announces the full length, sends the first half."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            half = message.get("body", b"")[: len(message.get("body", b"")) // 2]
            message = {"type": "http.response.body", "body": half, "more_body": True}
        await self._send(message)


def _methods(body: bytes) -> list[str]:
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        return []
    calls = parsed if isinstance(parsed, list) else [parsed]
    return [call["method"] for call in calls if isinstance(call, dict) and isinstance(call.get("method"), str)]


def _refusal(fault: Fault) -> Response:
    headers = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
    return JSONResponse({"error": "ordered by a fault"}, status_code=fault.status, headers=headers)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body, already read here, to the application once more."""
    handed = False

    async def again() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _swallow(message: Message) -> None:
    """The reply that nobody hears."""


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the socket with no answer. ASGI has no word for it, so take uvicorn's own transport."""
    transport = cast(asyncio.Transport, cast(Any, send).__self__.transport)
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
