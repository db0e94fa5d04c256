"""An EVM node that says what it is told, over its own HTTP, one call or many; and payloads to ask it about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from domain.fees import Offer
from domain.intents import Slot
from infra.chains.evm.rpc import EvmRpc
from infra.chains.evm.transaction import Transaction, message, seal, transaction_hash
from infra.venues.protocol import Sent

CHAIN = 31337
GWEI = 10**9
KEY = PrivateKey(keccak(b"the wallet of these tests"))
ADDRESS = KEY.public_key.to_checksum_address()
ROUTER = PrivateKey(keccak(b"somebody else")).public_key.to_checksum_address()
DEADLINE = 2_000_000_000


@dataclass
class Script:
    """A node's answers by method; an int is an HTTP status, a dict with `error` a refusal."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        calls = body if isinstance(body, list) else [body]
        self.requests.append([call["method"] for call in calls])
        answers = [self.answer(call) for call in calls]
        status = next((one for one in answers if isinstance(one, int)), None)
        if status is not None:
            return httpx.Response(status)
        return httpx.Response(
            200, json=answers[::-1] if isinstance(body, list) else answers[0]
        )  # order is not promised

    def answer(self, call: Mapping[str, Any]) -> Any:
        method, params = call["method"], call["params"]
        self.asked.append((method, params))
        said = self.answers.get(method, hex(CHAIN) if method == "eth_chainId" else 503)
        if callable(said):
            said = said(*params)
        if isinstance(said, int):
            return said
        if isinstance(said, dict) and "error" in said:
            return {"jsonrpc": "2.0", "id": call["id"], **said}
        return {"jsonrpc": "2.0", "id": call["id"], "result": said}


def rpc_of(http: httpx.AsyncClient, *hosts: str) -> EvmRpc:
    return EvmRpc(tuple(f"http://{host}/secret?key=secret" for host in hosts), CHAIN, http, deadline_s=0.5)


def transport(**nodes: Script) -> httpx.MockTransport:
    """Each node under its name as host."""
    return httpx.MockTransport(lambda request: nodes[request.url.host](request))


def payload(
    nonce: int = 5,
    offer: Offer = Offer(20 * GWEI, 2 * GWEI),
    key: PrivateKey = KEY,
    to: str = ROUTER,
    value_wei: int = 0,
    data: bytes = b"swap",
    chain_number: int = CHAIN,
) -> Sent:
    unsigned = message(Transaction(chain_number, nonce, offer, 200_000, to, value_wei, data))
    signature = key.sign_msg_hash(keccak(unsigned))
    raw = seal(unsigned, signature.to_bytes())
    return Sent(raw, transaction_hash(raw), Slot(str(nonce), DEADLINE), key.public_key.to_checksum_address())
