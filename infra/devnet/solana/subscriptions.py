"""The WebSocket side: tell a client once its signature, account or slot has moved."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from solders.account import Account
from solders.pubkey import Pubkey
from starlette.websockets import WebSocket, WebSocketDisconnect

from infra.devnet.solana.account_forms import account_json
from infra.devnet.solana.chain import Chain, Commitment
from infra.devnet.solana.errors import METHOD_NOT_FOUND, PARSE_ERROR, RpcError
from infra.devnet.solana.params import Params, commitment_of, in_context

_numbers: Final = itertools.count(1)  # across connections, as a node counts them


class Pulse:
    """Wakes everyone who waits for the next slot."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def beat(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        await self._next.wait()


@dataclass(slots=True)
class _Signature:
    signature: str
    commitment: Commitment
    greet: bool  # also tell when the node has it, landed or not


@dataclass(slots=True)
class _AccountWatch:
    address: Pubkey
    commitment: Commitment
    settings: dict[str, Any]
    seen: Account | None


@dataclass(slots=True)
class _SlotWatch:
    seen: int


@dataclass(slots=True)
class Connection:
    """One client: what it waits for, and what it is told."""

    chain: Chain
    socket: WebSocket
    pulse: Pulse
    _watches: dict[int, _Signature | _AccountWatch | _SlotWatch] = field(default_factory=dict)

    async def serve(self) -> None:
        """Until the client leaves."""
        await self.socket.accept()
        teller = asyncio.create_task(self._tell())
        try:
            while True:
                await self._send(self._take(await self.socket.receive_text()))
                await self._tell_now()  # what is true already need not wait for a slot
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            teller.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await teller

    def _take(self, text: str) -> dict[str, Any]:
        try:
            call = json.loads(text)
        except ValueError:
            error = RpcError(PARSE_ERROR, "Parse error")
            return {"jsonrpc": "2.0", "error": error.as_json(), "id": None}
        call_id = call.get("id") if isinstance(call, dict) else None
        try:
            result = self._change(str(call.get("method")), Params(call.get("params") or []))
            return {"jsonrpc": "2.0", "result": result, "id": call_id}
        except RpcError as error:
            return {"jsonrpc": "2.0", "error": error.as_json(), "id": call_id}

    def _change(self, method: str, params: Params) -> int | bool:
        watch: _Signature | _AccountWatch | _SlotWatch
        match method:
            case "signatureSubscribe":
                settings = params.settings(1)
                greet = bool(settings.get("enableReceivedNotification"))
                watch = _Signature(params.text(0), commitment_of(settings), greet)
            case "accountSubscribe":
                address, settings = params.address(0), params.settings(1)
                commitment = commitment_of(settings)
                seen = self.chain.account_at(address, self.chain.block_at(commitment).slot)
                watch = _AccountWatch(address, commitment, settings, seen)
            case "slotSubscribe":
                watch = _SlotWatch(self.chain.tip.slot)
            case "signatureUnsubscribe" | "accountUnsubscribe" | "slotUnsubscribe":
                known = params.number(0) in self._watches
                self._watches.pop(params.number(0), None)
                return known
            case _:
                raise RpcError(METHOD_NOT_FOUND, "Method not found")
        number = next(_numbers)
        self._watches[number] = watch
        return number

    async def _tell(self) -> None:
        while True:
            await self.pulse.wait()
            await self._tell_now()

    async def _tell_now(self) -> None:
        for number, watch in list(self._watches.items()):
            match watch:
                case _Signature():
                    news = self._of_signature(number, watch)
                case _AccountWatch():
                    news = self._of_account(watch)
                case _SlotWatch():
                    news = self._of_slot(watch)
            for method, result in news:
                params = {"result": result, "subscription": number}
                await self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _of_signature(self, number: int, watch: _Signature) -> Iterator[tuple[str, Any]]:
        view = self.chain.block_at(watch.commitment)
        landed = self.chain.ledger.transaction(watch.signature)
        if watch.greet and (landed is not None or self.chain.is_pending(watch.signature)):
            watch.greet = False
            yield "signatureNotification", in_context(view, "receivedSignature")
        if landed is not None and landed.slot <= view.slot:
            del self._watches[number]  # a node ends this subscription by itself
            yield "signatureNotification", in_context(view, {"err": landed.meta["err"]})

    def _of_account(self, watch: _AccountWatch) -> Iterator[tuple[str, Any]]:
        view = self.chain.block_at(watch.commitment)
        account = self.chain.account_at(watch.address, view.slot)
        if account == watch.seen:
            return
        watch.seen = account
        shown = account or Account.default()
        form = account_json(shown, watch.settings, lambda mint: self.chain.account_at(mint, view.slot))
        yield "accountNotification", in_context(view, form)

    def _of_slot(self, watch: _SlotWatch) -> Iterator[tuple[str, Any]]:
        root = self.chain.block_at(Commitment.FINALIZED).slot
        for slot in range(max(watch.seen, self.chain.tip.slot - 150) + 1, self.chain.tip.slot + 1):
            yield "slotNotification", {"slot": slot, "parent": slot - 1, "root": root}
        watch.seen = self.chain.tip.slot

    async def _send(self, message: dict[str, Any]) -> None:
        await self.socket.send_text(json.dumps(message))
