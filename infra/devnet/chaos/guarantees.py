"""What is promised, what enforces it, and so what each drill attacks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guarantee:
    """`enforced` names the constraints, chain rules and code that hold it, each with its kind."""

    id: str
    sentence: str
    enforced: tuple[tuple[str, str], ...]


DATABASE, CHAIN, CODE = "database constraint", "chain rule", "application code"

GUARANTEES: tuple[Guarantee, ...] = (
    Guarantee(
        "G1",
        "No leg of an execution has more than one effect on its chain.",
        (
            (DATABASE, "`one_live_family_per_leg`, `a_nonce_is_signed_once_per_rank`, unique trigger, leg and attempt"),
            (CHAIN, "one transaction per account nonce; one landing per signature; none after its blockhash"),
            (CODE, "`domain.attempts.next_move`: a new attempt only after proof of death"),
        ),
    ),
    Guarantee(
        "G2",
        "No byte leaves for a chain before its row is committed.",
        (
            (DATABASE, "`signed_means_stored`, `sent_means_signed`"),
            (CODE, "`activities.submit.broadcast` sends what the row holds, and nothing else sends"),
        ),
    ),
    Guarantee(
        "G3",
        "A time-out or a failed look-up is never taken for a failure, nor silence for absence.",
        ((DATABASE, "`dead_means_proven`"), (CODE, "`Fate.UNKNOWN` has no way to a new attempt")),
    ),
    Guarantee(
        "G4",
        "One occurrence of a rule's condition is one execution, whoever saw it and however often.",
        ((DATABASE, "unique (rule, occurrence), unique trigger of an execution"), (CODE, "ids derive from identity")),
    ),
    Guarantee(
        "G5",
        "Resets, replays, retries, zombies and forged messages pay nothing and invent nothing.",
        (
            (DATABASE, "compare-and-set on state and fencing token; unique venue reference"),
            (CODE, "every step answers from its record; workflow messages carry names only"),
        ),
    ),
    Guarantee(
        "G6",
        "Nothing is lost: every acknowledged trigger ends, or waits for a person with its money held.",
        ((DATABASE, "the trigger row is the outbox"), (CODE, "the sweep starts and restarts what stands still")),
    ),
    Guarantee(
        "G7",
        "The book equals the chain to the base unit, fees and reverted payloads included.",
        (
            (DATABASE, "`an_event_is_posted_once`, append-only ledger"),
            (CODE, "settlements are read from final records and must explain the wallet's differences"),
        ),
    ),
    Guarantee(
        "G8",
        "A stuck wallet or venue leaves the others alone.",
        ((DATABASE, "one lease row a wallet"), (CODE, "no lock and no queue is shared by wallets")),
    ),
    Guarantee(
        "G9",
        "What is signed does what the rule says, whatever a quote service answers.",
        ((CODE, "`domain.solana_intent`, `domain.evm_intent` judge the bytes; a simulation must agree"),),
    ),
    Guarantee(
        "G10",
        "After the kill switch, a freeze or a disabled rule, nothing is signed and nothing is sent first.",
        ((DATABASE, "the storing statement itself reads switch and wallet under lock"), (CODE, "`forbids_signing`")),
    ),
    Guarantee(
        "G11",
        "Keys leave the signer in no form, and a changed or misplaced record signs nothing.",
        ((CODE, "envelope bound to wallet and owner; wiped buffers; redaction"),),
    ),
    Guarantee(
        "G12",
        "A book restored to an older point signs nothing until it was compared with the chains.",
        ((DATABASE, "switch `restored`"), (CODE, "the audit chain's head is witnessed outside of the book")),
    ),
    Guarantee(
        "G13",
        "A key that somebody else uses halts its wallet.",
        ((DATABASE, "`account_nonce`"), (CODE, "`Venue.strangers`, foreign sightings")),
    ),
    Guarantee(
        "G14",
        "Fees stay below their caps; what is too dear waits.",
        ((CODE, "`domain.fees`, the signer's own judgement of each payload"),),
    ),
)
