"""Somebody broke the glass: what is asked for then, and what its plan may do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import (
    Approval,
    TaskBreakGlassUsed,
    TaskFailed,
    TaskPlanned,
    TaskSpecified,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, Environment, RiskLevel
from smartops.planner.agents import IncidentAgent
from smartops.planner.domain import Submission, answered, submit
from smartops.planner.incidents import looking_into
from smartops.planner.state import Task, evolve
from support.given import Given, given
from support.plans import REQUESTER, TASK, TENANT, phase, plan, step
from support.registered import REGISTERED

NOW_TASK = UUID("33333333-3333-5333-8333-333333333333")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AGENTS = (IncidentAgent(),)


def used(justification: str = "customers cannot pay") -> TaskBreakGlassUsed:
    """Gus was alone."""
    gus = Approval(
        actor=actor_id(TENANT, "gus"),
        actor_name="gus",
        principal=principal("local", "gus"),
        authtype="local",
        actor_version=1,
    )
    return TaskBreakGlassUsed(
        number=1,
        plan_hash=plan().hash(),
        by=gus,
        justification=justification,
        environment=Environment.PRODUCTION,
        summary="mends what is broken",
        risk_level=RiskLevel.HIGH,
        requester=REQUESTER.principal,
        grant=1,
        run=TASK,
        quorum=2,
        voices=(),
    )


def patching(*targets: str) -> Plan:
    """The plan that was let run."""
    patch = REGISTERED["apply_patch"]
    members = [step(t, patch, arguments={"asset": t, "version": "2"}, undo=False) for t in targets]
    return plan(phase(*members))


def asked(intent: IntentSubmit) -> Given[Task]:
    """It is asked for."""
    new = Submission(NOW_TASK, TENANT, NOW_TASK, digest(b"one"), REQUESTER, intent)
    return given(Task(), evolve).when(lambda task: submit(task, new, AGENTS, REGISTERED)).after


def test_the_targets_of_the_plan_are_looked_at() -> None:
    intent = looking_into(used(), TASK, patching("web-01", "web-02"), REGISTERED)
    assert [(one.tool, one.target) for one in intent.context.steps] == [
        ("get_asset", "web-01"),
        ("get_asset", "web-02"),
    ]
    assert intent.context.approval, "a person must look"
    assert f"task:{TASK}" in intent.tags
    assert "gus alone" in intent.intent
    assert "customers cannot pay" in intent.intent


def test_the_reason_can_be_left_out_and_cannot_make_the_intent_too_long() -> None:
    bare = looking_into(used(), TASK, patching("web-01"), REGISTERED, why=False)
    assert "customers" not in bare.intent
    assert len(looking_into(used("x" * 3000), TASK, patching("web-01"), REGISTERED).intent) == 2000


def test_where_nothing_tells_of_single_targets_the_inventory_is_asked() -> None:
    intent = looking_into(used(), TASK, plan(), {})
    assert [one.tool for one in intent.context.steps] == ["query_assets"]


def test_its_plan_only_reads_and_waits_for_a_person() -> None:
    intent = looking_into(used(), TASK, patching("web-01"), REGISTERED)
    history = asked(intent)
    assert [type(e) for e in history.history[1:]] == [TaskSpecified, ToolCallRequested]
    [request] = history.state.asked.values()
    view = CallView(call=request.call, status=CallStatus.SUCCEEDED, output={"version": "2"})
    outcome = history.when(
        lambda task: answered(
            task, NOW_TASK, TENANT, view, view.output, {}, AGENTS, REGISTERED, NOW
        )
    )
    planned = outcome.event(TaskPlanned)
    made = Plan.read(outcome.decision.blobs[-1], plan_hash=planned.plan_hash)
    assert planned.type == "incident_analysis"
    assert {one.category for one in made.steps} == {Category.READ}
    assert made.header.approval_requested


@pytest.mark.parametrize("steps", [(), ({"tool": "apply_patch", "target": "web-01"},)])
def test_nobody_gets_anything_changed_under_its_name(steps: Any) -> None:
    intent = IntentSubmit.model_validate(
        {"intent": "look into it", "context": {"agent": "incident", "steps": steps}}
    )
    history = asked(intent)
    if steps:
        [request] = history.state.asked.values()
        view = CallView(call=request.call, status=CallStatus.SUCCEEDED, output={})
        history = history.when(
            lambda task: answered(task, NOW_TASK, TENANT, view, {}, {}, AGENTS, REGISTERED, NOW)
        ).after
    assert isinstance(history.history[-1], TaskFailed)
