"""Input documents to start from: each is allowed as it is; a test changes what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from smartops.policy_engine import (
    ApprovalInput,
    ApprovalSettings,
    Approver,
    Bundle,
    GateInput,
    GrantInput,
    PhaseInput,
    PlanInput,
    StepInput,
    ToolCallInput,
    default_bundle_path,
)

__all__ = [
    "ANA",
    "BEN",
    "SPECIFICATION",
    "TASK",
    "bundle_with",
    "call",
    "gate",
    "grant",
    "plan",
    "vote",
]

TASK = UUID("11111111-1111-5111-8111-111111111111")
ANA = UUID("aaaaaaaa-aaaa-5aaa-8aaa-aaaaaaaaaaaa")
BEN = UUID("bbbbbbbb-bbbb-5bbb-8bbb-bbbbbbbbbbbb")

SPECIFICATION = Path(__file__).parent / "policies" / "specification"
"""The specification's example policy, in Rego v0, and the module that joins it to ours."""


def plan(
    *sizes: int,
    names: tuple[str, ...] = ("Canary", "Wave 1", "Wave 2", "Wave 3"),
    category: str = "reversible",
    step: dict[str, Any] | None = None,
    phase: dict[str, Any] | None = None,
    **fields: Any,
) -> PlanInput:
    """A plan in production whose phases touch `sizes` assets each, one step per asset."""
    phases: list[PhaseInput] = []
    steps: list[StepInput] = []
    for index, size in enumerate(sizes or (1, 2)):
        assets = tuple(f"web-{len(steps) + n}" for n in range(size))
        members = [
            StepInput.model_validate(
                {
                    "id": f"{index}/{asset}",
                    "phase": index,
                    "tool": "config.apply",
                    "version": "1.0.0",
                    "category": category,
                    "registered": True,
                    "reversible": category == "reversible",
                    "risk": "read_only" if category == "read" else "state_change_prod",
                    "scope": "asset",
                    "simulation_required": False,
                    "rehearsed": False,
                    "target": asset,
                    "arguments": {"baseline": "web-1.4"},
                }
                | (step or {})
            )
            for asset in assets
        ]
        steps += members
        phases.append(
            PhaseInput.model_validate(
                {
                    "name": names[index],
                    "assets": assets,
                    "steps": size,
                    "writes": sum(member.writes for member in members),
                    "health_checks": 1,
                    "rollback_if": "error_rate > 1%",
                    "wait_ms": 0,
                    "watch_ms": 30_000,
                }
                | (phase or {})
            )
        )
    document = {
        "task": TASK,
        "number": 1,
        "tenant": "acme",
        "environment": "production",
        "agent": "drift",
        "requester": "ana",
        "autonomy_level": 2,
        "total_assets": max(10, len(steps)),
        "approval_requested": False,
        "type": "drift_plan",
        "summary": "Applies the baseline.",
        "mode": "risk_based",
        "max_run_ms": 14_400_000,
        "maintenance": False,
        "evidence": [
            {"kind": "query_assets", "age_ms": 60_000},
            {"kind": "get_golden_image", "age_ms": 60_000},
        ],
        "requester_roles": ["operator"],
        "token_budget_exhausted": False,
        "phases": phases,
        "steps": steps,
    }
    return PlanInput.model_validate(document | fields)


def gate(
    *,
    risk: dict[str, Any] | None = None,
    parts: dict[str, int] | None = None,
    quality: dict[str, int] | None = None,
    limits: dict[str, int] | None = None,
    **fields: Any,
) -> GateInput:
    """The gate's view of a well-made plan in staging that may run by itself."""
    document = {
        "task": TASK,
        "number": 1,
        "tenant": "acme",
        "environment": "staging",
        "type": "drift_plan",
        "agent": "drift",
        "agent_version": "1.0.0",
        "agent_runs": 12,
        "mode": "risk_based",
        "autonomy_level": 2,
        "writes": 3,
        "irreversible": False,
        "canary": True,
        "changed_assets": 3,
        "critical_assets": 0,
        "total_assets": 20,
        "risk": {
            "score": 28,
            "level": "medium",
            "parts": {
                "environment": 50,
                "scope": 20,
                "history": 20,
                "change_size": 30,
                "timing": 20,
                "dependencies": 20,
                "drift": 20,
                "rollback": 0,
            }
            | (parts or {}),
        }
        | (risk or {}),
        "quality": {
            "total": 80,
            "structural": 20,
            "policy": 20,
            "tests": 15,
            "history": 15,
            "review": 10,
        }
        | (quality or {}),
        "limits": {
            "max_assets": 100,
            "max_critical_assets": 5,
            "cooldown_ms": 300_000,
            "risk_threshold": 30,
        }
        | (limits or {}),
        "cooldown_left_ms": 0,
        "window_blocked": False,
        "tool_modes": {"config.apply": "risk_based"},
        "plan_requires_approval": False,
        "plan_rules": ["plan.auto.reversible_outside_production"],
        "require_two_approvers": False,
        "approval_requested": False,
    }
    return GateInput.model_validate(document | fields)


def grant(**fields: Any) -> GrantInput:
    """A grant given by a person for production, good until 2,000 ms."""
    document = {
        "valid": True,
        "environment": "production",
        "expires_at_ms": 2000,
        "automatic": False,
    }
    return GrantInput.model_validate(document | fields)


def call(**fields: Any) -> ToolCallInput:
    """A granted, reversible write in production at 1,000 ms."""
    document = {
        "tenant": "acme",
        "task": TASK,
        "environment": "production",
        "tool": "config.apply",
        "version": "1.0.0",
        "category": "reversible",
        "registered": True,
        "purpose": "do",
        "target": "web-1",
        "arguments": {"baseline": "web-1.4"},
        "halted": False,
        "undo_owed": False,
        "grant": grant(),
        "now_ms": 1000,
    }
    return ToolCallInput.model_validate(document | fields)


def vote(
    *,
    actor: UUID | None = BEN,
    roles: tuple[str, ...] = ("approver",),
    disabled: bool = False,
    local: bool = False,
    local_permitted: bool = False,
    **fields: Any,
) -> ApprovalInput:
    """Ben, an approver, approves what Ana asked for."""
    document = {
        "task": TASK,
        "tenant": "acme",
        "environment": "production",
        "decision": "approve",
        "way": "voice",
        "roles": ("approver",),
        "acting_for": None,
        "approver": Approver(actor=actor, roles=roles, disabled=disabled, local_credentials=local),
        "requester": ANA,
        "editors": (),
        "settings": ApprovalSettings(local_credentials_in_production=local_permitted),
    }
    return ApprovalInput.model_validate(document | fields)


def bundle_with(*, without: str = "", **changes: str | bytes | None) -> Bundle:
    """Our bundle with files replaced or added (`name__rego=`), left out (None), and without the
    files whose name contains `without`."""
    files = dict(Bundle.read(default_bundle_path()).files)
    for name, content in changes.items():
        path = name.replace("__", ".")
        if content is None:
            files.pop(path)
        else:
            files[path] = content.encode() if isinstance(content, str) else content
    if without:
        files = {path: content for path, content in files.items() if without not in path}
    return Bundle(files)
