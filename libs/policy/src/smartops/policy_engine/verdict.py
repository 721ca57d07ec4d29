"""What a policy says: allowed or not, by which rules, under which bundle, about which bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from smartops.contracts.canonical import digest

__all__ = ["ENTRYPOINTS", "POLICY_ERROR", "Denial", "Entrypoint", "Reason", "Verdict", "refusal"]

Entrypoint: TypeAlias = Literal["plan", "gate", "tool_call", "approval"]

ENTRYPOINTS: tuple[Entrypoint, ...] = ("plan", "gate", "tool_call", "approval")
"""Every question a bundle must answer."""

MAX_TEXT = 500
"""Characters kept of a rule id, path or message: they may quote the input."""

POLICY_ERROR = "policy_error"
"""The rule named when the policy gave no answer that can be trusted."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not, and where in the input."""

    rule: str
    path: str
    """RFC 6901 pointer into the input document; `""` for the document as a whole."""
    message: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it is allowed, or why a person has to look first."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision, complete enough to be stored as evidence and checked again later."""

    allow: bool
    requires_approval: bool
    """Only meaningful with `allow`: a person must agree before it goes. Always true on a denial."""
    denials: tuple[Denial, ...]
    """Sorted; empty exactly when allowed."""
    rules: tuple[str, ...]
    """Ids of the rules that matched, sorted: of the denials, else of the reasons. Never empty."""
    engine: str
    engine_version: str
    bundle_digest: str
    input_digest: str
    """SHA-256 of the very bytes that were decided on, as `sha256:<hex>`."""
    reasons: tuple[Reason, ...] = ()
    """Sorted; empty exactly when denied."""
    quorum: int = 1
    """How many distinct people must agree, of a `gate` that waits for any; else 1."""
    roles: tuple[str, ...] = ()
    """For each of these roles, sorted, one of them must hold it. Only of a `gate` that waits."""


class _Engine(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def bundle_digest(self) -> str: ...


def refusal(engine: _Engine, input_json: object, message: str) -> Verdict:
    """The denial of an engine that has no answer, whatever it was given."""
    return Verdict(
        allow=False,
        requires_approval=True,
        denials=(Denial(POLICY_ERROR, "", message[:MAX_TEXT]),),
        rules=(POLICY_ERROR,),
        engine=engine.name,
        engine_version=engine.version,
        bundle_digest=engine.bundle_digest,
        input_digest=digest(input_json if isinstance(input_json, bytes) else b""),
    )
