"""Automation wallets."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from api.answers import amounts
from api.answers.amounts import AmountAnswer
from api.assembly import At
from api.auth import Reader, Trader
from api.idempotency import once
from api.inputs import IdempotencyKey, Input, WalletId, Why
from api.paging import Cursor, Limit, Page, decode, page
from api.problems import EngineUnavailable, problems
from domain import assets, identity
from domain.chains import CHAINS
from domain.errors import (
    ChainUnavailable,
    IdempotencyMismatch,
    IntegrityBroken,
    InvalidInput,
    KeyAccessDenied,
    MoveNotSafe,
    NotFound,
    SigningUnavailable,
)
from domain.money import Amount
from domain.wallets import NewWallet, Wallet

router = APIRouter(prefix="/wallets", tags=["wallets"])


class WantedWallet(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"family": "solana"}]})

    family: Literal["solana", "evm"]


class WantedNonce(Input):
    """A nonce account whose authority is the wallet; null: the wallet's payloads carry blockhashes again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account": "9LqzSa8XhMGJm2h4jBqXvqTjQ2mJ1xGTxyZ7M9YbQe1u"}]}
    )

    account: Annotated[str, Field(pattern=r"^[1-9A-HJ-NP-Za-km-z]{32,44}$")] | None


class WalletAnswer(BaseModel):
    id: str
    family: str
    chain: str
    address: str
    custodian: str
    frozen: bool
    durable_nonce: str | None
    created_at: datetime


class BalanceAnswer(BaseModel):
    """`chain` is final on chain, `book` what our ledger says, `difference` the chain's less the book's.

    A difference is a transfer that was not ours; it is booked when an execution next holds the wallet.
    """

    asset: str
    chain: AmountAnswer
    book: AmountAnswer
    held: AmountAnswer
    difference: AmountAnswer


class BalancesAnswer(BaseModel):
    wallet_id: str
    address: str
    balances: list[BalanceAnswer]


@router.post(
    "",
    status_code=201,
    response_model=WalletAnswer,
    responses=problems(IdempotencyMismatch, EngineUnavailable, SigningUnavailable, KeyAccessDenied),
)
async def create_wallet(
    body: WantedWallet, request: Request, caller: Trader, at: At, idempotency_key: IdempotencyKey
) -> Response:
    """Make a wallet. Its key is born in the signer and never leaves it in the clear."""
    chain = CHAINS[at.settings.evm_chain if body.family == "evm" else body.family]
    if chain.venue not in at.venues:
        raise InvalidInput("this installation serves no EVM chain: its operator sets EVM_RPC_URLS", "family")
    wallet = NewWallet(identity.wallet_id(caller.owner, idempotency_key), caller.owner, chain.name)

    async def make() -> WalletAnswer:
        try:
            await at.starter.create_wallet(wallet)
        except WorkflowFailureError as error:
            raise _meaning(error) from None
        except TimeoutError:
            raise EngineUnavailable("the signer did not answer in time: ask again with the same key") from None
        return told(await at.wallets.find(caller.owner, wallet.id))

    return await once(at, caller.party, request, idempotency_key, body, 201, make)


@router.get("", responses=problems())
async def list_wallets(caller: Reader, at: At, limit: Limit = 50, cursor: Cursor = None) -> Page[WalletAnswer]:
    """The owner's wallets."""
    (after,) = decode(cursor, 1) or ("",)
    found = await at.wallets.page(caller.owner, after, limit + 1)
    return page(found, limit, told, lambda wallet: (wallet.id,))


@router.get("/{wallet_id}", responses=problems(NotFound))
async def show_wallet(wallet_id: WalletId, caller: Reader, at: At) -> WalletAnswer:
    """One wallet, with the address to fund."""
    return told(await at.wallets.find(caller.owner, wallet_id))


@router.get("/{wallet_id}/balances", responses=problems(NotFound, ChainUnavailable))
async def show_balances(wallet_id: WalletId, caller: Reader, at: At) -> BalancesAnswer:
    """What the chain says the wallet has, beside what the book says."""
    wallet = await at.wallets.find(caller.owner, wallet_id)
    known = tuple(assets.BY_CHAIN[wallet.chain].values())
    chain = await at.venues[CHAINS[wallet.chain].venue].balances(wallet.address, known)
    book, held = await at.ledger.balances(wallet.id), await at.leases.held(wallet.id)
    rows = [
        _balance(chain[asset.id], Amount(book.get(asset.id, 0), asset), Amount(held.get(asset.id, 0), asset))
        for asset in known
    ]
    return BalancesAnswer(wallet_id=wallet.id, address=wallet.address, balances=rows)


@router.post("/{wallet_id}/freeze", responses=problems(NotFound))
async def freeze_wallet(wallet_id: WalletId, body: Why, caller: Trader, at: At) -> WalletAnswer:
    """Let the wallet sign nothing more. What is out already is followed to its end."""
    return told(await at.wallets.set_frozen(caller.owner, wallet_id, True, body.reason))


@router.post("/{wallet_id}/unfreeze", responses=problems(NotFound, MoveNotSafe))
async def unfreeze_wallet(wallet_id: WalletId, body: Why, caller: Trader, at: At) -> WalletAnswer:
    """Let the wallet sign again. Refused while an operator's task about it is open."""
    return told(await at.wallets.set_frozen(caller.owner, wallet_id, False, body.reason))


@router.post("/{wallet_id}/durable-nonce", responses=problems(NotFound, InvalidInput, ChainUnavailable))
async def set_durable_nonce(wallet_id: WalletId, body: WantedNonce, caller: Trader, at: At) -> WalletAnswer:
    """Let a Solana wallet's payloads carry the value of its own nonce account, which does not age as a blockhash does.

    The account is made by whoever pays for it, with the wallet's address as its authority.
    """
    wallet = await at.wallets.find(caller.owner, wallet_id)
    if body.account is not None:
        if wallet.family != "solana":
            raise InvalidInput(
                f"a wallet on {wallet.chain} has nonces that count: it needs no nonce account", "account"
            )
        try:
            await at.venues[CHAINS[wallet.chain].venue].slot(replace(wallet, durable_nonce=body.account))
        except IntegrityBroken as error:
            raise InvalidInput(str(error), "account") from error
    return told(await at.wallets.set_durable_nonce(caller.owner, wallet_id, body.account))


def told(wallet: Wallet) -> WalletAnswer:
    return WalletAnswer(
        id=wallet.id,
        family=wallet.family,
        chain=wallet.chain,
        address=wallet.address,
        custodian=wallet.custodian,
        frozen=wallet.frozen,
        durable_nonce=wallet.durable_nonce,
        created_at=wallet.created_at,
    )


def _balance(chain: Amount, book: Amount, held: Amount) -> BalanceAnswer:
    return BalanceAnswer(
        asset=chain.asset.symbol,
        chain=amounts.told(chain),
        book=amounts.told(book),
        held=amounts.told(held),
        difference=amounts.told(chain - book),
    )


def _meaning(failure: WorkflowFailureError) -> SigningUnavailable | KeyAccessDenied | EngineUnavailable:
    cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
    code = cause.type if isinstance(cause, ApplicationError) else None
    if code == KeyAccessDenied.code:
        return KeyAccessDenied("the key service refuses the signer: an operator has to look")
    if code == SigningUnavailable.code:
        return SigningUnavailable("the key service does not answer: ask again with the same key")
    return EngineUnavailable("the wallet was not made in time: ask again with the same key")
