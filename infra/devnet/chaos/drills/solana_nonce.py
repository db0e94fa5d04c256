"""Two payloads on one durable nonce (F44). The second is signed half a minute after the first."""

import asyncio
import base64

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import create_nonce_account
from solders.transaction import VersionedTransaction

from infra.devnet.chaos import solana
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import DropBefore

RENT_LAMPORTS = 1_447_680  # of the 80 bytes of a nonce account. Source: getMinimumBalanceForRentExemption
PAYER_LAMPORTS = 10_000_000


@drill("F44", "a swap and its cancellation race on one durable nonce", venues=("solana",), guards=("G1", "G7"))
async def durable_nonce_used_twice(scene: Scene) -> None:
    lane = await scene.lane()
    account = await _nonce_account(scene, lane.address)
    await lane.post(f"/wallets/{lane.wallet_id}/durable-nonce", {"account": account})
    cut = scene.node.arm(DropBefore(), name=scene.send)
    execution = await lane.fire()
    first = await scene.signed(execution)
    await scene.hit(cut)
    await solana.expire(scene)
    second = await scene.signed(execution, attempt_no=2)
    scene.check(first["nonce"] == second["nonce"] and account in first["nonce"], "they are not on one nonce")
    racers = scene.rng.sample([first, second], 2)
    await asyncio.gather(*(_sent(scene, racer["payload"]) for racer in racers))
    cut.disarm()
    await scene.ends(execution)
    outcomes = {one["venue_ref"]: await solana.received(scene, one["venue_ref"]) for one in racers}
    landed = [ref for ref, words in outcomes.items() if {"landed", "failed"} & set(words)]
    scene.check(len(landed) == 1, f"not one of two landed: {outcomes}")
    fates = {one["venue_ref"]: one["fate"] for one in await scene.attempts(execution)}
    loser = next(ref for ref in outcomes if ref not in landed)
    scene.check((fates[landed[0]], fates[loser]) == ("LANDED", "DEAD"), f"the book says {fates}")
    planned_anew = len(fates) - len(racers)
    scene.check(planned_anew == (landed[0] == second["venue_ref"]), f"{planned_anew} more were signed")


async def _nonce_account(scene: Scene, authority: str) -> str:
    """A final nonce account of the wallet's, which a stranger has paid for."""
    payer, nonce = Keypair(), Keypair()
    await solana.door(scene, "airdrop", address=str(payer.pubkey()), lamports=str(PAYER_LAMPORTS))
    latest = await solana.ask(scene, "getLatestBlockhash", {"commitment": "finalized"})
    made = create_nonce_account(payer.pubkey(), nonce.pubkey(), Pubkey.from_string(authority), RENT_LAMPORTS)
    message = MessageV0.try_compile(payer.pubkey(), list(made), [], Hash.from_string(latest["value"]["blockhash"]))
    await _sent(scene, bytes(VersionedTransaction(message, [payer, nonce])))

    async def final() -> bool:
        found = await solana.ask(scene, "getAccountInfo", str(nonce.pubkey()), {"commitment": "finalized"})
        return found["value"] is not None

    await scene.until(final, "the nonce account to be final")
    return str(nonce.pubkey())


async def _sent(scene: Scene, raw: bytes) -> None:
    """Straight to the node, past its proxy."""
    options = {"encoding": "base64", "skipPreflight": True}
    await solana.ask(scene, "sendTransaction", base64.b64encode(raw).decode(), options)
