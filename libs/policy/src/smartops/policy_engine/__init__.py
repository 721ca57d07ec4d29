"""The PolicyEngine port and its engines."""

from __future__ import annotations

from smartops.policy_engine.bundle import Bundle
from smartops.policy_engine.errors import BundleNotFound, BundleRefused, PolicyEngineError
from smartops.policy_engine.inputs import (
    ApprovalInput,
    ApprovalSettings,
    Approver,
    AutonomyLevel,
    GrantInput,
    InputDocument,
    PhaseInput,
    PlanInput,
    StepInput,
    ToolCallInput,
)
from smartops.policy_engine.locate import default_bundle_path
from smartops.policy_engine.plan_input import Registry, plan_input
from smartops.policy_engine.port import PolicyEngine
from smartops.policy_engine.regorus_engine import MAX_INPUT_BYTES, RegorusEngine
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
    "ApprovalInput",
    "ApprovalSettings",
    "Approver",
    "AutonomyLevel",
    "Bundle",
    "BundleNotFound",
    "BundleRefused",
    "Denial",
    "Entrypoint",
    "GrantInput",
    "InputDocument",
    "PhaseInput",
    "PlanInput",
    "PolicyEngine",
    "PolicyEngineError",
    "Reason",
    "Registry",
    "RegorusEngine",
    "StepInput",
    "ToolCallInput",
    "Verdict",
    "default_bundle_path",
    "plan_input",
]
