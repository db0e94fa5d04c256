"""JSON-RPC to a node of the embedded world, its `anvil_` methods included. One try, with a deadline."""

from types import TracebackType
from typing import Any, Self

import httpx

CALL_TIMEOUT_S = 30  # the machine may be busy with other tests


class Refused(Exception):
    """The node answered with an error. `code` and `data` are its own; `data` holds a revert's bytes, in hex."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message')}")
        self.code = error.get("code")
        self.data = error.get("data")


class EvmRpc:
    """Open it by `async with`. Proxies of the surroundings are left out: it is our own machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(trust_env=False, timeout=CALL_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def call(self, method: str, *params: Any) -> Any:
        """The `result`. Errors: Refused; httpx.HTTPError when there is no answer."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        reply = (await self._http.post(self.url, json=body)).raise_for_status().json()
        if "error" in reply:
            raise Refused(method, reply["error"])
        return reply["result"]


async def settled_state_is_readable(url: str) -> bool:
    """Whether a node answers, and knows balances at `finalized`: just after a restart anvil does not."""
    async with EvmRpc(url) as rpc:
        try:
            await rpc.call("eth_getBalance", "0x" + 40 * "0", "finalized")
        except (httpx.HTTPError, ValueError, Refused):
            return False
    return True
