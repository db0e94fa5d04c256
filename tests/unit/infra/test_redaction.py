"""Nothing that looks secret is written to a log, by its name or by its shape."""

import json
import logging

import pytest
import structlog

from infra import telemetry
from infra.telemetry import REDACTED, redact


@pytest.mark.parametrize(
    "name", ["authorization", "api_key", "API-Key", "x_secret", "private_key", "password", "seed", "plaintext", "token"]
)
def test_a_value_under_a_secret_name_is_not_written(name: str) -> None:
    assert redact(None, "", {name: "something", "nested": {name: "something"}}) == {
        name: REDACTED,
        "nested": {name: REDACTED},
    }


@pytest.mark.parametrize(
    "text",
    [
        "key twk_34BMwJtaZKmITTFdVMq6V1pp was refused",
        "Authorization: Bearer abc.def.ghi",
        "https://mainnet.example/?api-key=abcdef01&x=1",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_inside_a_text_is_cut_out_wherever_it_stands(text: str) -> None:
    for event in ({"event": text}, {"event": "x", "why": [text]}, {"event": "x", "error": ValueError(text)}):
        written = json.dumps(redact(None, "", dict(event)), default=str)
        assert REDACTED in written
        for secret in ("twk_34", "abc.def", "abcdef01", "MIIEvQ"):
            assert secret not in written


def test_bytes_are_told_by_their_length_alone() -> None:
    assert redact(None, "", {"payload": b"\x01\x02"}) == {"payload": "[2 bytes]"}


def test_a_library_that_logs_a_traceback_with_a_secret_writes_it_without(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        telemetry.set_up_logs("test", "INFO")
        try:
            raise ValueError("Bearer abc.def.ghi")
        except ValueError:
            logging.getLogger("some.library").exception("it broke with %s", "twk_34BMwJtaZKmITTFdVMq6V1pp")
        written = capsys.readouterr().err
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    [line] = [json.loads(line) for line in written.splitlines()]
    assert "it broke with" in line["event"]
    assert "abc.def" not in written
    assert "twk_34" not in written
