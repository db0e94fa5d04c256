"""Every key of the product, derived from what a thing is and never from chance, a try or a run id.

A reset, replayed or duplicated run computes the same keys, and so meets the rows of the first one.
"""

import hashlib
import json
from base64 import b32encode
from collections.abc import Mapping

ID_LENGTH = 26  # 130 bits of SHA-256: no collision in the life of the product


def _digest(kind: str, *parts: str) -> str:
    # Each part is quoted, so no two different lists of parts can read alike.
    text = json.dumps([kind, *parts], separators=(",", ":"), ensure_ascii=True)
    return b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:ID_LENGTH]


def trigger_id(rule_id: str, occurrence: str) -> str:
    """One id per rule and occurrence, whoever saw it and however often."""
    return "trg_" + _digest("trigger", rule_id, occurrence)


def execution_id(of_trigger: str) -> str:
    return "exe_" + _digest("execution", of_trigger)


def workflow_id(of_trigger: str) -> str:
    return f"execution/{of_trigger}"


def crossing(activation: int) -> str:
    """The occurrence of a condition that came true during a rule's n-th activation.

    A rule leaves ACTIVE when it fires, so one activation holds one crossing at most. Two watchers
    that see the same crossing at different prices therefore still name the same occurrence.
    """
    return f"crossing/{activation}"


def by_hand(idempotency_key: str) -> str:
    return f"manual/{idempotency_key}"


def is_by_hand(occurrence: str) -> bool:
    return occurrence.startswith("manual/")


def leg_id(of_execution: str, leg_no: int) -> str:
    return "leg_" + _digest("leg", of_execution, str(leg_no))


def attempt_id(of_leg: str, attempt_no: int) -> str:
    return "att_" + _digest("attempt", of_leg, str(attempt_no))


def owner_id(idempotency_key: str) -> str:
    return "own_" + _digest("owner", idempotency_key)


def api_key_id(of_party: str, idempotency_key: str) -> str:
    return "key_" + _digest("api_key", of_party, idempotency_key)


def wallet_id(of_owner: str, idempotency_key: str) -> str:
    return "wal_" + _digest("wallet", of_owner, idempotency_key)


def rule_id(of_owner: str, idempotency_key: str) -> str:
    return "rul_" + _digest("rule", of_owner, idempotency_key)


def canonical(body: Mapping[str, object]) -> str:
    """A JSON text that is the same for equal bodies, for hashing and comparing."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def fingerprint(body: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical(body).encode()).hexdigest()
