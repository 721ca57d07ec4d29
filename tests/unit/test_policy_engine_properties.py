"""What holds of every plan, however odd: the policy that ships is asked about generated ones."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smartops.contracts.plan import PlanType
from smartops.policy_engine import (
    POLICY_ERROR,
    AutonomyMode,
    Entrypoint,
    GateInput,
    InputDocument,
    PlanInput,
    RegorusEngine,
    default_bundle_path,
)
from support.policy_documents import call, gate, plan, vote

ENGINE = RegorusEngine.load(default_bundle_path())
MODES = st.sampled_from(get_args(AutonomyMode))
TYPES = st.sampled_from(get_args(PlanType))
ENVIRONMENTS = st.sampled_from(["production", "staging", "development", "sandbox"])
TOOLS = st.sampled_from(["config.apply", "failover_cluster", "terraform.apply", "build_image"])
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def plans(draw: Any) -> PlanInput:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    category = draw(st.sampled_from(["read", "reversible", "irreversible", None]))
    return plan(
        *sizes,
        names=tuple(draw(st.sampled_from(["Canary", "canary", "Wave", "x"])) for _ in sizes),
        category=category,
        step={
            "tool": draw(TOOLS),
            "registered": category is not None and draw(st.booleans()),
            "reversible": category == "reversible" and draw(st.booleans()),
            "risk": draw(
                st.sampled_from(
                    ["read_only", "plan_only", "state_change_nonprod", "state_change_prod", None]
                )
            ),
            "scope": draw(st.sampled_from(["asset", "environment", "organization", None])),
            "simulation_required": draw(st.booleans()),
            "rehearsed": draw(st.booleans()),
            "arguments": draw(st.dictionaries(st.sampled_from(["plan", "image", "x"]), JSON)),
        },
        phase={
            "health_checks": draw(st.integers(0, 2)),
            "rollback_if": draw(st.sampled_from(["", "error_rate > 1%"])),
            "watch_ms": draw(st.sampled_from([0, 30_000])),
        },
        environment=draw(ENVIRONMENTS),
        type=draw(TYPES),
        mode=draw(MODES),
        autonomy_level=draw(st.integers(0, 4)),
        total_assets=draw(st.integers(16, 100)),
        approval_requested=draw(st.booleans()),
        maintenance=draw(st.booleans()),
        max_run_ms=draw(st.none() | st.integers(0, 20_000_000)),
        requester_roles=draw(st.lists(st.sampled_from(["operator", "org-admin"]))),
        token_budget_exhausted=draw(st.booleans()),
    )


@st.composite
def gates(draw: Any) -> GateInput:
    changed = draw(st.integers(0, 120))
    parts = {
        name: draw(st.integers(0, 20))
        for name in ("structural", "policy", "tests", "history", "review")
    }
    mode = draw(MODES)
    return gate(
        risk={
            "score": draw(st.integers(0, 100)),
            "level": draw(st.sampled_from(["low", "medium", "high", "critical"])),
        },
        quality={"total": sum(parts.values()), **parts},
        limits={"risk_threshold": draw(st.integers(0, 100))},
        environment=draw(ENVIRONMENTS),
        type=draw(TYPES),
        mode=mode,
        agent_runs=draw(st.integers(0, 3)),
        autonomy_level=draw(st.integers(0, 4)),
        writes=changed,
        tool_modes={draw(TOOLS): draw(MODES)} if changed else {},
        changed_assets=changed,
        critical_assets=draw(st.integers(0, changed)),
        total_assets=max(1, changed),
        irreversible=draw(st.booleans()),
        canary=draw(st.booleans()),
        window_blocked=draw(st.booleans()),
        cooldown_left_ms=draw(st.integers(0, 2)),
        plan_requires_approval=draw(st.booleans()),
        require_two_approvers=draw(st.booleans()),
        approval_requested=draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(plans())
def test_no_plan_that_writes_in_production_goes_without_a_person(document: PlanInput) -> None:
    verdict = ENGINE.decide("plan", document.canonical_bytes())
    assert verdict.rules != (POLICY_ERROR,), verdict.denials
    if not verdict.allow or verdict.requires_approval:
        return
    assert document.mode != "approve_all" or not any(step.writes for step in document.steps)
    assert document.environment != "production" or not any(step.writes for step in document.steps)


@settings(max_examples=300, deadline=None)
@given(gates())
def test_no_gate_lets_a_write_in_production_through_by_itself(document: GateInput) -> None:
    verdict = ENGINE.decide("gate", document.canonical_bytes())
    assert verdict.rules != (POLICY_ERROR,), verdict.denials
    if not verdict.allow or verdict.requires_approval or not document.writes:
        return
    assert document.environment != "production"
    assert document.risk.level not in ("high", "critical")
    assert document.mode not in ("plan_only", "approve_all")
    assert document.mode != "risk_based" or document.risk.score <= 30
    assert document.quality.total >= 50
    assert not document.irreversible


WHOLE: list[tuple[Entrypoint, InputDocument]] = [
    ("plan", plan()),
    ("gate", gate(plan_requires_approval=True, approval_requested=True)),
    ("tool_call", call()),
    ("approval", vote()),
]


@pytest.mark.parametrize(("entrypoint", "document"), WHOLE, ids=[name for name, _ in WHOLE])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_document_makes_the_engine_raise(
    entrypoint: Entrypoint, document: InputDocument, data: st.DataObject
) -> None:
    """Nor lets a plan that waits for a person, for two reasons, go by itself for want of one."""
    whole = document.model_dump(mode="json")
    place = whole
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict)
                        else st.integers(0, len(place) - 1))  # fmt: skip
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(JSON)
    verdict = ENGINE.decide(entrypoint, json.dumps(whole).encode())
    assert verdict.rules
    if entrypoint in ("plan", "gate"):
        assert verdict.requires_approval, (key, place[key])
