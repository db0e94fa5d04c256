"""The demo empties only what a demo made."""

from pathlib import Path

import pytest

from cli.demo import MARK, empty
from infra.devnet.world import WorldBroken


@pytest.mark.parametrize("holds", ["thesis.txt", "logs/api.log", "dev.env"])
def test_a_directory_that_no_demo_made_is_left_alone(tmp_path: Path, holds: str) -> None:
    file = tmp_path / holds
    file.parent.mkdir(exist_ok=True)
    file.write_text("precious")
    with pytest.raises(WorldBroken, match="no demo made"):
        empty(tmp_path)
    assert file.read_text() == "precious"


def test_what_an_earlier_demo_made_is_emptied(tmp_path: Path) -> None:
    empty(tmp_path)
    (tmp_path / "solana.sqlite").write_text("old")
    empty(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [MARK]
