"""What holds after a drill: the invariants, from the chains' records, the proxies' logs and the rows auditors see.

Nothing here asks the product how it fared. Numbers of invariants are those of `docs/guarantees.md`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.devnet.chaos.database import connected
from infra.devnet.chaos.lane import Lane

FINAL = ("SETTLED", "BLOCKED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    detail: str


async def judge(url: str, lanes: Sequence[Lane], sent: Mapping[str, Sequence[datetime]]) -> list[Violation]:
    """Every violation by these lanes. `sent`: when each payload went to an upstream, by SHA-256, as proxies saw it."""
    found: list[Violation] = []
    async with connected(url) as book:
        for lane in lanes:
            found += await _of_lane(book, lane, sent)
    return found


async def _of_lane(book: Any, lane: Lane, sent: Mapping[str, Sequence[datetime]]) -> list[Violation]:
    wallet = lane.wallet_id
    executions = await book.fetch("SELECT * FROM v_execution WHERE wallet_id = $1", wallet)
    attempts = await book.fetch(
        "SELECT a.*, e.status FROM v_attempt a JOIN v_execution e USING (execution_id) WHERE e.wallet_id = $1", wallet
    )
    return [
        *await _one_effect(lane, executions, attempts),
        *_all_over(lane, executions, await _waiting(book, wallet)),
        *await _exact(book, lane, executions),
        *_written_down_first(attempts, sent),
        *_one_alive(await book.fetch(_ALIVE, wallet)),
        *_final_stays(await book.fetch(_MOVES, wallet)),
        *_proven(attempts),
        *await _held(book, lane),
    ]


async def _one_effect(lane: Lane, executions: Sequence[Any], attempts: Sequence[Any]) -> list[Violation]:
    """I1: what landed is in the book, at most one swap for each execution, one for each that settled."""
    by_ref = {attempt["venue_ref"]: attempt for attempt in attempts if attempt["venue_ref"]}
    found, swaps = [], Counter[str]()
    for landed in await lane.records.landed(lane.address):
        attempt = by_ref.get(landed.ref)
        if landed.ref in lane.foreign:
            continue
        if attempt is None:
            found.append(Violation("I1", f"{landed.ref} landed, and no attempt of {lane.wallet_id} is called so"))
        elif landed.swapped:
            swaps[attempt["execution_id"]] += 1
    for execution in executions:
        id_, status, count = execution["execution_id"], execution["status"], swaps[execution["execution_id"]]
        if count > 1:
            found.append(Violation("I1", f"{id_} was paid {count} times"))
        if status in FINAL and count != (status == "SETTLED"):
            found.append(Violation("I1", f"{id_} is {status}, and the chain shows {count} swaps of it"))
    return found


async def _waiting(book: Any, wallet: str) -> set[str]:
    """Executions that a person was asked about, and whose money is still held."""
    rows = await book.fetch(
        "SELECT h.execution_id FROM hold h JOIN operator_task t USING (execution_id) "
        "WHERE h.wallet_id = $1 AND h.released_at IS NULL AND t.resolved_at IS NULL",
        wallet,
    )
    return {row["execution_id"] for row in rows}


def _all_over(lane: Lane, executions: Sequence[Any], waiting: set[str]) -> list[Violation]:
    """I2: each trigger became an execution, and each of those ended, or waits for a person with its money held."""
    known = {execution["execution_id"] for execution in executions}
    lost = [
        Violation("I2", f"{id_} was acknowledged, and is not in the book") for id_ in lane.fired if id_ not in known
    ]
    stuck = [
        Violation("I2", f"{execution['execution_id']} is still {execution['status']}")
        for execution in executions
        if execution["status"] not in FINAL
        and not (execution["status"] == "UNKNOWN" and execution["execution_id"] in waiting)
    ]
    return lost + stuck


async def _exact(book: Any, lane: Lane, executions: Sequence[Any]) -> list[Violation]:
    """I3: entries sum to zero; the wallet's equal the chain, once the book has met the wallet."""
    found = [
        Violation("I3", f"entries of {row['execution_id']} in {row['asset']} sum to {row['total']}")
        for row in await book.fetch(
            "SELECT execution_id, asset, sum(amount) AS total FROM v_ledger WHERE execution_id = ANY($1) "
            "GROUP BY execution_id, asset HAVING sum(amount) <> 0",
            [execution["execution_id"] for execution in executions],
        )
    ]
    rows = await book.fetch(
        "SELECT asset, sum(amount) AS total FROM v_ledger WHERE account = $1 GROUP BY asset", f"wallet:{lane.wallet_id}"
    )
    if not rows or lane.foreign or any(execution["status"] not in FINAL for execution in executions):
        return found  # what is still open may have moved, and is not booked yet; what a thief takes, a person books
    booked = {row["asset"]: int(row["total"]) for row in rows}
    chain = await lane.records.balances(lane.address)
    return found + [
        Violation("I3", f"{asset}: the chain has {base}, the book {booked.get(asset, 0)} for {lane.wallet_id}")
        for asset, base in chain.items()
        if base != booked.get(asset, 0)
    ]


def _written_down_first(attempts: Sequence[Any], sent: Mapping[str, Sequence[datetime]]) -> list[Violation]:
    """I4: each payload that went out has an attempt row of an earlier time."""
    return [
        Violation(
            "I4", f"{attempt['venue_ref']} went out at {times[0]}, and was written down at {attempt['signed_at']}"
        )
        for attempt in attempts
        if (times := sent.get(attempt["payload_sha256"] or ""))
        if attempt["signed_at"] is None or attempt["signed_at"] > times[0]
    ]


def unknown_payloads(sent: Mapping[str, Sequence[datetime]], known: set[str]) -> list[Violation]:
    """I4, of all lanes together: nothing went out that is in no row."""
    return [Violation("I4", f"payload {sha256} went out, and is in no row") for sha256 in sent if sha256 not in known]


_ALIVE = """
SELECT a.execution_id, l.leg_no, count(DISTINCT a.nonce) AS nonces FROM attempt a JOIN leg l ON l.id = a.leg_id
WHERE l.wallet_id = $1 AND a.state = 'SIGNED'
AND (a.fate IN ('PENDING', 'UNKNOWN') OR (a.fate = 'LANDED' AND a.succeeded))
GROUP BY a.execution_id, l.leg_no HAVING count(DISTINCT a.nonce) > 1
"""


def _one_alive(rows: Sequence[Any]) -> list[Violation]:
    """I5: payloads of a leg that may all land share one nonce."""
    return [Violation("I5", f"leg {row['leg_no']} of {row['execution_id']} has {row['nonces']} alive") for row in rows]


_MOVES = """
SELECT ev.subject, ev.body->>'before' AS before, ev.body->>'after' AS after FROM event ev
JOIN execution e ON e.id = ev.subject WHERE ev.kind = 'execution.moved' AND e.wallet_id = $1 ORDER BY ev.seq
"""


def _final_stays(moves: Sequence[Any]) -> list[Violation]:
    """I6: no move leads out of a final state; I13: each move has its event, one after the other."""
    found = list[Violation]()
    last = defaultdict[str, str](lambda: "PENDING")
    for move in moves:
        if move["before"] in FINAL:
            found.append(Violation("I6", f"{move['subject']} left {move['before']} for {move['after']}"))
        if move["before"] != last[move["subject"]]:
            found.append(
                Violation("I13", f"{move['subject']} moved from {move['before']}, it was {last[move['subject']]}")
            )
        last[move["subject"]] = move["after"]
    return found


def _proven(attempts: Sequence[Any]) -> list[Violation]:
    """I7: nothing failed while a payload of it might still land."""
    return [
        Violation(
            "I7", f"{attempt['execution_id']} is {attempt['status']} with {attempt['venue_ref']} {attempt['fate']}"
        )
        for attempt in attempts
        if attempt["status"] in FINAL and attempt["venue_ref"] and attempt["fate"] not in ("LANDED", "DEAD")
    ]


async def _held(book: Any, lane: Lane) -> list[Violation]:
    """I8: one open leg a wallet; what is held is there; nothing is held for what is over."""
    found = []
    open_legs = await book.fetchval(
        "SELECT count(*) FROM leg WHERE wallet_id = $1 AND closed_at IS NULL", lane.wallet_id
    )
    if open_legs > 1:
        found.append(Violation("I8", f"{lane.wallet_id} has {open_legs} open legs"))
    left = await book.fetch(
        "SELECT h.execution_id, h.asset, h.amount, e.status FROM hold h JOIN execution e ON e.id = h.execution_id "
        "WHERE h.wallet_id = $1 AND h.released_at IS NULL",
        lane.wallet_id,
    )
    found += [
        Violation("I8", f"{row['execution_id']} is {row['status']} and holds money")
        for row in left
        if row["status"] in FINAL
    ]
    chain = await lane.records.balances(lane.address)
    sums = Counter[str]()
    for row in left:
        sums[row["asset"]] += int(row["amount"])
    # Of an execution that is open, the sold amount may be gone already: only more than one would be too much.
    if len({row["execution_id"] for row in left}) > 1:
        found += [
            Violation("I8", f"{base} of {asset} held, {chain.get(asset, 0)} there")
            for asset, base in sums.items()
            if base > chain.get(asset, 0)
        ]
    return found
