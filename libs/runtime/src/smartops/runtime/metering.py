"""Counting what has happened: each stored event once, by the process that stored it."""

from __future__ import annotations

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskHealthChecked,
    TaskPlanRefused,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskSubmitted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallFailed,
    ToolCallUncertain,
)
from smartops.contracts.wire import EventData
from smartops.telemetry.metrics import Metrics

__all__ = ["meter"]


def meter(metrics: Metrics, event: EventData) -> None:
    """Count one event."""
    metrics.event(event.topic)
    if type(event) is TaskBreakGlassUsed:
        metrics.break_glass()
    _by_meaning(metrics, event)


def _by_meaning(metrics: Metrics, event: EventData) -> None:
    match event:
        case TaskSubmitted():
            metrics.task("queued")
        case TaskApprovalRequired():
            metrics.task("needs_approval")
        case TaskApprovalGranted():
            metrics.policy_decision("gate.granted", "allow")
        case TaskPlanRefused():
            metrics.task("failed_terminal")
            metrics.policy_decision(event.problems[0].rule, "deny")
        case TaskApprovalRejected():
            metrics.task("rejected")
        case TaskApprovalExpired():
            metrics.task("failed_terminal")
        case TaskStarted():
            metrics.task("executing")
            metrics.execution("executing")
        case TaskCompleted():
            metrics.task("completed")
            metrics.execution("completed")
        case TaskRollbackStarted():
            metrics.rollback()
        case TaskRolledBack():
            metrics.task("rolled_back")
            metrics.execution("rolled_back")
        case TaskCancelled():
            metrics.task("cancelled")
            if event.run is not None:
                metrics.execution("cancelled")
        case TaskFailed():
            metrics.task("failed_retryable" if event.retryable else "failed_terminal")
            if event.run is not None:
                metrics.execution("failed")
        case TaskEscalated():
            metrics.task("escalated_to_human")
            metrics.execution("escalated")
        case TaskHealthChecked():
            metrics.health_check(event.type, event.outcome)
        case ToolCallCompleted():
            metrics.tool_call(event.facts.tool, "succeeded", event.duration_ms / 1000)
        case ToolCallFailed():
            metrics.tool_call(event.facts.tool, "failed", event.duration_ms / 1000)
        case ToolCallDenied():
            metrics.tool_call(event.tool, "denied")
            metrics.policy_decision(event.rules[0], "deny")
        case ToolCallUncertain():
            metrics.tool_call(event.facts.tool, "uncertain")
        case _:
            pass
