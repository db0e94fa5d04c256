"""The only EVM node there is hides, invents, confuses chains or lives in the past (F36)."""

from collections.abc import Callable
from typing import Any

from infra.devnet.chaos.anvil import Anvil, blocks_by_hand, pooled
from infra.devnet.chaos.drill import drill
from infra.devnet.chaos.scene import Scene
from infra.devnet.proxy.modes import LieNull, Replace
from infra.devnet.proxy.request import Request

FINAL_AFTER = 3  # blocks: a transaction's own, and the two on top that make it final
RECEIPT = "eth_getTransactionReceipt"
MAINNET = "0x1"


@drill("F36", "the node hides receipts until they are all but final", venues=("evm",), guards=("G1", "G3"))
async def hidden_until_late(scene: Scene) -> None:
    lane = await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        attempt = await pooled(scene, anvil, execution)
        hidden = scene.node.arm(LieNull(), when=_only(RECEIPT))
        await anvil.mine(2)
        scene.check(await anvil.receipt(attempt["venue_ref"]) is not None, "there was nothing to hide")
        await scene.hit(hidden, hidden.hits + 4)
        scene.check(len(await scene.attempts(execution)) == 1, "silence was taken for absence")
        hidden.disarm()
        await anvil.go_on()
        await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "something was signed anew")


@drill("F36", "the node hides a final receipt, and counts its nonce", venues=("evm",), guards=("G1", "G3", "G13"))
async def hidden_for_good(scene: Scene) -> None:
    """With one node this looks like a stranger's doing: the wallet halts, and the truth wins once it is told."""
    lane, swap = await scene.lane(), scene.records.legs
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        await pooled(scene, anvil, execution)
        await anvil.mine(FINAL_AFTER)
        attempt = await pooled(scene, anvil, execution, swap)
        hidden = scene.node.arm(LieNull(), when=_only(RECEIPT))
        await anvil.mine(FINAL_AFTER)
        await scene.reaches(execution, "UNKNOWN")
        scene.check(hidden.hits > 0, "nothing was hidden")
        scene.check(await anvil.receipt(attempt["venue_ref"]) is not None, "there was nothing to hide")
        scene.check(await scene.frozen(lane), "the wallet goes on signing")
        scene.check("FOREIGN_NONCE" in await scene.tasks(lane), f"nobody was asked: {await scene.tasks(lane)}")
        hidden.disarm()
        await anvil.go_on()
        await scene.reaches(execution, "SETTLED", seconds=150)  # it looks again after a minute
    scene.check(len(await scene.attempts(execution)) == swap, "something was signed anew")


@drill("F36", "the node invents a receipt in a block without it", venues=("evm",), guards=("G1", "G7"), quick=True)
async def invented_receipt(scene: Scene) -> None:
    lane = await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        attempt = await pooled(scene, anvil, execution)
        invented = await _receipt(anvil, attempt["venue_ref"], lane.address)
        if scene.rng.random() < 0.5:
            invented["blockHash"] = "0x" + scene.rng.randbytes(32).hex()
        lying = scene.node.arm(Replace(_each(lambda _: invented)), when=_only(RECEIPT))
        await scene.hit(lying, 4)
        await _nothing_believed(scene, execution)
        lying.disarm()
        await anvil.go_on()
        await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "something was signed anew")


@drill("F36", "the node invents a receipt and the block around it", venues=("evm",), guards=("G1", "G7"))
async def invented_block(scene: Scene) -> None:
    lane = await scene.lane()
    async with blocks_by_hand(scene) as anvil:
        execution = await lane.fire()
        attempt = await pooled(scene, anvil, execution)
        invented = await _receipt(anvil, attempt["venue_ref"], lane.address)

        def with_it(block: Any) -> Any:
            at = block and block["number"] == invented["blockNumber"]
            return {**block, "transactions": [attempt["venue_ref"]]} if at else block

        scene.node.arm(Replace(_each(with_it)), when=_only("eth_getBlockByNumber"))
        lying = scene.node.arm(Replace(_each(lambda _: invented)), when=_only(RECEIPT))
        await scene.hit(lying, 4)
        await _nothing_believed(scene, execution)
        scene.proxies.clear()
        await anvil.go_on()
        await scene.ends(execution)
    scene.check(len(await scene.attempts(execution)) == scene.records.legs, "something was signed anew")


@drill("F36", "the node is one of another chain", venues=("evm",), guards=("G1", "G3"))
async def another_chain(scene: Scene) -> None:
    lane = await scene.lane()
    await scene.kill(*scene.workers)
    other = scene.node.arm(Replace(_each(lambda _: MAINNET)), name="eth_chainId")
    began = scene.node.log.count
    await scene.restart(*scene.workers)  # a process asks a node once which chain it is of
    execution = await lane.fire()
    await scene.hit(other, 2)
    await scene.ends(execution, "BLOCKED")
    scene.check(not scene.node.log.calls(scene.send, began), "it was sent to another chain")
    other.disarm()
    await scene.ends(await lane.fire())


@drill("F36", "the node is hundreds of blocks behind", venues=("evm",), guards=("G1", "G3"))
async def far_behind(scene: Scene) -> None:
    lane = await scene.lane()
    await scene.ends(await lane.fire())
    first = await scene.attempts(lane.fired[0])
    began = scene.node.log.count
    behind = scene.node.arm(Replace(_counting_nothing), name="eth_getTransactionCount")
    execution = await lane.fire()
    await scene.hit(behind, 4)
    scene.check(not scene.node.log.calls(scene.send, began), "it was sent on an old nonce")
    nonces = {one["nonce"] for one in await scene.attempts(execution) if one["venue_ref"]}
    scene.check(not nonces & {one["nonce"] for one in first}, "a used nonce was signed again")
    scene.proxies.clear()
    await scene.ends(execution)


def _only(method: str) -> Callable[[Request], bool]:
    return lambda request: set(request.names) == {method}


def _each(transform: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of an answer, or of every answer of a batch, the result anew."""

    def transformed(told: Any) -> Any:
        if isinstance(told, list):
            return [transformed(one) for one in told]
        return {**told, "result": transform(told["result"])} if "result" in told else told

    return transformed


def _counting_nothing(told: Any) -> Any:
    """What is a number, and not a block, is none yet."""
    return _each(lambda result: "0x0" if isinstance(result, str) else result)(told)


async def _nothing_believed(scene: Scene, execution: str) -> None:
    scene.check(await scene.booked(execution) == 0, "it was booked")
    attempts = await scene.attempts(execution)
    scene.check(len(attempts) == 1, "the next leg was signed")
    scene.check(attempts[0]["fate"] != "LANDED", "the invention was believed")


async def _receipt(anvil: Anvil, hash_: str, sender: str) -> dict[str, Any]:
    """A success in the block before the last final one, which does not hold it."""
    block = await anvil.call("eth_getBlockByNumber", hex(await anvil.height() - 3), False)
    return {
        "transactionHash": hash_,
        "transactionIndex": "0x0",
        "from": sender,
        "to": None,
        "blockHash": block["hash"],
        "blockNumber": block["number"],
        "status": "0x1",
        "gasUsed": "0xb000",
        "effectiveGasPrice": "0x3b9aca00",
        "logs": [],
    }
