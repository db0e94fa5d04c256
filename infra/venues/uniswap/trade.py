"""An intent in the words of its chain."""

from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from domain.assets import BY_CHAIN, WRAPPED
from domain.chains import Chain
from domain.errors import InvalidInput
from domain.intents import Intent
from domain.money import Asset


@dataclass(frozen=True, slots=True)
class Trade:
    """Tokens by address, EIP-55; for the native asset stands its wrapped form, which is what pools hold."""

    wallet: str
    sell_token: str
    sells_native: bool
    sell_base: int
    buy_token: str
    buys_native: bool


def trade_of(intent: Intent, chain: Chain) -> Trade:
    """Errors: INVALID_INPUT (final), for assets of another chain, and for two that are one to a pool."""
    sell_token, sells_native = _token(intent.sell.asset, chain)
    buy_token, buys_native = _token(intent.buy, chain)
    if sell_token == buy_token:
        raise InvalidInput(f"{intent.sell.asset.symbol} for {intent.buy.symbol} is no trade: name two different assets")
    wallet = to_checksum_address(intent.destination)
    return Trade(wallet, sell_token, sells_native, intent.sell.base, buy_token, buys_native)


def native(chain: Chain) -> Asset:
    """What fees are paid in."""
    (found,) = (asset for asset in BY_CHAIN[chain.name].values() if "/slip44:" in asset.id)
    return found


def erc20_address(asset: Asset, chain: Chain) -> str:
    """Where a token's contract is. Errors: INVALID_INPUT (final)."""
    network, _, address = asset.id.partition("/erc20:")
    if network != f"eip155:{chain.number}" or not address:
        raise InvalidInput(f"{asset.symbol} ({asset.id}) is no asset of {chain.name}")
    return str(to_checksum_address(address))


def _token(asset: Asset, chain: Chain) -> tuple[str, bool]:
    """The token that pools know an asset by, and whether the asset is the native one. Errors: INVALID_INPUT (final)."""
    if asset.id == native(chain).id:
        return erc20_address(WRAPPED[chain.name], chain), True
    return erc20_address(asset, chain), False
