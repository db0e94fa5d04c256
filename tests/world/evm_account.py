"""Somebody with a key on the EVM chain, who signs by himself, as any client would."""

import time
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr

from infra.devnet.evm.rpc import EvmRpc
from infra.devnet.evm.transactions import call_data, read
from tests.world.anvil import Anvil

GAS = 1_000_000
LATER_S = 3600


def later() -> int:
    """A deadline far enough, in unix seconds."""
    return int(time.time()) + LATER_S


@dataclass(slots=True)
class EvmAccount:
    node: Anvil
    key: LocalAccount = field(default_factory=Account.create)

    @property
    def address(self) -> str:
        return str(self.key.address)

    async def send(self, to: str, signature: str, *arguments: Any) -> dict[str, Any]:
        """The receipt of a call, mined; `status` 0x0 when it reverted."""
        node = self.node
        nonce = int(await node.rpc("eth_getTransactionCount", self.address, "latest"), 16)
        price = int(await node.rpc("eth_gasPrice"), 16)
        signed = self.key.sign_transaction(
            {
                "chainId": int(await node.rpc("eth_chainId"), 16),
                "nonce": nonce,
                "to": HexStr(to),
                "data": HexStr(call_data(signature, *arguments)),
                "value": 0,
                "gas": GAS,
                "maxFeePerGas": 2 * price,
                "maxPriorityFeePerGas": 1,
            }
        )
        receipt: dict[str, Any] = await node.rpc("eth_sendRawTransactionSync", "0x" + signed.raw_transaction.hex())
        return receipt

    async def would(self, to: str, signature: str, *arguments: Any) -> Any:
        """What a call would answer now, in hex. Errors: Refused, with the contract's reason."""
        call = {"from": self.address, "to": to, "data": call_data(signature, *arguments)}
        return await self.node.rpc("eth_call", call, "latest")

    async def has(self, token: str, block: str = "latest") -> int:
        async with EvmRpc(self.node.url) as rpc:
            (balance,) = await read(rpc, token, "balanceOf(address)", self.address, returns="(uint256)", block=block)
        return int(balance)
