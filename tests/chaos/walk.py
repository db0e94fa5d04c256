"""The full walk: `python -m tests.chaos.walk [scenario] [--at N]`. Minutes; ends with 1 if anything was broken."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from infra.db.book import Book
from infra.db.migrate import migrate
from tests.chaos.crash_points import at, execute, find
from tests.chaos.venues import SCENARIOS
from tests.world.postgres import postgres_server


async def walk(url: str, names: list[str], only: int | None = None) -> int:
    """Die at every point of each scenario (or at the one numbered `only`), restarted in both ways.

    Prints what was broken, and returns how many deaths broke something. Errors: those of a run that cannot go on.
    """
    broken = 0
    await migrate(url)
    book = Book.open(url)
    try:
        for name in names:
            began = time.monotonic()
            points = await find(book, url, SCENARIOS[name])
            numbers = range(len(points)) if only is None else [only]
            for number in numbers:
                for same_run in (False, True):
                    run = await execute(book, url, SCENARIOS[name], [at(points[number])], same_run=same_run)
                    complaints = run.broken if run.deaths else ["the run never came by this point"]
                    broken += bool(complaints)
                    for complaint in complaints:
                        how = "same run" if same_run else "reset"
                        print(f"{name} --at {number}, {how}: died at {points[number]}\n  {complaint}", flush=True)
            took = time.monotonic() - began
            print(f"{name}: {len(numbers)} points, each died at twice, {took:.0f} s", flush=True)
    finally:
        await book.close()
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=SCENARIOS)
    parser.add_argument("--at", type=int, help="the number of one point, as a failure names it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, postgres_server(Path(directory)) as url:
        broken = asyncio.run(walk(url, [asked.scenario] if asked.scenario else list(SCENARIOS), asked.at))
    print("nothing was broken" if not broken else f"{broken} deaths broke something")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
