"""Asking policy, in the one form in which an answer can be recorded and asked for again."""

from __future__ import annotations

from dataclasses import dataclass

from smartops.contracts.deciding import Evidence, PolicyDecision
from smartops.policy_engine.inputs import InputDocument
from smartops.policy_engine.port import PolicyEngine
from smartops.policy_engine.verdict import Entrypoint, Verdict

__all__ = ["Asked", "ask", "ask_again", "decision_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put to policy, with its answer."""

    verdict: Verdict
    evidence: Evidence
    """What is recorded of it."""


def ask(engine: PolicyEngine, entrypoint: Entrypoint, document: InputDocument) -> Asked:
    """Let an engine decide on a document."""
    return ask_again(engine, entrypoint, document.canonical_bytes())


def ask_again(engine: PolicyEngine, entrypoint: Entrypoint, content: bytes) -> Asked:
    """Let an engine decide on a document that was decided on before, byte for byte."""
    verdict = engine.decide(entrypoint, content)
    return Asked(verdict, Evidence(decision_of(entrypoint, verdict), content))


def decision_of(entrypoint: Entrypoint, verdict: Verdict) -> PolicyDecision:
    """What is recorded of a verdict: its input is named by digest, its texts are made again."""
    return PolicyDecision(
        entrypoint=entrypoint,
        input=verdict.input_digest,
        allow=verdict.allow,
        requires_approval=verdict.requires_approval,
        rules=verdict.rules,
        bundle=verdict.bundle_digest,
        engine=verdict.engine,
        engine_version=verdict.engine_version,
        quorum=verdict.quorum,
        roles=verdict.roles,
    )
