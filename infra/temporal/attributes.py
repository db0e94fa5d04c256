"""The search attributes by which operators find executions. `temporal-dev.yaml` registers the same names."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain.executions import Order

OWNER = SearchAttributeKey.for_keyword("TripwireOwner")
RULE = SearchAttributeKey.for_keyword("TripwireRule")
WALLET = SearchAttributeKey.for_keyword("TripwireWallet")
VENUE = SearchAttributeKey.for_keyword("TripwireVenue")
STAGE = SearchAttributeKey.for_keyword("TripwireStage")
OUTCOME = SearchAttributeKey.for_keyword("TripwireOutcome")


def of_order(order: Order) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(OWNER, order.owner_id),
            SearchAttributePair(RULE, order.rule_id),
            SearchAttributePair(WALLET, order.wallet_id),
            SearchAttributePair(VENUE, order.venue),
            SearchAttributePair(STAGE, "PENDING"),
        ]
    )
