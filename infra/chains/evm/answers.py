"""The shapes of a node's answers, checked as they come in. Source: ethereum/execution-apis."""

import re
from typing import Annotated, Any, Final

from eth_utils.address import to_checksum_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)
_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def _told(shape: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise ValueError(f"not of the form {shape.pattern}")
    return value


Quantity = Annotated[int, BeforeValidator(lambda value: int(_told(_QUANTITY, value), 16))]
Data = Annotated[bytes, BeforeValidator(lambda value: bytes.fromhex(_told(_DATA, value)[2:]))]
Hash = Annotated[str, BeforeValidator(lambda value: _told(_HASH, value).lower())]
Address = Annotated[str, BeforeValidator(lambda value: to_checksum_address(_told(_ADDRESS, value)))]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Log(_Answer):
    address: Address
    topics: list[Hash]
    data: Data
    index: Quantity = Field(alias="logIndex")


class TransactionReceipt(_Answer):
    """What a transaction did in the block that holds it, for now. Gas in units, price in wei per gas."""

    hash: Hash = Field(alias="transactionHash")
    index: Quantity = Field(alias="transactionIndex")
    sender: Address = Field(alias="from")
    block_hash: Hash = Field(alias="blockHash")
    block_number: Quantity = Field(alias="blockNumber")
    status: Quantity = Field(le=1)
    gas_used: Quantity = Field(alias="gasUsed")
    gas_price_wei: Quantity = Field(alias="effectiveGasPrice")
    logs: list[Log]

    @property
    def succeeded(self) -> bool:
        return self.status == 1


class Block(_Answer):
    """A block, asked for with the hashes of its transactions alone. `timestamp` is unix seconds."""

    number: Quantity
    hash: Hash
    timestamp: Quantity
    transactions: list[Hash]


class FeeHistory(_Answer):
    """Wei per gas. `base_fees` ends with the next block's; `rewards` has, by block, the percentiles asked for."""

    base_fees: list[Quantity] = Field(alias="baseFeePerGas", min_length=1)
    rewards: list[list[Quantity]] | None = Field(default=None, alias="reward")


QUANTITY: Final = TypeAdapter(Quantity)
DATA: Final = TypeAdapter(Data)
HASH: Final = TypeAdapter(Hash)
BLOCK: Final = TypeAdapter(Block)
BLOCK_OR_NONE: Final = TypeAdapter(Block | None)
RECEIPT_OR_NONE: Final = TypeAdapter(TransactionReceipt | None)
FEE_HISTORY: Final = TypeAdapter(FeeHistory)
