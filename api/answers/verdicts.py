"""A policy check's answer, in the owner's words."""

from pydantic import BaseModel

from domain.policy import Verdict
from infra.db.reading import VerdictRead


class VerdictAnswer(BaseModel):
    """`code` names the refusal, `would_pass` what would change it; `stage` tells at which step it was asked."""

    check: str
    passed: bool
    stage: str
    code: str
    limit: str
    used: str
    held: str
    asked: str
    would_pass: str


def told(verdict: Verdict, stage: str) -> VerdictAnswer:
    return VerdictAnswer(
        check=verdict.check.value,
        passed=verdict.passed,
        stage=stage,
        code=verdict.code,
        limit=verdict.limit,
        used=verdict.used,
        held=verdict.held,
        asked=verdict.asked,
        would_pass=verdict.would_pass,
    )


def recorded(verdict: VerdictRead) -> VerdictAnswer:
    texts = {name: str(verdict.detail.get(name, "")) for name in ("code", "limit", "used", "held", "asked")}
    return VerdictAnswer(
        check=verdict.check,
        passed=verdict.passed,
        stage=verdict.stage,
        would_pass=str(verdict.detail.get("would_pass", "")),
        **texts,
    )
