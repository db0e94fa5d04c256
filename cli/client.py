"""The client of the API that every command uses. A failure becomes a sentence on standard error and an exit code."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
import typer

DEFAULT_URL = "http://127.0.0.1:7400"

# Making a wallet waits for the signer up to half a minute; nothing else takes so long.
TIMEOUT_S = 40.0

REFUSED = 1
USAGE = 2
UNREACHABLE = 69  # Source: sysexits.h, EX_UNAVAILABLE

_HINTS = {
    "UNAUTHENTICATED": "Set TRIPWIRE_API_KEY to a valid key, or TRIPWIRE_OWNER_KEY as dev.env of `tripwire dev` does.",
    "FORBIDDEN": "Use a key that has this scope; for operators' commands set TRIPWIRE_ADMIN_KEY.",
    "IDEMPOTENCY_MISMATCH": "Leave --key out to send a new request.",
}


def fail(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"tripwire: {sentence}\n")
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Api:
    """One connection to the API. Every call either returns the decoded answer or ends the command."""

    url: str
    http: httpx.Client

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._call("GET", path, query=query)

    def post(self, path: str, body: object = None, key: str | None = None) -> Any:
        return self._call("POST", path, body=body, key=key)

    def patch(self, path: str, body: object) -> Any:
        return self._call("PATCH", path, body=body)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def every(self, path: str, most: int, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Pages joined, up to `most` items, in the form of one page."""
        items: list[Any] = []
        asked = dict(query or {})
        while True:
            page = self.get(path, asked | {"limit": str(min(200, most - len(items)))})
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None or len(items) >= most:
                return {"items": items, "next_cursor": cursor}
            asked["cursor"] = cursor

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self.http.request(method, path, params=query, json=body, headers=headers)
        except httpx.ConnectError:
            fail(f"nothing answers at {self.url}: is `tripwire dev` running? TRIPWIRE_API_URL says where.", UNREACHABLE)
        except httpx.HTTPError as error:
            told = f"{self.url} did not answer ({type(error).__name__}): look at `tripwire status`."
            fail(told + _again(key), UNREACHABLE)
        if not answer.is_success:
            refuse(self._decoded(answer), _again(key) if answer.is_server_error else "")
        return None if answer.status_code == httpx.codes.NO_CONTENT else self._decoded(answer)

    def _decoded(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            fail(f"{self.url} is not TripWire's API: set TRIPWIRE_API_URL to where that is.", UNREACHABLE)


def _again(key: str | None) -> str:
    """What was asked for may have been done all the same: with its key it is not done twice."""
    return f" Ask again with --key {shlex.quote(key)}: it is the same request." if key else ""


def refuse(problem: Any, then: str = "") -> NoReturn:
    """Tell a problem+json as sentences, each wrong field on a line of its own; `then` ends them."""
    known = problem if isinstance(problem, dict) else {}
    code = str(known.get("code", "UNKNOWN"))
    errors = known.get("errors") or []
    if errors:
        lines = "".join(f"\n  {error['field']}: {error['message']}" for error in errors)
        fail(f"the API refuses this ({code}):{lines}", REFUSED)
    hint = f" {_HINTS[code]}" if code in _HINTS else ""
    safe = f" Would be safe: {known['would_be_safe']}." if known.get("would_be_safe") else ""
    fail(f"{known.get('detail', 'the API refuses this')} ({code}).{safe}{hint}{then}", REFUSED)


@contextmanager
def connected(*, operator: bool = False) -> Iterator[Api]:
    """The API that the environment names, with its key: an operator's command prefers TRIPWIRE_ADMIN_KEY."""
    names = ("TRIPWIRE_API_KEY", "TRIPWIRE_OWNER_KEY")
    if operator:
        names = ("TRIPWIRE_ADMIN_KEY", "TRIPWIRE_API_KEY")
    key = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if key is None:
        written = "TRIPWIRE_ADMIN_KEY" if operator else "TRIPWIRE_OWNER_KEY"
        fail(f"no API key: set {' or '.join(names)} (dev.env of `tripwire dev` has {written}).", USAGE)
    if not (key.isascii() and key.isprintable()):
        fail(f"the API key in {' or '.join(names)} holds characters that no key has.", USAGE)
    url = os.environ.get("TRIPWIRE_API_URL") or DEFAULT_URL
    if not url.startswith(("http://", "https://")):
        fail(f"TRIPWIRE_API_URL is {url!r}: it has to begin with http:// or https://.", USAGE)
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
        yield Api(url, http)
