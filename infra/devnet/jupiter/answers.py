"""Answers in Jupiter's JSON. Source: the OpenAPI documents of swap v2 and v1 at dev.jup.ag."""

import base64
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from infra.chains.solana.addresses import jupiter_program_authority
from infra.chains.solana.answers import LatestBlockhash
from infra.devnet.jupiter.asked import SwapAsked
from infra.devnet.jupiter.chain import POOL_ID
from infra.devnet.jupiter.instructions import Steps
from infra.devnet.jupiter.pricing import Price

Tables = Mapping[Pubkey, tuple[Pubkey, ...]]


def quote_json(asked: SwapAsked, price: Price) -> dict[str, Any]:
    """The fields that every kind of quote shares."""
    pair = {"inputMint": asked.sell, "outputMint": asked.buy}
    amounts = {"inAmount": str(price.amount_in), "outAmount": str(price.amount_out)}
    hop = {"ammKey": str(jupiter_program_authority(POOL_ID)), "label": "Raydium", **pair, **amounts}
    return {
        **pair,
        **amounts,
        "otherAmountThreshold": str(price.threshold),
        "swapMode": "ExactIn",
        "slippageBps": asked.slippage_bps,
        "platformFee": None,
        "priceImpactPct": str(Decimal(price.impact_bps) / 10_000),
        "routePlan": [{"swapInfo": hop, "percent": 100, "bps": 10_000}],
        "contextSlot": price.slot,
        "timeTaken": 0.001,
    }


def build_json(asked: SwapAsked, price: Price, steps: Steps, latest: LatestBlockhash, tables: Tables) -> dict[str, Any]:
    """`/swap/v2/build`."""
    now_ns = time.time_ns()
    return {
        **quote_json(asked, price),
        "computeBudgetInstructions": [instruction_json(one) for one in steps.compute_budget],
        "setupInstructions": [instruction_json(one) for one in steps.setup],
        "swapInstruction": instruction_json(steps.swap),
        "cleanupInstruction": instruction_json(steps.cleanup) if steps.cleanup else None,
        "otherInstructions": [],
        "tipInstruction": None,
        "addressesByLookupTableAddress": {
            str(table): [str(address) for address in held] for table, held in tables.items()
        }
        or None,
        "blockhashWithMetadata": {
            "blockhash": list(bytes(Hash.from_string(latest.blockhash))),
            "lastValidBlockHeight": latest.last_valid_block_height,
            "fetchedAt": {
                "secs_since_epoch": now_ns // 10**9,
                "nanos_since_epoch": now_ns % 10**9,
            },
        },
    }


def order_json(
    asked: SwapAsked, price: Price, request_id: str, latest: LatestBlockhash, transaction: str | None
) -> dict[str, Any]:
    """`/swap/v2/order`. `transaction`: base64, empty when it could not be built, null without a taker."""
    return {
        "mode": "manual",
        **quote_json(asked, price),
        "priceImpact": -price.impact_bps / 100,
        "feeMint": asked.buy,
        "feeBps": 0,
        "platformFee": {"amount": "0", "feeBps": 0, "feeMint": asked.buy},
        "signatureFeeLamports": 5000,
        "signatureFeePayer": asked.taker,
        "prioritizationFeeLamports": 0,
        "rentFeeLamports": 0,
        "router": "metis",
        "transaction": transaction,
        "lastValidBlockHeight": str(latest.last_valid_block_height),
        "gasless": False,
        "requestId": request_id,
        "totalTime": 1,
        "taker": asked.taker,
    }


def v1_instructions_json(steps: Steps, tables: Tables) -> dict[str, Any]:
    """`/swap/v1/swap-instructions`."""
    return {
        "tokenLedgerInstruction": None,
        "computeBudgetInstructions": [instruction_json(one) for one in steps.compute_budget],
        "setupInstructions": [instruction_json(one) for one in steps.setup],
        "swapInstruction": instruction_json(steps.swap),
        "cleanupInstruction": instruction_json(steps.cleanup) if steps.cleanup else None,
        "otherInstructions": [],
        "addressLookupTableAddresses": [str(table) for table in tables],
    }


def instruction_json(instruction: Instruction) -> dict[str, Any]:
    return {
        "programId": str(instruction.program_id),
        "accounts": [
            {"pubkey": str(meta.pubkey), "isSigner": meta.is_signer, "isWritable": meta.is_writable}
            for meta in instruction.accounts
        ],
        "data": base64.b64encode(instruction.data).decode(),
    }
