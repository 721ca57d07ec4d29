"""Old events read as new ones: pure steps from one version to the next.

A new version of an event is a new class beside the old one, plus one entry here; history is never
rewritten. A step gets data that its own version's class has accepted, so it is total: no field
that it names can be missing or of another type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["UPCASTERS", "upcast"]

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _call_denied_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """One rule and its message become the list of them; policy and grant were never noted."""
    kept = {name: value for name, value in data.items() if name not in ("rule", "message")}
    return {**kept, "reasons": [{"rule": data["rule"], "message": data["message"]}]}


def _approval_granted_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """What a grant reaches was bounded by its plan alone."""
    return {**data, "envelope": None}


def _approval_granted_v2_v3(data: dict[str, Any]) -> dict[str, Any]:
    """Each voice was a person's own, and nobody's was given beforehand or alone."""
    return {**data, "standing": None, "break_glass": False}


def _approval_granted_v3_v4(data: dict[str, Any]) -> dict[str, Any]:
    """A grant had no condition."""
    drawn = data["envelope"]
    return {**data, "envelope": None if drawn is None else {**drawn, "condition": None}}


def _approval_recorded_v3_v4(data: dict[str, Any]) -> dict[str, Any]:
    """A voice could not say "as long as"."""
    return {**data, "limits": {**data.get("limits", {}), "condition": None}}


def _approval_required_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """One role was asked, who asked was shut out, and nobody was reminded."""
    requester = {"principal": data["requester"], "actor": None, "part": "requester"}
    return {**data, "roles": [data["role"]], "excluded": [requester], "prompts": []}


def _approval_recorded_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """A voice was for the whole plan."""
    return {**data, "limits": {"max_targets": None, "max_calls": None, "expires_at": None}}


def _approval_rejected_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """A rejection always ended the task."""
    return {**data, "then": "archive", "constraints": {}, "detail": ""}


def _tool_registered_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """What version 1 did not ask for was not declared; the digest stays what was stored."""
    return data


def _call_settled_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Nobody had said that the step may be attempted again."""
    return {**data, "retry": False}


def _health_checked_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """What was measured, and what was compared with it, was not told."""
    return {**data, "inconclusive": 0, "errors": 0, "condition": "", "values": {}}


def _rolled_back_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Nobody looked whether the targets were as before."""
    return {**data, "verified": 0, "unverified": []}


def _step_settled_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """Neither what a sample measured nor what was there before was noted."""
    return {**data, "measured": None, "before": None}


def _no_decisions(data: dict[str, Any]) -> dict[str, Any]:
    """What policy had decided on was not kept."""
    return {**data, "decisions": []}


def _autonomy_changed_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """A level was the agent's in all versions, with all tools, everywhere."""
    everywhere = {"agent_version": "*", "tool": "*", "environment": "*"}
    return {**data, **everywhere, "before": None, "rule": "unknown"}


def _bundle_activated_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """It was put in force by the process that had it, and no copy was kept."""
    return {**data, "document": None}


UPCASTERS: dict[str, Upcaster] = {
    "autonomy.changed.v1": _autonomy_changed_v1_v2,
    "command.refused.v1": _no_decisions,
    "policy.bundle.activated.v1": _bundle_activated_v1_v2,
    "task.approval.granted.v1": _approval_granted_v1_v2,
    "task.approval.granted.v2": _approval_granted_v2_v3,
    "task.approval.granted.v3": _approval_granted_v3_v4,
    "task.approval.recorded.v1": _approval_recorded_v1_v2,
    "task.approval.recorded.v2": _no_decisions,
    "task.approval.recorded.v3": _approval_recorded_v3_v4,
    "task.approval.required.v1": _approval_required_v1_v2,
    "task.approval.rejected.v1": _approval_rejected_v1_v2,
    "task.health.checked.v1": _health_checked_v1_v2,
    "task.plan.refused.v1": _no_decisions,
    "task.plan.validated.v1": _no_decisions,
    "task.rolled_back.v1": _rolled_back_v1_v2,
    "task.step.settled.v1": _step_settled_v1_v2,
    "tool.call.completed.v1": _no_decisions,
    "tool.call.denied.v1": _call_denied_v1_v2,
    "tool.call.denied.v2": _no_decisions,
    "tool.call.dispatched.v1": _no_decisions,
    "tool.call.failed.v1": _no_decisions,
    "tool.call.settled.v1": _call_settled_v1_v2,
    "tool.registered.v1": _tool_registered_v1_v2,
}
"""From `name.vN` to the function that turns its data into that of `name.v(N+1)`."""


def upcast(topic: str, data: dict[str, Any]) -> dict[str, Any]:
    """Walk the chain from `topic` to the newest version."""
    name, _, version = topic.rpartition(".v")
    number = int(version)
    while (step := UPCASTERS.get(f"{name}.v{number}")) is not None:
        data = step(data)
        number += 1
    return data
