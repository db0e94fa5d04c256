"""The upstreams of the product, each with a proxy before it."""

import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self, get_args, overload

from infra.devnet.ports import LOOPBACK
from infra.devnet.proxy.http import HttpFaultProxy
from infra.devnet.proxy.tcp import TcpFaultProxy

# By the names of the world's ports. One more upstream is one more name here.
Http = Literal["kms", "solana", "evm", "jupiter", "kalshi"]
Tcp = Literal["postgres", "temporal", "kalshi websocket"]


class Proxies:
    """`proxies["solana"]` stands before the port of that name. Each draws its chances apart from the others."""

    def __init__(self, ports: Mapping[str, int], seed: int) -> None:
        def rng(name: str) -> random.Random:
            return random.Random(f"{seed}/{name}")  # noqa: S311 - faults shall replay

        self._all: dict[str, HttpFaultProxy | TcpFaultProxy] = {
            **{name: HttpFaultProxy(f"http://{LOOPBACK}:{ports[name]}", rng(name)) for name in get_args(Http)},
            **{name: TcpFaultProxy(LOOPBACK, ports[name], rng(name)) for name in get_args(Tcp)},
        }
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            for proxy in self._all.values():
                await opening.enter_async_context(proxy)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    @overload
    def __getitem__(self, name: Http) -> HttpFaultProxy: ...

    @overload
    def __getitem__(self, name: Tcp) -> TcpFaultProxy: ...

    def __getitem__(self, name: Http | Tcp) -> HttpFaultProxy | TcpFaultProxy:
        return self._all[name]

    @property
    def ports(self) -> dict[str, int]:
        """Where the proxies listen, by the same names."""
        return {name: proxy.port for name, proxy in self._all.items()}

    def clear(self) -> None:
        """Every upstream is well again."""
        for proxy in self._all.values():
            proxy.clear()
