"""Named failures. Codes are public: new ones may be added, none is ever renamed or reused."""

from typing import ClassVar


class TripwireError(Exception):
    """A named failure, told to people as a sentence that names what to do."""

    code: ClassVar[str]
    retryable: ClassVar[bool]  # may the same call, unchanged, succeed later?


class InvalidInput(TripwireError):
    """A value from outside that no part of the product can use; `field` is its path in the body."""

    code, retryable = "INVALID_INPUT", False

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFound(TripwireError):
    """Also what a stranger hears about another owner's things: existence is not told."""

    code, retryable = "NOT_FOUND", False


class Unauthenticated(TripwireError):
    code, retryable = "UNAUTHENTICATED", False


class Forbidden(TripwireError):
    code, retryable = "FORBIDDEN", False


class IdempotencyMismatch(TripwireError):
    code, retryable = "IDEMPOTENCY_MISMATCH", False


class IllegalTransition(TripwireError):
    """A state machine was asked for a move that its table does not hold."""

    code, retryable = "ILLEGAL_TRANSITION", False


class MoveNotSafe(TripwireError):
    """An operator's move that could lose or pay money as things are; `would_be_safe` says what would change that."""

    code, retryable = "MOVE_NOT_SAFE", False

    def __init__(self, reason: str, would_be_safe: str) -> None:
        super().__init__(reason)
        self.would_be_safe = would_be_safe


class RaceLost(TripwireError):
    """A compare-and-set matched no row: somebody else moved first. Read again; never force."""

    code, retryable = "RACE_LOST", True


class IntegrityBroken(TripwireError):
    """The book contradicts itself. Work on this execution stops until a person has looked."""

    code, retryable = "INTEGRITY_BROKEN", False


class BookRestored(TripwireError):
    """The book was put back to an older state. Nothing moves until an operator has compared it with the chain."""

    code, retryable = "BOOK_RESTORED", True


class BookBehind(TripwireError):
    """Temporal knows of a step that the book does not hold: the book is older. Everything is to be halted."""

    code, retryable = "BOOK_BEHIND_TEMPORAL", False


class LeaseLost(TripwireError):
    """The wallet's lease is held by another execution, or under a newer fencing token."""

    code, retryable = "LEASE_LOST", False


class FeedUnavailable(TripwireError):
    code, retryable = "FEED_UNAVAILABLE", True


class FeedNonsense(TripwireError):
    code, retryable = "FEED_NONSENSE", True


class MarketUnknown(TripwireError):
    code, retryable = "MARKET_UNKNOWN", False


class QuoteUnavailable(TripwireError):
    """The quote service is down, slow, limiting, or answers nonsense. Nothing was signed."""

    code, retryable = "QUOTE_UNAVAILABLE", True


class NoRoute(TripwireError):
    code, retryable = "NO_ROUTE", False


class ChainUnavailable(TripwireError):
    """No usable answer from a node: what was sent may or may not have arrived."""

    code, retryable = "CHAIN_UNAVAILABLE", True


class ForeignNonce(TripwireError):
    """The chain has seen a transaction of this wallet that the book does not know: its key is not ours alone."""

    code, retryable = "FOREIGN_NONCE", False


class FeesAboveCap(TripwireError):
    """The network asks for more than the cap. Nothing was signed; it is tried again until fees fall."""

    code, retryable = "FEES_ABOVE_CAP", True


class SettlementUnreadable(TripwireError):
    """The transaction is final, but the node cannot show its balances yet."""

    code, retryable = "SETTLEMENT_UNREADABLE", True


class SigningUnavailable(TripwireError):
    """The key service is throttled or down. The wallet waits; there is no other way to the key."""

    code, retryable = "SIGNING_UNAVAILABLE", True


class KeyAccessDenied(TripwireError):
    """The key service refuses: a disabled key, no credentials, no permission. Waiting will not help."""

    code, retryable = "KEY_ACCESS_DENIED", False


class SealedKeyBroken(KeyAccessDenied):
    """A wallet's sealed key was changed, or belongs to another wallet or owner. Nobody but a person can say why."""

    code, retryable = "SEALED_KEY_BROKEN", False
