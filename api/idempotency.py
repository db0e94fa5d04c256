"""Carry a request out once per idempotency key, and replay its answer after that."""

from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.assembly import Tools
from domain import identity
from domain.errors import TripwireError
from infra.db import idempotency


async def once(
    at: Tools,
    party: str,
    request: Request,
    key: str,
    body: BaseModel | None,
    status: int,
    work: Callable[[], Awaitable[BaseModel]],
) -> JSONResponse:
    """The answer of `work`, which names what it makes by `key`: a crash before the answer is kept is harmless.

    A refusal is not kept, so a corrected request may use the key. Errors: IDEMPOTENCY_MISMATCH (final).
    """
    asked = idempotency.Request(
        party=party,
        route=f"{request.method} {request.url.path}",
        key=key,
        fingerprint=identity.fingerprint(body.model_dump(mode="json") if body else {}),
    )
    if given := await at.idempotency.claim(asked):
        return JSONResponse(dict(given.body), given.status, {"Idempotent-Replayed": "true"})
    try:
        answer = (await work()).model_dump(mode="json")
    except TripwireError:
        await at.idempotency.drop(asked)
        raise
    await at.idempotency.keep(asked, idempotency.Answer(status, answer))
    return JSONResponse(answer, status)
