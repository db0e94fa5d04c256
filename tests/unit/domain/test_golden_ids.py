"""Ids that are in books already: were they ever computed otherwise, the same trigger would pay again."""

from domain import identity
from domain.audit import GENESIS, seal

TRIGGER = "trg_hypef3l34tm5fkjywo3vmefp4k"
EXECUTION = "exe_ite5rxkxodcumuouhox3qr5wjp"
LEG = "leg_sgl7vl4hxrtmeyutzjtcp4uhh3"


def test_ids_stay_what_they_were_in_the_first_release() -> None:
    assert identity.trigger_id("rul_one", identity.crossing(1)) == TRIGGER
    assert identity.trigger_id("rul_one", identity.by_hand("k")) == "trg_nqpvqlvjlzjglfgu65ytpcvhme"
    assert identity.execution_id(TRIGGER) == EXECUTION
    assert identity.workflow_id(TRIGGER) == f"execution/{TRIGGER}"
    assert identity.leg_id(EXECUTION, 1) == LEG
    assert identity.attempt_id(LEG, 1) == "att_rnbtrbcfogi2zszwv47hhacoqn"
    assert identity.owner_id("k") == "own_o2k4py2hlf2szjwswglfeetcla"
    assert identity.api_key_id("own_a", "k") == "key_s5pjp4bfg77qx7vv44vikdsb5u"
    assert identity.wallet_id("own_a", "k") == "wal_epsgftncprqechpqwd76rcfi5d"
    assert identity.rule_id("own_a", "k") == "rul_opkmkkechzlf4dncybnvxxatt7"
    assert identity.attempt_id(LEG, 2) == "att_hik3cuixp2267sqlujcucd6wzz"


def test_occurrences_stay_what_they_were_in_the_first_release() -> None:
    assert identity.crossing(7) == "crossing/7"
    assert identity.by_hand("a key") == "manual/a key"


def test_fingerprints_and_seals_stay_what_they_were_in_the_first_release() -> None:
    body = {"b": 1, "a": [True, None, "é"]}
    assert identity.canonical(body) == '{"a":[true,null,"\\u00e9"],"b":1}'
    assert identity.fingerprint(body) == "ef6470ba9d8048e5122c7f3dc9137c14e6d052bd3a8d2c3318d19cc8c1e22b3c"
    sealed = seal(1, {"kind": "rule.created", "subject": "rul_one"}, GENESIS)
    assert sealed == "4576e8300fed543a62927110d4976ed1697ab45df14b56c596ba746f7fe78b81"
