"""Tokens and pools that do otherwise than they did when asked (F37). The only token traded is USDC, so they are it."""

from typing import Any

from eth_utils.crypto import keccak

from domain import assets
from infra.devnet.chaos.anvil import GWEI, Anvil, blocks_by_hand, code_at, hands, pooled
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.evm.addresses import DEPLOYER, USDC
from infra.devnet.evm.artifacts import own_tokens
from infra.devnet.evm.liquidity import ETHER, pair_address
from infra.devnet.evm.toolchain import evm_toolchain
from infra.devnet.evm.transactions import call_data, read, transact
from infra.devnet.proxy.modes import Pass, Replace
from infra.devnet.proxy.request import Request

FINAL_AFTER = 3  # blocks: a transaction's own, and the two on top that make it final
TOO_LITTLE_GAS = hex(30_000)  # what a swap takes is three times that, and more than is added to spare
DEAR = {"maxFeePerGas": hex(100 * GWEI), "maxPriorityFeePerGas": hex(10 * GWEI)}  # first in its block
BURNED = "0x" + 64 * "0"


@drill("F37", "the token refuses to be approved", venues=("evm",), guards=("G7",))
async def approval_refused(scene: Scene) -> None:
    """Asked before, nothing is signed; in its block, the fee is booked and the swap never signed."""
    lane, later = await scene.lane(), await scene.lane()
    stubborn = own_tokens(evm_toolchain())["StubbornToken"]
    async with hands(scene) as anvil, code_at(anvil, USDC, stubborn):
        execution = await lane.fire()
        await scene.ends(execution, "BLOCKED")
        scene.check(not any(one["venue_ref"] for one in await scene.attempts(execution)), "it was signed")
    async with blocks_by_hand(scene) as anvil:
        execution = await later.fire()
        attempt = await pooled(scene, anvil, execution)
        async with code_at(anvil, USDC, stubborn):
            await anvil.mine(FINAL_AFTER)
        await _reverted(scene, anvil, attempt["venue_ref"])
        await anvil.go_on()
        await scene.ends(execution, "FAILED")
    scene.check(len(await scene.attempts(execution)) == 1, "something was signed after the approval had failed")


@drill("F37", "the node says that a swap needs a third of its gas", venues=("evm",), guards=("G1", "G7"))
async def out_of_gas(scene: Scene) -> None:
    lane, swap = await scene.lane(), scene.records.legs
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        await pooled(scene, anvil, execution)
        short = scene.node.arm(Replace(_too_little), name="eth_estimateGas")
        fine = scene.node.arm(Replace(_no_objection), when=_is_a_trial)
        await anvil.mine(FINAL_AFTER)
        first = await pooled(scene, anvil, execution, swap)
        scene.check(short.hits > 0 and fine.hits > 0, "nobody asked how much gas it needs")
        scene.proxies.clear()
        await anvil.mine(FINAL_AFTER)
        await _reverted(scene, anvil, first["venue_ref"])
        await anvil.go_on()
        await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == swap + 1, "it was not one failure and one success")


@drill("F37", "the token keeps a part of what is sold or bought", venues=("evm",), guards=("G7", "G9"))
async def taxed(scene: Scene) -> None:
    """Bought, what arrives is booked; sold, the pool would refuse it, so nothing is signed until it takes it."""
    buyer, seller = await scene.lane(), await scene.lane()
    tax = own_tokens(evm_toolchain())["TaxedToken"]
    async with hands(scene) as anvil, code_at(anvil, USDC, tax):
        purchase = await buyer.fire(await buyer.rule("0.01", sell="ETH", buy="USDC"))
        await scene.ends(purchase)
        (attempt,) = await scene.attempts(purchase)
        receipt = await anvil.receipt(attempt["venue_ref"])
        burns = [log for log in receipt["logs"] if log["topics"][2:] == [BURNED]] if receipt else []
        scene.check(len(burns) == 1, "nothing was kept")
        scene.check(
            await _bought(scene, purchase) == _arrived(receipt, buyer.address), "other than what arrived is booked"
        )
        sale = await seller.fire()
        await scene.signed(sale)
        refused = scene.node.arm(Pass(), name="eth_estimateGas")
        await scene.hit(refused, 3)
        signed = [one for one in await scene.attempts(sale) if one["leg_no"] > 1 and one["venue_ref"]]
        scene.check(not signed, "a swap that cannot pass was signed")
    await scene.ends(sale)


@drill("F37", "the price runs away between the last check and the block", venues=("evm",), guards=("G7", "G9"))
async def minimum_missed(scene: Scene) -> None:
    lane, swap = await scene.lane(), scene.records.legs
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        await pooled(scene, anvil, execution)
        await anvil.mine(FINAL_AFTER)
        first = await pooled(scene, anvil, execution, swap)
        pair = await pair_address(anvil.rpc, USDC)
        before = await _usdc_of(anvil, pair)
        try:
            await _set_reserve(anvil, pair, before * 11 // 10)
            await anvil.mine(FINAL_AFTER)
            await _reverted(scene, anvil, first["venue_ref"])
            await anvil.go_on()
            await scene.ends(execution)
        finally:
            await _set_reserve(anvil, pair, before)
    scene.check(len(await scene.attempts(execution)) == swap + 1, "it was not one failure and one success")


async def _reverted(scene: Scene, anvil: Anvil, hash_: str) -> None:
    receipt = await anvil.receipt(hash_)
    scene.check(receipt is not None and receipt["status"] == "0x0", f"it has not reverted: {receipt}")


def _is_a_trial(request: Request) -> bool:
    """The simulation of what is about to be signed is the only call that says how much gas there is."""
    return any(call.method == "eth_call" and "gas" in call.params[0] for call in request.calls)


def _no_objection(told: Any) -> Any:
    return {"jsonrpc": "2.0", "id": told["id"], "result": "0x"}


def _too_little(told: Any) -> Any:
    """Asked in one request with the history of fees, which is an object."""
    return [{**one, "result": TOO_LITTLE_GAS} if isinstance(one.get("result"), str) else one for one in told]


async def _usdc_of(anvil: Anvil, owner: str) -> int:
    (held,) = await read(anvil.rpc, USDC, "balanceOf(address)", owner, returns="(uint256)")
    return int(held)


async def _set_reserve(anvil: Anvil, pair: str, usdc: int) -> None:
    """The pair holds so many dollars, and knows it; before whatever else waits for a block."""
    place = keccak(bytes.fromhex(pair[2:].rjust(64, "0")) + (1).to_bytes(32, "big"))  # `balanceOf` is DevToken's second
    await anvil.call("anvil_setStorageAt", USDC, "0x" + place.hex(), f"0x{usdc:064x}")
    await anvil.call("anvil_impersonateAccount", DEPLOYER)
    await anvil.call("anvil_setBalance", DEPLOYER, hex(ETHER))
    await transact(anvil.rpc, DEPLOYER, {"to": pair, "data": call_data("sync()"), **DEAR})


async def _bought(scene: Scene, execution: str) -> int:
    """Base units of dollars that the wallet gained, by the ledger."""
    rows = await scene.rows(
        "SELECT sum(amount) AS base FROM v_ledger WHERE execution_id = $1 AND asset = $2 AND account LIKE 'wallet:%' "
        "AND kind <> 'outside'",
        execution,
        assets.BY_CHAIN["anvil"]["USDC"].id,
    )
    return int(rows[0]["base"] or 0)


def _arrived(receipt: Any, owner: str) -> int:
    """Base units of dollars that were transferred to an address, by the chain's logs."""
    return sum(
        int(log["data"], 16)
        for log in receipt["logs"]
        if log["address"].lower() == USDC.lower()
        if len(log["topics"]) == 3 and log["topics"][2][-40:].lower() == owner[2:].lower()
    )
