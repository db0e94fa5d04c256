"""anvil with a memory: its chain is written down whole, again and again, and is there after `kill -9`.

anvil's own `--state-interval` writes over its file in place, so a kill in the middle leaves a file that anvil
itself refuses to load. Here the same dump is asked for by `anvil_dumpState` and replaces the last in one step.
"""

import asyncio
import gzip
import time
from pathlib import Path

import httpx

from infra.devnet.evm.rpc import EvmRpc, Refused
from infra.devnet.evm.toolchain import anvil_binary, evm_toolchain
from infra.devnet.ports import LOOPBACK
from infra.devnet.processes import Child, Program
from infra.devnet.state import write_private
from infra.devnet.tenancy import Tenancy

CHAIN_ID = 31337  # anvil's own, and no public chain's
BLOCKS_PER_EPOCH = 1  # makes `finalized` latest - 2; with the usual 32 it would be latest - 64
STATES_KEPT = 256  # blocks whose state can be read; full nodes keep 128. None goes to the user's disk
START_TIMEOUT_S = 60
LOOK_EVERY_S = 0.05
KEEP_EVERY_S = 1.0  # what `kill -9` forgets: less than the 2 s in which blocks of 1 s become final
KEEP_SHARE = 10  # a tenth of the time at most: a dump takes some 50 ms, and 60 with 4000 blocks more


class NodeEnded(Exception):
    """anvil ended by itself; the message has its last words."""


class Node:
    """One anvil and its file. `run` until it is told to stop."""

    def __init__(self, port: int, state: Path, block_s: float) -> None:
        """`block_s` 0: a block for every transaction, and none without."""
        self._port = port
        self._block_s = block_s
        self._tenancy = Tenancy(state)  # ends an anvil that outlived the process it belonged to
        self._file = state / "chain.json.gz"
        self._loading = state / "loading.json"
        self._log = state / "anvil.log"
        self._kept = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Errors: NodeEnded, ToolMissing."""
        self._tenancy.end_leftovers()
        child = Child(self._program(), self._log)
        self._tenancy.note({"anvil": child.identity})
        try:
            async with EvmRpc(f"http://{LOOPBACK}:{self._port}") as rpc:
                await self._started(child, rpc)
                while not stop.is_set():
                    took_s = await self._keep(child, rpc)
                    await _told(stop, max(KEEP_EVERY_S, KEEP_SHARE * took_s))
                await self._keep(child, rpc)
        finally:
            child.kill()  # all that it would still do is write down what has been written down
            self._tenancy.release()

    def _program(self) -> Program:
        command = [
            *(str(anvil_binary(evm_toolchain())), "--quiet", "--host", LOOPBACK, "--port", str(self._port)),
            *("--chain-id", str(CHAIN_ID), "--slots-in-an-epoch", str(BLOCKS_PER_EPOCH)),
            *("--prune-history", str(STATES_KEPT)),
        ]
        if self._block_s:
            command += ["--block-time", str(self._block_s)]
        if self._file.exists():
            self._loading.write_bytes(gzip.decompress(self._file.read_bytes()))
            command += ["--load-state", str(self._loading)]
        return Program("anvil", tuple(command))

    async def _started(self, child: Child, rpc: EvmRpc) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await _answers(rpc):
            if child.exit_code is not None or time.monotonic() > deadline:
                raise NodeEnded(f"anvil did not start:\n{child.last_words()}")
            await asyncio.sleep(LOOK_EVERY_S)
        if self._loading.exists():
            # A loaded chain has the state of its last block alone: two more, and `finalized` is that block.
            await rpc.call("anvil_mine", "0x2")
            self._loading.unlink()

    async def _keep(self, child: Child, rpc: EvmRpc) -> float:
        """Write the chain down, unless nothing has changed. Returns how long that took, in seconds."""
        started = time.monotonic()
        try:
            dump = await rpc.call("anvil_dumpState")
        except (httpx.HTTPError, Refused):
            dump = self._kept  # busy, stopping or dead: the first two may do better the next time
        if child.exit_code is not None:
            raise NodeEnded(f"anvil ended:\n{child.last_words()}")
        if dump != self._kept:
            await asyncio.to_thread(write_private, self._file, bytes.fromhex(dump.removeprefix("0x")))
            self._kept = dump
        return time.monotonic() - started


async def _answers(rpc: EvmRpc) -> bool:
    try:
        await rpc.call("eth_chainId")
    except httpx.HTTPError:
        return False
    return True


async def _told(stop: asyncio.Event, within_s: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), within_s)
    except TimeoutError:
        return
