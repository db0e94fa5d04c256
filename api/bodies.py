"""What a request's body has to be before anything looks at it: small, and strict JSON."""

import json
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.problems import BodyTooLarge, UnsupportedMediaType
from domain.errors import InvalidInput, TripwireError

MAX_BYTES = 10_000  # the largest rule is some 1,500 bytes

# A rule is three levels deep. Far below the depth at which a parser gives up by itself.
MAX_DEPTH = 16


class StrictBodies:
    """Reads the whole body first, counting what really arrives whatever `Content-Length` says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(receive)
            if body is None:
                return
            if body:
                _check(body, Headers(scope=scope).get("content-type", ""))
        except TripwireError as error:
            await problems.answer(scope["path"], error)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Receive) -> bytes | None:
    """The body, or None for a client that has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BYTES:
            raise BodyTooLarge(f"a body has at most {MAX_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _check(body: bytes, content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ("application/json", "application/merge-patch+json"):
        raise UnsupportedMediaType("send the body as Content-Type: application/json")
    parse(body)


def parse(body: bytes) -> Any:
    """Strict JSON: no NaN or Infinity, no repeated name, bounded nesting. Errors: INVALID_INPUT (final)."""
    try:
        text = body.decode()
        if _depth(text) > MAX_DEPTH:
            raise InvalidInput(f"the body is nested deeper than {MAX_DEPTH} levels", "body")
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except InvalidInput:
        raise
    except ValueError as error:  # also invalid UTF-8, and whole numbers of thousands of digits
        raise InvalidInput(f"the body is not JSON: {_reason(error)}", "body") from None


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _refuse(literal: str) -> NoReturn:
    raise InvalidInput(f"{literal} is no JSON number", "body")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidInput(f"the name {name!r} stands twice in one object", name)
        found[name] = value
    return found


def _reason(error: ValueError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at character {error.pos}"
        case UnicodeDecodeError():
            return "it is no UTF-8"
        case _:
            return "it holds a number with thousands of digits"
