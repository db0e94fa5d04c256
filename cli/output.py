"""How answers are shown: tables for people, JSON for programs. What comes from outside is never read as markup."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]

_COLOURS = {
    "ACTIVE": "green",
    "SETTLED": "green",
    "EXECUTED": "green",
    "LANDED": "green",
    "PAUSED": "yellow",
    "UNKNOWN": "bold yellow",
    "BLOCKED": "red",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "DEAD": "magenta",
}


# What is piped is cut or searched line by line, so no row is broken; wider than any row we draw.
PIPE_WIDTH = 1_000


def console() -> Console:
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(highlight=False, markup=False, width=width)


def print_json(answer: object) -> None:
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")


def show(answer: Any, as_json: bool, picture: RenderableType) -> None:
    if as_json:
        print_json(answer)
    else:
        console().print(picture, crop=False)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str, whole: Sequence[str] = ()
) -> RenderableType:
    """`empty` is the sentence for no rows: it says what to do. Columns in `whole` hold ids, which are never broken."""
    body = [[text(cell) for cell in row] for row in rows]
    if not body:
        return Text(empty)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        if column in whole:
            # Without the least width a narrow screen would cut them.
            longest = max(row[number].cell_len for row in body)
            drawn.add_column(column, no_wrap=True, overflow="ignore", min_width=longest)
        else:
            drawn.add_column(column, overflow="fold")
    for row in body:
        drawn.add_row(*row)
    return drawn


def facts(pairs: Iterable[tuple[str, object]]) -> RenderableType:
    """Names and values, one pair a line; what is empty is left out."""
    drawn = Table(box=None, pad_edge=False, show_header=False)
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], ()):
            drawn.add_row(name, text(value))
    return drawn


def stacked(*parts: RenderableType) -> RenderableType:
    return Group(*parts)


def heading(words: str) -> RenderableType:
    return Text(f"\n{words}", style="bold")


def text(value: object) -> Text:
    match value:
        case Text():
            return value
        case None:
            return Text("–", style="dim")
        case bool():
            return Text("yes" if value else "no")
        case list() | tuple():
            return Text(", ".join(str(item) for item in value))
        case _:
            words = str(value)
            return Text(words, style=_COLOURS.get(words, ""))


def money(amount: dict[str, Any] | None) -> str:
    return f"{amount['amount']} {amount['asset']}" if amount else "–"


def when(stamp: str | None) -> str:
    """The local reading of a UTC time would hide which zone it is in, so it stays UTC."""
    if stamp is None:
        return "–"
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
