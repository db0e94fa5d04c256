"""When a payload on a durable nonce is dead: never of age, and never to a node that may not know."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from solders.hash import Hash
from solders.keypair import Keypair

from domain.attempts import Fate
from domain.intents import NEVER, Slot
from infra.venues.jupiter.durable import cancellation
from infra.venues.protocol import Sent
from tests.unit.infra.test_jupiter_fate import FINAL, absent, look, look_at

WALLET, ACCOUNT = Keypair.from_seed(bytes([7]) * 32).pubkey(), Keypair.from_seed(bytes([8]) * 32).pubkey()
OWN, OTHER = Hash(bytes([1]) * 32), Hash(bytes([2]) * 32)
BORN, SEEN = 4_000, 5_000
SLOT = Slot(f"{ACCOUNT}/{OWN}", NEVER + BORN)
CANCELLING = bytes([1]) + bytes(64) + cancellation(SLOT, str(WALLET), price=1)
SENT = Sent(CANCELLING, "signature", SLOT, str(WALLET))


def nonces(value: Hash | None, slot: int = SEEN) -> Any:
    """A node's answer about the nonce account; None: there is no such account."""
    held = (1).to_bytes(4, "little") * 2 + bytes(WALLET) + bytes(value or b"") + bytes(8)
    state = {"lamports": 1, "owner": "1" * 32, "data": [base64.b64encode(held).decode(), "base64"]}
    return lambda named, _: {"context": {"slot": slot}, "value": [state if value else None for _ in named]}


def spent_world(**changes: Any) -> dict[str, Any]:
    """Every condition of a proof is met."""
    return {
        "getEpochInfo": {"absoluteSlot": SEEN, "blockHeight": 1_000},
        "getMultipleAccounts": nonces(OTHER),
        "getSignatureStatuses": absent(SEEN),
        "getFirstAvailableBlock": BORN,
        **changes,
    }


async def test_an_absent_payload_whose_nonce_is_used_up_is_dead_with_all_of_the_proof() -> None:
    (seen,), node = await look(spent_world(), SENT)
    assert seen.fate is Fate.DEAD
    assert dict(seen.proof) == {
        "nonce_account": str(ACCOUNT),
        "nonce_value": str(OWN),
        "nonce_value_seen": str(OTHER),
        "finalized_slot": str(SEEN),
        "status_slot": str(SEEN),
        "born_slot": str(BORN),
        "oldest_slot": str(BORN),
        "node": "one.test",
    }
    methods = [method for method, _ in node.asked]
    assert methods.index("getMultipleAccounts") < methods.index("getSignatureStatuses")
    assert node.asked[methods.index("getMultipleAccounts")][1][1]["commitment"] == "finalized"


@pytest.mark.parametrize(
    "change",
    [
        {"getMultipleAccounts": nonces(OTHER, slot=BORN - 1)},  # an older value, from before ours was read
        {"getMultipleAccounts": nonces(None)},
        {"getMultipleAccounts": 503},
        {"getMultipleAccounts": {"context": {"slot": SEEN}, "value": []}},
        {"getSignatureStatuses": absent(SEEN - 1)},  # answered from before the block that shows the nonce
        {"getSignatureStatuses": 429},
        {"getFirstAvailableBlock": BORN + 1},  # could have been in a block it has thrown away
        {"getFirstAvailableBlock": {"error": {"code": -32601, "message": "Method not found"}}},
    ],
)
async def test_whatever_is_missing_of_the_proof_leaves_the_fate_unknown(change: dict[str, Any]) -> None:
    (seen,), _ = await look(spent_world(**change), SENT)
    assert (seen.fate, seen.proof) == (Fate.UNKNOWN, ())


async def test_no_age_kills_a_payload_whose_nonce_stands() -> None:
    age = {"getEpochInfo": {"absoluteSlot": 2**50, "blockHeight": 2**50}}
    (seen,), node = await look(spent_world(getMultipleAccounts=nonces(OWN, slot=2**50), **age), SENT)
    assert seen.fate is Fate.PENDING
    assert len(node.asked) == 3


@pytest.mark.parametrize(("slot", "raisable"), [(BORN + 150, False), (BORN + 151, True)])
async def test_it_may_be_replaced_once_a_blockhash_would_have_died(slot: int, raisable: bool) -> None:
    (seen,), _ = await look(spent_world(getMultipleAccounts=nonces(OWN, slot=slot)), SENT)
    assert seen.raisable is raisable


async def test_what_is_seen_but_not_final_is_pending_whatever_its_nonce_says() -> None:
    status = {**FINAL, "confirmationStatus": "confirmed"}
    (seen,), _ = await look(spent_world(getSignatureStatuses=absent(SEEN, status)), SENT)
    assert (seen.fate, seen.seen) == (Fate.PENDING, True)


async def test_a_cancellation_that_landed_did_not_do_what_was_wanted() -> None:
    (seen,), _ = await look(spent_world(getSignatureStatuses=absent(SEEN, FINAL)), SENT)
    assert (seen.fate, seen.succeeded) == (Fate.LANDED, False)


async def test_two_nodes_have_to_prove_a_death_here_too() -> None:
    (agreed,), _ = await look_at(spent_world(), spent_world(), sent=(SENT,))
    assert agreed.fate is Fate.DEAD
    assert dict(agreed.proof)["second_nonce_value_seen"] == str(OTHER)
    behind = spent_world(getMultipleAccounts=nonces(OWN, slot=BORN))
    (alone,), _ = await look_at(spent_world(), behind, sent=(SENT,))
    assert alone.fate is Fate.UNKNOWN


async def test_many_nonces_are_read_by_the_hundred_and_each_counts_for_its_own() -> None:
    def told(named: list[str], _: Any) -> Any:
        assert len(named) <= 100
        answers = [nonces(OTHER if name == str(ACCOUNT) else OWN)([name], _)["value"][0] for name in named]
        return {"context": {"slot": SEEN}, "value": answers}

    others = [Slot(f"{Keypair().pubkey()}/{OWN}", NEVER + BORN) for _ in range(249)]
    sent = (SENT, *(replace(SENT, venue_ref=str(no), slot=slot) for no, slot in enumerate(others)))
    seen, node = await look(spent_world(getMultipleAccounts=told), *sent)
    assert [one.fate for one in seen] == [Fate.DEAD, *[Fate.PENDING] * 249]
    assert [method for method, _ in node.asked].count("getMultipleAccounts") == 3
