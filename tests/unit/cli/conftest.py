"""The command run for real, against a small HTTP server that answers as the API would."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60


@dataclass
class Server:
    """Answers in turn by method and path; the last answer of a path stays. Keeps what it was asked."""

    url: str = ""
    answers: dict[str, list[tuple[int, object]]] = field(default_factory=dict)
    asked: list[tuple[str, Any, dict[str, str]]] = field(default_factory=list)

    def will(self, call: str, *answers: tuple[int, object]) -> None:
        self.answers[call] = list(answers)

    def answer(self, call: str) -> tuple[int, object]:
        found = self.answers[call.partition("?")[0]]
        return found.pop(0) if len(found) > 1 else found[0]


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            call = f"{self.command} {self.path}"
            told.asked.append((call, json.loads(raw) if raw else None, dict(self.headers)))
            status, body = told.answer(call)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Silent."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield told
    http.shutdown()
    thread.join()
    http.server_close()


def tripwire(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def against(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tripwire(*arguments, TRIPWIRE_API_URL=server.url, TRIPWIRE_OWNER_KEY="twk_mine")
