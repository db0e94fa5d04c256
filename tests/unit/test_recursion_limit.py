"""What comes from outside must not end a process: nothing of the product may raise the recursion limit."""

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, sys
before = sys.getrecursionlimit()
importlib.import_module(sys.argv[1])
sys.exit(sys.getrecursionlimit() != before)
"""


@pytest.mark.parametrize(
    "module",
    [
        "infra.chains.evm.fate",
        "infra.chains.evm.submission",
        "infra.chains.evm.reverts",
        "infra.custody.kms_envelope.curves",
        "infra.venues.uniswap.venue",
    ],
)
def test_importing_it_leaves_the_recursion_limit_alone(module: str) -> None:
    assert subprocess.run([sys.executable, "-c", PROGRAM, module], check=False).returncode == 0
