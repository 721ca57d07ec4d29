"""The PolicyEngine port and its engines."""

from __future__ import annotations

from smartops.policy_engine.asking import Asked, ask, ask_again, decision_of
from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.checking import Report, check
from smartops.policy_engine.choosing import OpaAt, loading_engine, make_engine
from smartops.policy_engine.document import MAX_INPUT_BYTES
from smartops.policy_engine.errors import (
    BundleNotFound,
    BundleRefused,
    EngineDown,
    PolicyEngineError,
)
from smartops.policy_engine.inputs import (
    ActingFor,
    ApprovalInput,
    ApprovalSettings,
    Approver,
    AutonomyLevel,
    AutonomyMode,
    EvidenceInput,
    GateInput,
    GrantInput,
    InputDocument,
    LimitsInput,
    PhaseInput,
    PlanInput,
    QualityInput,
    RiskInput,
    RiskParts,
    StepInput,
    ToolCallInput,
)
from smartops.policy_engine.loading import Loading, at_once, in_slices
from smartops.policy_engine.locate import default_bundle_path
from smartops.policy_engine.opa_engine import OpaEngine
from smartops.policy_engine.opa_server import OpaServer
from smartops.policy_engine.plan_input import Registry, Rehearsals, plan_input
from smartops.policy_engine.port import PolicyEngine
from smartops.policy_engine.regorus_engine import RegorusEngine
from smartops.policy_engine.verdict import (
    ENTRYPOINTS,
    POLICY_ERROR,
    Denial,
    Entrypoint,
    Reason,
    Verdict,
)

__all__ = [
    "ENTRYPOINTS",
    "MAX_INPUT_BYTES",
    "POLICY_ERROR",
    "ActingFor",
    "ApprovalInput",
    "ApprovalSettings",
    "Approver",
    "Asked",
    "AutonomyLevel",
    "AutonomyMode",
    "Bundle",
    "BundleNotFound",
    "BundleRefused",
    "Denial",
    "EngineDown",
    "Entrypoint",
    "EvidenceInput",
    "GateInput",
    "GrantInput",
    "InputDocument",
    "LimitsInput",
    "Loading",
    "OpaAt",
    "OpaEngine",
    "OpaServer",
    "PhaseInput",
    "PlanInput",
    "PolicyEngine",
    "PolicyEngineError",
    "QualityInput",
    "Reason",
    "Registry",
    "RegorusEngine",
    "Rehearsals",
    "Report",
    "RiskInput",
    "RiskParts",
    "StepInput",
    "ToolCallInput",
    "Verdict",
    "ask",
    "ask_again",
    "at_once",
    "check",
    "decision_of",
    "default_bundle_path",
    "in_slices",
    "loading_engine",
    "make_engine",
    "plan_input",
]
