"""Whoever meets a code finds it in docs/error-codes.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTED = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs/error-codes.md").read_text()))

# Where codes are written: error classes, verdicts, objections, refusals of observations.
WRITTEN = {
    "domain/errors.py": r'code, retryable = "([A-Z_]+)"',
    "domain/policy.py": r'"([A-Z]+_[A-Z_]+)"',
    "domain/operator_moves.py": r'"([A-Z]+_[A-Z_]+)"',
    "domain/intents.py": r'= "([A-Z_]+)"',
    "domain/triggers.py": r'REFUSED, "([A-Z_]+)"',
    "api/problems.py": r'code, retryable = "([A-Z_]+)"',
    "activities/sign.py": r'"([A-Z]+_[A-Z_]+)"',
    "workflows/execute_rule.py": r'"([A-Z]+_[A-Z_]+)"',
}


@pytest.mark.parametrize("file", sorted(WRITTEN))
def test_every_code_is_in_the_list(file: str) -> None:
    codes = set(re.findall(WRITTEN[file], (ROOT / file).read_text()))
    assert codes, "the pattern still finds this file's codes"
    assert codes - DOCUMENTED == set()
