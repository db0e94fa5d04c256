"""Temporal's development server with its Web UI, as `temporal-dev.yaml` at the top of the project says."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict
from temporalio.client import Client
from temporalio.service import RPCError

from infra.devnet.ports import LOOPBACK
from infra.devnet.processes import Program

SETTINGS_FILE = Path(__file__).parents[2] / "temporal-dev.yaml"
START_TIMEOUT_S = 60  # some 2 s on an idle machine
CONNECT_TIMEOUT_S = 5


class TemporalUnavailable(Exception):
    """Temporal did not come up; the message says what was waited for."""


class Ports(BaseModel):
    """Offsets from the world's port base."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    frontend: int
    ui: int


class Settings(BaseModel):
    """`temporal-dev.yaml`, where the reason for each value stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ports: Ports
    namespace: str
    database: str
    log_level: Literal["debug", "info", "warn", "error", "never"]
    sqlite_pragmas: dict[str, str]
    search_attributes: dict[str, Literal["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"]]
    dynamic_config: dict[str, bool | int]


@dataclass(frozen=True, slots=True)
class TemporalDev:
    """Where a running server is."""

    address: str
    ui_url: str
    namespace: str = "default"


def settings(file: Path = SETTINGS_FILE) -> Settings:
    """Errors: pydantic.ValidationError, naming the line's key."""
    return Settings.model_validate(yaml.safe_load(file.read_text()))


def program(binary: Path, state: Path, port: int, ui_port: int, chosen: Settings) -> Program:
    """The server on `port`, its Web UI on `ui_port`."""
    command = [str(binary), "server", "start-dev", "--ip", LOOPBACK]
    command += ["--port", str(port), "--ui-port", str(ui_port)]
    command += ["--namespace", chosen.namespace, "--log-level", chosen.log_level, "--log-format", "json"]
    command += ["--db-filename", str(state / chosen.database)]
    for name, value in chosen.sqlite_pragmas.items():
        command += ["--sqlite-pragma", f"{name}={value}"]
    for name, kind in chosen.search_attributes.items():
        command += ["--search-attribute", f"{name}={kind}"]
    for name, number in chosen.dynamic_config.items():
        command += ["--dynamic-config-value", f"{name}={str(number).lower()}"]
    # Nobody's own profile or environment file may change where this server and its tools look.
    command += ["--disable-config-file", "--disable-config-env"]
    return Program(name="temporal", command=tuple(command))


def at(port: int, ui_port: int, chosen: Settings) -> TemporalDev:
    return TemporalDev(f"{LOOPBACK}:{port}", f"http://{LOOPBACK}:{ui_port}", chosen.namespace)


async def ready(server: TemporalDev) -> bool:
    """Whether it answers for its namespace: the port opens a moment before that."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            client = await Client.connect(server.address, namespace=server.namespace)
            await client.count_workflows("WorkflowType = 'none'")
    except (RPCError, RuntimeError, TimeoutError):  # RuntimeError: the SDK's word for "cannot connect"
        return False
    return True


async def wait_ready(server: TemporalDev, timeout_s: float = START_TIMEOUT_S) -> None:
    """Errors: TemporalUnavailable when it does not answer in time."""
    deadline = time.monotonic() + timeout_s
    while not await ready(server):
        if time.monotonic() > deadline:
            raise TemporalUnavailable(f"Temporal did not answer at {server.address} within {timeout_s:.0f} s")
        await asyncio.sleep(0.1)
