"""Bytecode: of Uniswap and WETH from their npm packages, of our own tokens from solc, compiled once."""

import hashlib
import json
import subprocess
from pathlib import Path

from infra.devnet.evm.toolchain import node_program
from infra.devnet.state import write_private
from infra.devnet.toolchain import ToolMissing

SOURCES = Path(__file__).parents[3] / "contracts" / "devnet"
COMPILE_TIMEOUT_S = 120  # about a second; the compiler is 9 MB of WebAssembly to be loaded first

_NPM = {
    "WETH9": "canonical-weth/build/contracts/WETH9.json",
    "UniswapV2Factory": "@uniswap/v2-core/build/UniswapV2Factory.json",
    "UniswapV2Router02": "@uniswap/v2-periphery/build/UniswapV2Router02.json",
    "UniswapV3Factory": "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
    "NonfungiblePositionManager": "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/"
    "NonfungiblePositionManager.json",
    "SwapRouter02": "@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json",
    "QuoterV2": "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json",
}


def creation_code(toolchain: Path, name: str) -> bytes:
    """What runs once and returns the contract's code; its constructor's arguments go behind it."""
    artifact = json.loads((toolchain / "node_modules" / _NPM[name]).read_bytes())
    code: str = artifact["bytecode"]
    return bytes.fromhex(code.removeprefix("0x"))


def own_tokens(toolchain: Path) -> dict[str, bytes]:
    """The code of each token in `contracts/devnet` as it lies on chain, by contract name.

    Errors: ToolMissing.
    """
    asked = json.dumps(
        {
            "language": "Solidity",
            "sources": {file.name: {"content": file.read_text()} for file in sorted(SOURCES.glob("*.sol"))},
            "settings": {
                "optimizer": {"enabled": True},
                "outputSelection": {"*": {"*": ["evm.deployedBytecode.object"]}},
            },
        }
    )
    compiled = toolchain / f"tokens-{hashlib.sha256(asked.encode()).hexdigest()[:12]}.json"
    if not compiled.exists():
        write_private(compiled, _compiled(toolchain, asked))
    contracts = json.loads(compiled.read_bytes())["contracts"].values()
    return {
        name: bytes.fromhex(contract["evm"]["deployedBytecode"]["object"])
        for file in contracts
        for name, contract in file.items()
    }


def _compiled(toolchain: Path, asked: str) -> bytes:
    compiling = subprocess.run(  # noqa: S603 - the compiler that the lock file names
        [node_program(), str(toolchain / "node_modules" / "solc" / "solc.js"), "--standard-json"],
        input=asked.encode(),
        capture_output=True,
        timeout=COMPILE_TIMEOUT_S,
        check=False,
    )
    # It tells which proof engine it looked for, before the JSON.
    said = compiling.stdout[compiling.stdout.find(b"{") :]
    if compiling.returncode != 0 or not said:
        raise ToolMissing(f"solc did not run: {compiling.stderr.decode(errors='replace')}")
    wrong = [error["formattedMessage"] for error in json.loads(said).get("errors", [])]
    if wrong:
        raise ToolMissing("contracts/devnet does not compile:\n" + "\n".join(wrong))
    return said
