"""What others know of a gate: is there a grant, and does it still hold?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanRefused,
)
from smartops.contracts.wire import EventData

__all__ = ["GateView", "evolve_gate"]


@dataclass(frozen=True, slots=True)
class GateView:
    """The gate's word, as far as execution depends on it."""

    required: TaskApprovalRequired | None = None
    grant: TaskApprovalGranted | None = None
    revoked: TaskGrantRevoked | None = None
    cancel: TaskCancelRequested | None = None
    halted: TaskHalted | None = None
    closed: bool = False
    """Refused, rejected, expired or cancelled: no grant will follow."""

    @property
    def stopped(self) -> bool:
        """Nothing new may be dispatched; undo still may, unless halted."""
        return (
            self.grant is None
            or self.revoked is not None
            or self.cancel is not None
            or self.halted is not None
        )


def evolve_gate(view: GateView, event: EventData) -> GateView:
    """Fold one event of `gate-<task>`."""
    match event:
        case TaskApprovalRequired():
            return replace(view, required=event)
        case TaskApprovalGranted():
            return replace(view, grant=event, revoked=None)
        case TaskGrantRevoked():
            return replace(view, revoked=event)
        case TaskCancelRequested():
            return replace(view, cancel=event)
        case TaskHalted():
            return replace(view, halted=event)
        case TaskPlanRefused() | TaskApprovalRejected() | TaskApprovalExpired() | TaskCancelled():
            return replace(view, closed=True)
        case _:
            return view
