"""Doors that the real service has not: choose the instruction's form, advise a fee, name tables, tell lies."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from solders.pubkey import Pubkey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.devnet.jupiter.instructions import FormName
from infra.devnet.jupiter.lies import LieName
from infra.devnet.jupiter.script import Script


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Lie(_Order):
    """Tell `lie` for the next `calls` swaps; without a number until told otherwise."""

    lie: LieName
    calls: int | None = Field(default=None, ge=1)


class Form(_Order):
    """Which of Jupiter's instructions to write, and the compute price to advise."""

    form: FormName
    price_micro_lamports: int | None = Field(default=None, ge=0, lt=2**64)


class Tables(_Order):
    """Lookup tables on the chain that `/build` and `/swap-instructions` will name."""

    tables: list[str] = Field(max_length=5)

    @field_validator("tables")
    @classmethod
    def _are_addresses(cls, tables: list[str]) -> list[str]:
        for table in tables:
            Pubkey.from_string(table)
        return tables


def routes(script: Script) -> list[Route]:
    async def lies(request: Request) -> Response:
        try:
            wanted = Lie.model_validate_json(await request.body())
        except ValidationError as error:
            return _refusal(error)
        script.lie, script.lies_left = wanted.lie, wanted.calls
        return JSONResponse(wanted.model_dump())

    async def form(request: Request) -> Response:
        try:
            wanted = Form.model_validate_json(await request.body())
        except ValidationError as error:
            return _refusal(error)
        script.form = wanted.form
        if wanted.price_micro_lamports is not None:
            script.price_micro_lamports = wanted.price_micro_lamports
        return JSONResponse({"form": script.form, "price_micro_lamports": script.price_micro_lamports})

    async def tables(request: Request) -> Response:
        try:
            wanted = Tables.model_validate_json(await request.body())
        except ValidationError as error:
            return _refusal(error)
        script.tables = tuple(wanted.tables)
        return JSONResponse(wanted.model_dump())

    async def health(_: Request) -> Response:
        return JSONResponse({"form": script.form, "lie": script.lie, "calls": script.lies_left})

    return [
        Route("/_control/lies", lies, methods=["PUT"]),
        Route("/_control/form", form, methods=["PUT"]),
        Route("/_control/tables", tables, methods=["PUT"]),
        Route("/_control/health", health, methods=["GET"]),
    ]


def _refusal(error: ValidationError) -> Response:
    return JSONResponse({"error": str(error)}, status_code=422)
