"""What has to be true of a rule before it is written down, beyond its own shape."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api.assembly import Tools
from domain.errors import InvalidInput, MarketUnknown, NotFound
from domain.rules import RuleSpec


async def check(at: Tools, owner_id: str, spec: RuleSpec) -> None:
    """The wallet is the owner's, its family trades the assets, and the source has the market.

    Errors: INVALID_INPUT (final), naming the field; FEED_UNAVAILABLE, FEED_NONSENSE (retried).
    """
    try:
        wallet = await at.wallets.find(owner_id, spec.wallet_id)
    except NotFound as error:
        raise InvalidInput(str(error), "wallet_id") from None
    spec.intent(wallet.chain, wallet.address)
    try:
        await at.feeds[spec.trigger.venue].snapshot(spec.trigger.market)
    except MarketUnknown as error:
        raise InvalidInput(str(error), "trigger.market") from None


def changed(spec: RuleSpec, changes: Mapping[str, Any]) -> RuleSpec:
    """A rule's spec with a JSON merge patch (RFC 7396) applied. Errors: INVALID_INPUT (final), as for a body."""
    document = _merged(json.loads(spec.model_dump_json()), changes)
    try:
        return RuleSpec.model_validate_json(json.dumps(document))
    except ValidationError as error:
        found = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_input=False)]
        raise RequestValidationError(found) from None


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged
