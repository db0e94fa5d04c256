"""Lets a node run a message without sending it, and looks at what became of the wallet."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from domain.errors import ChainUnavailable
from domain.intents import Refusal
from domain.solana_intent import Payload, Terms, fee_lamports, judge_effect
from infra.chains.json_rpc import RpcRefusal
from infra.chains.solana.answers import InContext, Simulation
from infra.chains.solana.message import Read, signers_named
from infra.chains.solana.rpc import SolanaNode
from infra.venues.jupiter.accounts import CONFIRMED, accounts_of
from infra.venues.jupiter.effect import effect_of

_SIGNATURE_BYTES: Final = 64
_SIMULATION = TypeAdapter(InContext[Simulation])


async def units_used(node: SolanaNode, message: bytes) -> int | None:
    """The compute units a message takes; nothing, if it does not get through: then its examination says why.

    Errors: CHAIN_UNAVAILABLE (retried).
    """
    try:
        trial = await _simulate(node, message, ())
    except RpcRefusal:
        return None
    return trial.units if trial.err is None else None


async def objections(
    node: SolanaNode, message: bytes, read: Read, payload: Payload, terms: Terms
) -> tuple[Refusal, ...]:
    """Compare every account the message could write, before and after: nothing else can have changed.

    Errors: CHAIN_UNAVAILABLE (retried); RpcRefusal.
    """
    watched = [str(key) for key in read.writable]
    before = await accounts_of(node, watched, "confirmed")
    simulation = await _simulate(node, message, watched)
    after = simulation.accounts or []
    if simulation.err is None and len(after) != len(watched):
        raise ChainUnavailable(f"{node.host} showed {len(after)} of {len(watched)} accounts after a simulation")
    effect = effect_of(terms.wallet, watched, before, after, simulation.err)
    found = judge_effect(effect, terms, fee_lamports(payload))
    if found and simulation.err is None:
        # The simulation may stand on a newer block than `before`: a transfer in between is not its doing.
        again = await accounts_of(node, watched, "confirmed")
        if effect_of(terms.wallet, watched, before, again, None).moved:
            raise ChainUnavailable("the wallet changed while a payload was examined")
    return found


async def _simulate(node: SolanaNode, message: bytes, watched: Sequence[str]) -> Simulation:
    signers = len(signers_named(message))
    unsigned = bytes([signers]) + bytes(_SIGNATURE_BYTES * signers) + message  # signatures are not looked at
    options: dict[str, Any] = {
        **CONFIRMED,
        "encoding": "base64",
        "sigVerify": False,
        "replaceRecentBlockhash": False,
    }
    if watched:
        options["accounts"] = {"encoding": "base64", "addresses": list(watched)}
    params: list[Any] = [base64.b64encode(unsigned).decode(), options]
    return (await node.call("simulateTransaction", params, _SIMULATION)).value
