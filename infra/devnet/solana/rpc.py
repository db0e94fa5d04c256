"""JSON-RPC 2.0: one call or a batch in, the same out."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from infra.devnet.solana import account_calls, block_calls, history_calls, send_calls
from infra.devnet.solana.chain import Chain
from infra.devnet.solana.errors import INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError
from infra.devnet.solana.params import Params

CALLS: Final[Mapping[str, Callable[[Chain, Params], Any]]] = {
    "getAccountInfo": account_calls.get_account_info,
    "getBalance": account_calls.get_balance,
    "getMinimumBalanceForRentExemption": account_calls.get_minimum_balance_for_rent_exemption,
    "getMultipleAccounts": account_calls.get_multiple_accounts,
    "getTokenAccountBalance": account_calls.get_token_account_balance,
    "getTokenAccountsByOwner": account_calls.get_token_accounts_by_owner,
    "getTokenSupply": account_calls.get_token_supply,
    "getBlock": block_calls.get_block,
    "getBlockHeight": block_calls.get_block_height,
    "getBlockTime": block_calls.get_block_time,
    "getEpochInfo": block_calls.get_epoch_info,
    "getFirstAvailableBlock": block_calls.get_first_available_block,
    "getGenesisHash": block_calls.get_genesis_hash,
    "getHealth": block_calls.get_health,
    "getLatestBlockhash": block_calls.get_latest_blockhash,
    "getSlot": block_calls.get_slot,
    "getTransactionCount": block_calls.get_transaction_count,
    "getVersion": block_calls.get_version,
    "isBlockhashValid": block_calls.is_blockhash_valid,
    "getPriorityFeeEstimate": history_calls.get_priority_fee_estimate,
    "getRecentPrioritizationFees": history_calls.get_recent_prioritization_fees,
    "getSignatureStatuses": history_calls.get_signature_statuses,
    "getSignaturesForAddress": history_calls.get_signatures_for_address,
    "getTransaction": history_calls.get_transaction,
    "getFeeForMessage": send_calls.get_fee_for_message,
    "requestAirdrop": send_calls.request_airdrop,
    "sendTransaction": send_calls.send_transaction,
    "simulateTransaction": send_calls.simulate_transaction,
}


def answer(chain: Chain, body: bytes) -> Any:
    """Every call of a body, in order. A bad call spoils only its own answer."""
    try:
        asked = json.loads(body)
    except ValueError:
        return _reply(None, error=RpcError(PARSE_ERROR, "Parse error"))
    if isinstance(asked, list) and asked:
        return [_one(chain, call) for call in asked]
    return _one(chain, asked)


def _one(chain: Chain, call: Any) -> dict[str, Any]:
    if not isinstance(call, dict) or not isinstance(call.get("method"), str):
        return _reply(None, error=RpcError(INVALID_REQUEST, "Invalid request"))
    try:
        run = CALLS.get(call["method"])
        if run is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return {"jsonrpc": "2.0", "result": run(chain, Params(call.get("params") or [])), "id": call.get("id")}
    except RpcError as error:
        return _reply(call.get("id"), error)


def _reply(call_id: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": error.as_json(), "id": call_id}
