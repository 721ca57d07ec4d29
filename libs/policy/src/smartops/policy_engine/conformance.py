"""Asks a bundle questions whose answers are known, before it is put in force.

Two kinds: probes, the same for every bundle (an empty or foreign document must be denied, by a
rule and not by an accident), and the cases that the bundle brings along (`*.cases.json`):

    {"cases": [{"name": "...", "entrypoint": "plan", "input": {...},
                "expect": {"allow": false, "requires_approval": true, "rules": ["..."]}}]}

`rules` must be among those that the verdict names: a bundle that adds a rule to ours may deny for
one more reason, not for another one. `requires_approval` may be left out of a denial.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError
from smartops.contracts.canonical import canonical
from smartops.contracts.errors import Malformed
from smartops.contracts.wire import Wire
from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.errors import BundleRefused
from smartops.policy_engine.port import PolicyEngine
from smartops.policy_engine.verdict import ENTRYPOINTS, POLICY_ERROR, Entrypoint, Verdict

__all__ = ["Case", "Cases", "Expected", "check"]

_FOREIGN: tuple[bytes, ...] = (b"null", b"[]", b"0", b'""', b'{"allow":true}')


class Expected(Wire):
    """The decision that a case must get."""

    allow: bool
    requires_approval: bool = True
    rules: Annotated[tuple[str, ...], Field(min_length=1)]


class Case(Wire):
    """One question with its answer."""

    name: str
    entrypoint: Entrypoint
    input: Any
    expect: Expected


class Cases(Wire):
    """A file of cases."""

    cases: tuple[Case, ...]


def check(engine: PolicyEngine, bundle: Bundle) -> None:
    """Hold an engine to the bundle that it was given.

    Raises:
        BundleRefused: an answer is not the expected one.
    """
    for entrypoint in ENTRYPOINTS:
        _probe(engine, entrypoint)
    for file, content in bundle.cases():
        try:
            cases = Cases.model_validate(content, strict=False).cases
        except ValidationError as error:
            raise BundleRefused(
                f"not a file of cases: {error.error_count()} errors", file=file
            ) from error
        for case in cases:
            _run(engine, file, case)


def _probe(engine: PolicyEngine, entrypoint: Entrypoint) -> None:
    empty = engine.decide(entrypoint, b"{}")
    if empty.allow:
        raise BundleRefused(f"{entrypoint} allows an empty document")
    if POLICY_ERROR in empty.rules:
        # Denied all the same, but by accident: the guard against missing fields does not work.
        raise BundleRefused(
            f"{entrypoint} has no answer to an empty document ({empty.denials[0].message});"
            " begin with `default allow := false` and deny what is missing"
        )
    for document in _FOREIGN:
        if engine.decide(entrypoint, document).allow:
            raise BundleRefused(f"{entrypoint} allows {document.decode()}")


def _run(engine: PolicyEngine, file: str, case: Case) -> None:
    try:
        document = canonical(case.input)
    except Malformed as error:
        raise BundleRefused(f"{case.name}: {error}", file=file) from error
    verdict = engine.decide(case.entrypoint, document)
    expected = case.expect
    if (verdict.allow, verdict.requires_approval) != (
        expected.allow,
        expected.requires_approval,
    ) or not set(expected.rules) <= set(verdict.rules):
        raise BundleRefused(
            f"{case.name}: expected {_words(expected)}, decided {_words(verdict)}", file=file
        )


def _words(decision: Expected | Verdict) -> str:
    outcome = "wait" if decision.requires_approval else "allow"
    return f"{outcome if decision.allow else 'deny'} by {', '.join(decision.rules)}"
