"""Doors no real chain has: give money, set the pool, hurry time, read the record."""

import asyncio
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from infra.chains.solana.addresses import SYSTEM_PROGRAM, associated_token_account
from infra.devnet.solana import genesis, nonce
from infra.devnet.solana.chain import MAX_LAG, Chain
from infra.devnet.solana.subscriptions import Pulse
from infra.devnet.solana.tokens import read_token_account, token_account, with_amount

_U64: Final = 2**64 - 1
_MAX_LAMPORTS: Final = 2**62  # the file holds lamports in signed 64 bits
_MAX_ADVANCE: Final = 100_000  # slots at once: about half a minute of work

Units = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]  # base units; 20 digits hold a u64


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Tokens(_Body):
    """Make `amount` base units of a mint and give them to an owner."""

    owner: str
    mint: str
    amount: Units


class Airdrop(_Body):
    """Add lamports to an address, at once and at every commitment."""

    address: str
    lamports: Units | Annotated[int, Field(ge=0)]


class Pool(_Body):
    """Reserves in base units."""

    usdc: Units
    sol: Units


class ClockSettings(_Body):
    """What is left out stays."""

    slot_ms: int | None = Field(default=None, ge=5, le=60_000)
    confirmed_lag: int | None = Field(default=None, ge=0, le=MAX_LAG)
    finalized_lag: int | None = Field(default=None, ge=0, le=MAX_LAG)


class Advance(_Body):
    """Blocks to produce at once."""

    slots: int = Field(ge=1, le=_MAX_ADVANCE)


class Fork(_Body):
    """How many of the newest blocks to lose."""

    slots: int = Field(ge=1, le=MAX_LAG)


class NonceAccount(_Body):
    """A nonce account for an authority, paid for by nobody."""

    authority: str


class Helius(_Body):
    """What Helius recommends, in micro-lamports a unit; null: this node is not Helius'."""

    price_micro_lamports: int | None = Field(ge=0, le=_U64)


class Doors:
    """The control endpoints of one chain. What they set is true at every commitment at once."""

    def __init__(self, chain: Chain, pulse: Pulse) -> None:
        self._chain, self._pulse = chain, pulse

    def routes(self) -> list[Route]:
        return [
            Route("/_control/tokens", self.tokens, methods=["PUT"]),
            Route("/_control/airdrop", self.airdrop, methods=["PUT"]),
            Route("/_control/pool", self.pool, methods=["PUT"]),
            Route("/_control/clock", self.clock, methods=["PUT"]),
            Route("/_control/advance", self.advance, methods=["PUT"]),
            Route("/_control/fork", self.fork, methods=["PUT"]),
            Route("/_control/nonce", self.nonce, methods=["PUT"]),
            Route("/_control/helius", self.helius, methods=["PUT"]),
            Route("/_control/log", self.log, methods=["GET"]),
        ]

    async def tokens(self, request: Request) -> JSONResponse:
        wanted = Tokens.model_validate_json(await request.body())
        owner, mint, amount = Pubkey.from_string(wanted.owner), Pubkey.from_string(wanted.mint), int(wanted.amount)
        address = associated_token_account(owner, mint)
        account = self._chain.machine.account(address)
        held = read_token_account(account)
        total = amount + (held.amount if held else 0)
        if total > _U64:
            raise ValueError("more than a token account holds")
        genesis.issue(self._chain, mint, amount)
        if account is not None and held is not None:
            self._chain.rewrite({address: with_amount(account, total)})
        else:
            self._chain.rewrite({address: token_account(mint, owner, total)})
        return JSONResponse({"account": str(address), "amount": str(total)})

    async def airdrop(self, request: Request) -> JSONResponse:
        wanted = Airdrop.model_validate_json(await request.body())
        address = Pubkey.from_string(wanted.address)
        account = self._chain.machine.account(address) or Account(0, b"", SYSTEM_PROGRAM)
        lamports = account.lamports + int(wanted.lamports)
        if lamports > _MAX_LAMPORTS:
            raise ValueError("more lamports than the file holds")
        self._chain.rewrite({address: Account(lamports, account.data, account.owner, account.executable)})
        return JSONResponse({"lamports": str(lamports)})

    async def pool(self, request: Request) -> JSONResponse:
        wanted = Pool.model_validate_json(await request.body())
        genesis.fill_pool(self._chain, int(wanted.usdc), int(wanted.sol))
        return JSONResponse(wanted.model_dump())

    async def clock(self, request: Request) -> JSONResponse:
        wanted = ClockSettings.model_validate_json(await request.body())
        pace = self._chain.pace
        confirmed = pace.confirmed_lag if wanted.confirmed_lag is None else wanted.confirmed_lag
        finalized = pace.finalized_lag if wanted.finalized_lag is None else wanted.finalized_lag
        if finalized < confirmed:
            raise ValueError("finalized cannot be newer than confirmed")
        pace.slot_ms = wanted.slot_ms or pace.slot_ms
        pace.confirmed_lag, pace.finalized_lag = confirmed, finalized
        return JSONResponse({"slot_ms": pace.slot_ms, "confirmed_lag": confirmed, "finalized_lag": finalized})

    async def advance(self, request: Request) -> JSONResponse:
        for _ in range(Advance.model_validate_json(await request.body()).slots):
            self._chain.produce()
            self._pulse.beat()
            await asyncio.sleep(0)
        return JSONResponse({"slot": self._chain.tip.slot, "block_height": self._chain.tip.height})

    async def fork(self, request: Request) -> JSONResponse:
        tip = self._chain.fork(Fork.model_validate_json(await request.body()).slots)
        self._pulse.beat()
        return JSONResponse({"slot": tip.slot, "blockhash": str(tip.blockhash)})

    async def nonce(self, request: Request) -> JSONResponse:
        authority = Pubkey.from_string(NonceAccount.model_validate_json(await request.body()).authority)
        address = Keypair().pubkey()
        self._chain.rewrite({address: nonce.made(authority)})
        return JSONResponse({"account": str(address)})

    async def helius(self, request: Request) -> JSONResponse:
        wanted = Helius.model_validate_json(await request.body())
        self._chain.helius_price = wanted.price_micro_lamports
        return JSONResponse(wanted.model_dump())

    async def log(self, request: Request) -> JSONResponse:
        return JSONResponse(self._chain.ledger.received())


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """A body that makes no sense changes nothing."""
    return JSONResponse({"error": str(error)}, status_code=422)


REFUSALS: Final = {ValidationError: refuse, ValueError: refuse}
