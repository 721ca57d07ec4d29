"""The gate's state, folded from `gate-<task>`: the one serialisation point of a task."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanRefused,
    TaskPlanValidated,
)
from smartops.contracts.wire import EventData

__all__ = ["Gate", "evolve"]


@dataclass(frozen=True, slots=True)
class Gate:
    """All that was decided about a task."""

    number: int = 0
    """The newest plan decided on."""
    validated: TaskPlanValidated | None = None
    required: TaskApprovalRequired | None = None
    voices: tuple[TaskApprovalRecorded, ...] = ()
    grant: TaskApprovalGranted | None = None
    grants: int = 0
    revoked: TaskGrantRevoked | None = None
    cancel: TaskCancelRequested | None = None
    halted: TaskHalted | None = None
    outcome: str | None = None
    """refused, rejected, expired or cancelled: the gate is closed."""

    @property
    def waiting(self) -> bool:
        """A person's decision is awaited."""
        return self.required is not None and self.grant is None and self.outcome is None


def evolve(gate: Gate, event: EventData) -> Gate:
    """Fold one event; never fails, never decides."""
    match event:
        case TaskPlanValidated():
            return replace(gate, number=event.number, validated=event)
        case TaskPlanRefused():
            return replace(gate, number=event.number, outcome="refused")
        case TaskApprovalRequired():
            return replace(gate, required=event, voices=())
        case TaskApprovalRecorded():
            return replace(gate, voices=(*gate.voices, event))
        case TaskApprovalGranted():
            return replace(gate, grant=event, grants=event.grant, revoked=None)
        case TaskApprovalRejected():
            return replace(gate, outcome="rejected")
        case TaskApprovalExpired():
            return replace(gate, outcome="expired")
        case TaskGrantRevoked():
            return replace(gate, revoked=event)
        case TaskCancelRequested():
            return replace(gate, cancel=event)
        case TaskCancelled():
            return replace(gate, outcome="cancelled")
        case TaskHalted():
            return replace(gate, halted=event)
        case _:
            return gate
