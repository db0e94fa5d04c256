"""Money as the API tells it: a decimal string of whole units, beside the exact base units."""

from pydantic import BaseModel, ConfigDict

from domain import assets
from domain.money import Amount


class AmountAnswer(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "amount": "50.25",
                "asset": "USDC",
                "asset_id": assets.SOLANA_USDC.id,
                "base": "50250000",
            }
        }
    )
    amount: str
    asset: str
    asset_id: str
    base: str


def told(amount: Amount) -> AmountAnswer:
    return AmountAnswer(amount=str(amount), asset=amount.asset.symbol, asset_id=amount.asset.id, base=str(amount.base))
