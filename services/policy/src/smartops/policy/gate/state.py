"""The gate's state, folded from `gate-<task>`: the one serialisation point of a task."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartops.contracts.constraints import Constraints
from smartops.contracts.events import (
    Approval,
    TaskApprovalEscalated,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanEditAccepted,
    TaskPlanRefused,
    TaskPlanReturned,
    TaskPlanSuperseded,
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
    escalated: tuple[str, ...] = ()
    """Roles that were asked besides, while nobody decided."""
    prompted: int = 0
    """How many of the prompts of `required` have come."""
    grant: TaskApprovalGranted | None = None
    grants: int = 0
    returned: TaskPlanReturned | None = None
    """Policy denied a step under way: the grant holds no more. Its run rests, with what it did."""
    returns: int = 0
    """How often that was so."""
    revoked: TaskGrantRevoked | None = None
    cancel: TaskCancelRequested | None = None
    halted: TaskHalted | None = None
    outcome: str | None = None
    """refused, rejected, expired, stale or cancelled: the gate is closed."""
    expects: int = 1
    """The number of the plan that is being written; 0: none is."""
    replaced: str = ""
    """edited, rejected or stale: why the newest plan holds no more, until the next one is here."""
    edit: TaskPlanEditAccepted | None = None
    """What the plan that is being written must come of."""
    editors: tuple[Approval, ...] = ()
    """Who edited any of the plans."""
    constraints: Constraints = Constraints()
    """What was asked for with rejections."""
    replans: int = 0
    """How often a plan was written anew, edits not counted."""

    @property
    def waiting(self) -> bool:
        """A person's decision is awaited."""
        return (
            self.required is not None
            and (self.grant is None or (self.returned is not None and self.revoked is None))
            and self.outcome is None
            and not self.replaced
        )

    @property
    def open(self) -> bool:
        """A person's decision is awaited, and would count."""
        return self.waiting and self.cancel is None and self.halted is None

    @property
    def yes(self) -> tuple[TaskApprovalRecorded, ...]:
        """The voices that said yes to the plan at hand."""
        return tuple(voice for voice in self.voices if voice.decision == "approve")


def evolve(gate: Gate, event: EventData) -> Gate:
    """Fold one event; never fails, never decides."""
    match event:
        case TaskPlanValidated():
            written = replace(gate, expects=0, replaced="", edit=None)
            return replace(written, number=event.number, validated=event)
        case TaskPlanRefused():
            if event.number != gate.expects:
                return gate  # Nobody had asked for it, so nothing depends on it.
            return replace(gate, number=event.number, expects=0, outcome="refused")
        case TaskApprovalRequired():
            return replace(gate, required=event, voices=(), escalated=(), prompted=0)
        case TaskApprovalRecorded():
            return replace(gate, voices=(*gate.voices, event))
        case TaskApprovalReminded():
            return replace(gate, prompted=event.prompt + 1)
        case TaskApprovalEscalated():
            escalated = (*gate.escalated, event.role)
            return replace(gate, prompted=event.prompt + 1, escalated=escalated)
        case TaskApprovalGranted():
            return replace(gate, grant=event, grants=event.grant, returned=None, revoked=None)
        case TaskPlanReturned():
            return replace(gate, required=None, returned=event, returns=gate.returns + 1)
        case TaskApprovalRejected():
            constraints = gate.constraints.joined(event.constraints)
            gate = replace(gate, constraints=constraints)
            if event.then == "archive":
                return replace(gate, outcome="rejected")
            return _reopened(gate, "rejected")
        case TaskPlanEditAccepted():
            gate = replace(gate, edit=event, editors=(*gate.editors, event.by))
            return replace(gate, replaced="edited", expects=gate.number + 1)
        case TaskPlanSuperseded(because="stale"):
            gate = replace(gate, grant=None)
            if event.then == "end":
                return replace(gate, outcome="stale")
            return _reopened(gate, "stale")
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


def _reopened(gate: Gate, why: str) -> Gate:
    return replace(gate, replaced=why, expects=gate.number + 1, replans=gate.replans + 1)
