"""Calls about slots, heights and blockhashes."""

from typing import Any

from infra.chains.solana.addresses import MAINNET_GENESIS_HASH
from infra.devnet.solana.chain import MAX_AGE_BLOCKS, Chain, Commitment
from infra.devnet.solana.errors import BLOCK_NOT_AVAILABLE, RpcError
from infra.devnet.solana.machine import SLOTS_PER_EPOCH
from infra.devnet.solana.params import API_VERSION, Params, in_context, view_of


def get_slot(chain: Chain, params: Params) -> int:
    return view_of(chain, params.settings(0)).slot


def get_block_height(chain: Chain, params: Params) -> int:
    return view_of(chain, params.settings(0)).height


def get_latest_blockhash(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(0))
    last_valid = block.height + MAX_AGE_BLOCKS
    return in_context(block, {"blockhash": str(block.blockhash), "lastValidBlockHeight": last_valid})


def is_blockhash_valid(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(1))
    return in_context(block, chain.knows(params.blockhash(0), block.height))


def get_block_time(chain: Chain, params: Params) -> int:
    slot = params.number(0)
    block = chain.ledger.block(slot)
    if block is None or slot > chain.block_at(Commitment.CONFIRMED).slot:
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    return block.time_s


def get_block(chain: Chain, params: Params) -> dict[str, Any]:
    """The head of a block, without its transactions. Errors: −32004."""
    slot = params.number(0)
    block, before = chain.ledger.block(slot), chain.ledger.block(slot - 1)
    if block is None or slot > view_of(chain, params.settings(1)).slot:
        raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
    return {
        "blockhash": str(block.blockhash),
        "previousBlockhash": str((before or block).blockhash),
        "parentSlot": slot - 1,
        "blockHeight": block.height,
        "blockTime": block.time_s,
    }


def get_epoch_info(chain: Chain, params: Params) -> dict[str, Any]:
    block = view_of(chain, params.settings(0))
    epoch, index = divmod(block.slot, SLOTS_PER_EPOCH)
    return {
        "absoluteSlot": block.slot,
        "blockHeight": block.height,
        "epoch": epoch,
        "slotIndex": index,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": chain.ledger.transaction_count(block.slot),
    }


def get_transaction_count(chain: Chain, params: Params) -> int:
    return chain.ledger.transaction_count(view_of(chain, params.settings(0)).slot)


def get_first_available_block(chain: Chain, params: Params) -> int:
    return chain.ledger.first_slot()


def get_genesis_hash(chain: Chain, params: Params) -> str:
    """Mainnet's, which it plays: software that checks where it is must find what it will find there."""
    return MAINNET_GENESIS_HASH


def get_health(chain: Chain, params: Params) -> str:
    return "ok"


def get_version(chain: Chain, params: Params) -> dict[str, Any]:
    return {"solana-core": API_VERSION, "feature-set": 0}
