"""The quick drills, once on each venue: real processes, faults at the proxies, the verdict from the chains."""

from pathlib import Path

import pytest

from infra.devnet.chaos.campaign import Report, run
from infra.devnet.chaos.document import guarantees
from infra.devnet.chaos.drill import BOTH
from infra.devnet.chaos.drills import all_drills

SEED = 4  # any; a failing one is told with the drill, and replays it


@pytest.mark.timeout(600)
async def test_the_quick_drills_find_no_violation(tmp_path: Path) -> None:
    quick = [one for one in all_drills() if one.quick]
    report: Report = await run(quick, BOTH, SEED, 0, tmp_path, lambda _: None, lambda _: None)
    wrong = [(one.fault, one.venue, one.seed, one.violations, one.broke) for one in report.outcomes if not one.good]
    assert wrong == []
    played = {(one.fault, one.venue) for one in report.outcomes}
    assert played == {(one.fault, venue) for one in quick for venue in one.venues}
    document = guarantees(report, quick, "a test")
    assert all(one.title in document for one in quick)
