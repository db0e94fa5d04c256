"""Every refusal as RFC 9457 `application/problem+json`: which code becomes which status, and what is told."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from temporalio.service import RPCError

from domain.errors import (
    BookBehind,
    BookRestored,
    ChainUnavailable,
    FeedNonsense,
    FeedUnavailable,
    FeesAboveCap,
    Forbidden,
    ForeignNonce,
    IdempotencyMismatch,
    IllegalTransition,
    IntegrityBroken,
    InvalidInput,
    KeyAccessDenied,
    LeaseLost,
    MarketUnknown,
    MoveNotSafe,
    NoRoute,
    NotFound,
    QuoteUnavailable,
    RaceLost,
    SealedKeyBroken,
    SettlementUnreadable,
    SigningUnavailable,
    TripwireError,
    Unauthenticated,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

# What a client may wait before it asks again: our parts restart within seconds.
RETRY_AFTER_S = 2


class EngineUnavailable(TripwireError):
    """Temporal, or the worker that had to answer through it, did not. What was recorded is not lost."""

    code, retryable = "ENGINE_UNAVAILABLE", True


class DatabaseUnavailable(TripwireError):
    code, retryable = "DATABASE_UNAVAILABLE", True


class TooLateToCancel(TripwireError):
    """The execution is over, or something of it may already be on its way."""

    code, retryable = "TOO_LATE_TO_CANCEL", False


class BodyTooLarge(TripwireError):
    code, retryable = "BODY_TOO_LARGE", False


class UnsupportedMediaType(TripwireError):
    code, retryable = "UNSUPPORTED_MEDIA_TYPE", False


class MethodNotAllowed(TripwireError):
    code, retryable = "METHOD_NOT_ALLOWED", False


class Internal(TripwireError):
    code, retryable = "INTERNAL", False


STATUS: dict[type[TripwireError], HTTPStatus] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    MarketUnknown: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoRoute: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    IdempotencyMismatch: HTTPStatus.CONFLICT,
    IllegalTransition: HTTPStatus.CONFLICT,
    MoveNotSafe: HTTPStatus.CONFLICT,
    RaceLost: HTTPStatus.CONFLICT,
    LeaseLost: HTTPStatus.CONFLICT,
    TooLateToCancel: HTTPStatus.CONFLICT,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    FeedUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    FeedNonsense: HTTPStatus.SERVICE_UNAVAILABLE,
    QuoteUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    ChainUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    FeesAboveCap: HTTPStatus.SERVICE_UNAVAILABLE,
    ForeignNonce: HTTPStatus.CONFLICT,
    SettlementUnreadable: HTTPStatus.SERVICE_UNAVAILABLE,
    SigningUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    KeyAccessDenied: HTTPStatus.SERVICE_UNAVAILABLE,
    SealedKeyBroken: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    BookRestored: HTTPStatus.SERVICE_UNAVAILABLE,
    BookBehind: HTTPStatus.INTERNAL_SERVER_ERROR,
    IntegrityBroken: HTTPStatus.INTERNAL_SERVER_ERROR,
    Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_CHALLENGES = {
    HTTPStatus.UNAUTHORIZED: 'Bearer realm="tripwire"',
    HTTPStatus.FORBIDDEN: 'Bearer realm="tripwire", error="insufficient_scope"',
}


class FieldError(BaseModel):
    """One wrong value: `field` is its path in the body, such as `action.amount`, or the parameter's name."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable and meant for programs, `detail` a sentence for people.

    `would_be_safe` says what would let a refused operator's move be made; only such refusals have it.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    errors: list[FieldError] = []
    would_be_safe: str | None = None


def problems(*errors: type[TripwireError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of a route that may refuse with these."""
    by_status: dict[HTTPStatus, list[str]] = {}
    every: tuple[type[TripwireError], ...] = (Unauthenticated, Forbidden, InvalidInput, *errors)
    for error in every:
        by_status.setdefault(STATUS[error], []).append(error.code)
    return {
        status.value: {
            "description": f"{status.phrase}: {', '.join(codes)}",
            "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
        }
        for status, codes in by_status.items()
    }


def answer(path: str, error: TripwireError, errors: tuple[FieldError, ...] = ()) -> Response:
    """The response that tells an error. What it says is ASCII JSON, whatever characters were sent to us."""
    status = STATUS[type(error)]
    if isinstance(error, InvalidInput) and error.field:
        errors = (*errors, FieldError(field=error.field, message=str(error)))
    problem = Problem(
        type=f"urn:tripwire:problem:{error.code.lower().replace('_', '-')}",
        title=status.phrase,
        status=status.value,
        code=error.code,
        detail=str(error),
        instance=path,
        errors=list(errors),
        would_be_safe=error.would_be_safe if isinstance(error, MoveNotSafe) else None,
    )
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    if challenge := _CHALLENGES.get(status):
        headers["WWW-Authenticate"] = challenge
    if error.retryable:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(json.dumps(problem.model_dump(exclude_none=True)), status.value, headers, MEDIA_TYPE)


def invalid(path: str, found: RequestValidationError) -> Response:
    """What FastAPI found wrong with a request. Values are not repeated: one of them may be a secret."""
    items: list[Mapping[str, Any]] = list(found.errors())
    if any(item["loc"][0] == "path" for item in items):  # nothing of ours has such an id
        return answer(path, NotFound("there is no such thing here"))
    errors = tuple(FieldError(field=_field(item["loc"]), message=_message(item)) for item in items)
    sentence = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return answer(path, InvalidInput(sentence), errors)


def _field(location: tuple[object, ...]) -> str:
    where, *rest = (str(part) for part in location)
    return ".".join(rest) or where


def _message(item: Mapping[str, Any]) -> str:
    return str(item["msg"]).removeprefix("Value error, ")


def install(app: FastAPI) -> None:
    """Make the app answer every failure so, those of the framework too."""

    @app.exception_handler(TripwireError)
    async def refused(request: Request, error: TripwireError) -> Response:
        if STATUS[type(error)] is HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", code=error.code, reason=str(error), path=request.url.path)
            return answer(request.url.path, type(error)("work on this stopped until an operator has looked"))
        return answer(request.url.path, error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        return invalid(request.url.path, error)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            told = answer(path, MethodNotAllowed(f"{request.method} is not possible here"))
            told.headers.update(error.headers or {})
            return told
        if error.status_code == HTTPStatus.NOT_FOUND:
            return answer(path, NotFound("there is nothing at this address"))
        return answer(path, InvalidInput("the request could not be read"))

    @app.exception_handler(DBAPIError)  # shutting down, out of connections, a lock or a statement too long
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OSError)  # asyncpg's own connection failures, TimeoutError among them
    async def database_away(request: Request, error: Exception) -> Response:
        if isinstance(error, IntegrityError | ProgrammingError | DataError):
            raise error  # our own mistake: asking again will not help
        log.warning("database unavailable", reason=type(error).__name__, path=request.url.path)
        return answer(request.url.path, DatabaseUnavailable("the database does not answer: ask again"))

    @app.exception_handler(RPCError)
    async def engine_away(request: Request, error: RPCError) -> Response:
        log.warning("temporal unavailable", reason=error.status.name, path=request.url.path)
        return answer(request.url.path, EngineUnavailable("Temporal does not answer: ask again"))

    @app.exception_handler(Exception)
    async def broken(request: Request, _error: Exception) -> Response:
        # The server's own log has the traceback; the caller gets no details.
        return answer(request.url.path, Internal("something broke here; nothing more is known to you or lost"))
