"""Which pool pays most. V2's, and V3's of every fee, are asked in one request, so that they speak of one moment."""

from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import ChainUnavailable, NoRoute
from infra.chains.evm.rpc import EvmNode
from infra.chains.json_rpc import RpcRefusal
from infra.venues.uniswap.deployments import Deployment
from infra.venues.uniswap.reads import NoAnswer, allowance, amounts_out, is_revert, last_of, number, pool_out
from infra.venues.uniswap.trade import Trade


@dataclass(frozen=True, slots=True)
class Route:
    """One pool and what it pays now, in base units. `fee` is V3's, in millionths; None means V2."""

    router: str
    fee: int | None
    expected: int


async def best_route(node: EvmNode, deployment: Deployment, trade: Trade) -> Route:
    """The pool that pays most.

    Once the wallet has approved a router for what is sold, only that one is asked: the swap after an approval
    goes where it was approved for, and both legs are priced alike.
    Errors: NO_ROUTE (final), CHAIN_UNAVAILABLE (retried).
    """
    path = (trade.sell_token, trade.buy_token)
    prices = [amounts_out(deployment.v2_router, trade.sell_base, path)]
    prices += [pool_out(deployment.v3_quoter, trade.sell_base, path, fee) for fee in deployment.v3_fees]
    routers = () if trade.sells_native else (deployment.v2_router, deployment.v3_router)
    allowances = [allowance(trade.sell_token, trade.wallet, router) for router in routers]
    answers = await node.each([*prices, *allowances])

    v2, *v3 = answers[: len(prices)]
    routes = [Route(deployment.v2_router, None, _paid(v2, last_of))]
    routes += [
        Route(deployment.v3_router, fee, _paid(answer, number))
        for fee, answer in zip(deployment.v3_fees, v3, strict=True)
    ]
    approved = [
        router
        for router, answer in zip(routers, answers[len(prices) :], strict=True)
        if _allowed(answer, trade.sell_token) >= trade.sell_base
    ]
    usable = [route for route in routes if route.expected and (not approved or route.router in approved)]
    if not usable:
        where = f" at the approved {', '.join(approved)}" if approved else ""
        raise NoRoute(f"no Uniswap pool{where} pays for {trade.sell_base} base units of {trade.sell_token}")
    return max(usable, key=lambda route: route.expected)


def _paid(answer: bytes | RpcRefusal, read: Callable[[bytes], int]) -> int:
    """Nothing, where there is no such pool: its call reverts, or has no contract to answer it."""
    if isinstance(answer, RpcRefusal):
        if not is_revert(answer):
            raise ChainUnavailable(f"the node refuses to tell a price: {answer}")
        return 0
    try:
        return read(answer)
    except NoAnswer:
        return 0


def _allowed(answer: bytes | RpcRefusal, token: str) -> int:
    try:
        if isinstance(answer, bytes):
            return number(answer)
    except NoAnswer:
        pass
    raise ChainUnavailable(f"{token} does not tell what it lets be taken: is it an ERC-20 of this chain?")
