"""Who is asking, and may they? API keys as bearer tokens, with scopes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.assembly import At
from domain.errors import Forbidden, Unauthenticated

Scope = Literal["read", "trade", "admin"]

# Who shares the idempotency keys of callers that own nothing.
OPERATORS = "operators"

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="`Authorization: Bearer twk_...`. Scopes: `read` looks, `trade` changes, `admin` operates.",
)
Token = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid key."""

    key_id: str
    owner_id: str | None
    scopes: frozenset[str]

    @property
    def owner(self) -> str:
        """Errors: FORBIDDEN (final), for an operator's key, which owns nothing."""
        if self.owner_id is None:
            raise Forbidden("this key belongs to no owner: use an owner's key here")
        return self.owner_id

    @property
    def party(self) -> str:
        return self.owner_id or OPERATORS

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes


async def _caller(token: Token, at: At) -> Caller:
    """Errors: UNAUTHENTICATED (final)."""
    if token is None:
        raise Unauthenticated("send your API key as `Authorization: Bearer <key>`")
    key = await at.owners.key_of(token.credentials)
    if key is None:
        raise Unauthenticated("this API key is unknown, expired or revoked")
    return Caller(key.id, key.owner_id, key.scopes)


Anyone = Annotated[Caller, Depends(_caller)]


def _needing(*scopes: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    async def check(caller: Anyone) -> Caller:
        """Errors: FORBIDDEN (final)."""
        if caller.scopes.isdisjoint(scopes):
            raise Forbidden(f"this needs a key with the scope {' or '.join(scopes)}")
        return caller

    return check


Reader = Annotated[Caller, Depends(_needing("read"))]
Trader = Annotated[Caller, Depends(_needing("trade"))]
KeyHolder = Annotated[Caller, Depends(_needing("trade", "admin"))]
Admin = Annotated[Caller, Depends(_needing("admin"))]
