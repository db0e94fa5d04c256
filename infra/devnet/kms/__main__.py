"""`python -m infra.devnet.kms --port P --state FILE`: the key service of the embedded world."""

from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from infra.devnet.kms.app import build
from infra.devnet.ports import LOOPBACK


def main(port: Annotated[int, typer.Option()], state: Annotated[Path, typer.Option()]) -> None:
    """Serve KMS on the loopback address; keys are kept in the state file, in plain."""
    uvicorn.run(build(state), host=LOOPBACK, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    typer.run(main)
