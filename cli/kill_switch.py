"""`tripwire kill-switch`"""

from enum import StrEnum
from typing import Annotated

import typer

from cli import output
from cli.client import connected
from cli.output import AsJson


class Position(StrEnum):
    ON = "on"
    OFF = "off"


def kill_switch(
    position: Annotated[Position, typer.Argument(show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; it is audited.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """For operators: on stops every signature everywhere, at once."""
    with connected(operator=True) as api:
        answer = api.post("/admin/kill-switch", {"on": position is Position.ON, "reason": reason})
    said = "nothing more is signed; what is out is followed to its end" if answer["on"] else "signing goes on"
    output.show(answer, as_json, output.text(f"The kill switch is {position}: {said}."))
