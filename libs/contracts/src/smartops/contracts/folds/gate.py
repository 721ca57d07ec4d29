"""What others know of a gate: is there a grant, and does it still hold?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from smartops.contracts.events import (
    Approval,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanRefused,
    TaskPlanReturned,
    TaskPlanSuperseded,
    TaskPlanValidated,
)
from smartops.contracts.wire import EventData

__all__ = ["GateView", "evolve_gate"]


@dataclass(frozen=True, slots=True)
class GateView:
    """The gate's word, as far as execution depends on it."""

    validated: TaskPlanValidated | None = None
    required: TaskApprovalRequired | None = None
    voices: tuple[TaskApprovalRecorded, ...] = ()
    """Those that approved, of all plans."""
    glass: TaskBreakGlassUsed | None = None
    """Where one person alone let a plan run."""
    grant: TaskApprovalGranted | None = None
    unfounded: bool = False
    """The grant names another plan than was validated, or another than its approvers spoke of, or
    fewer or other people than had to agree. Policy says no such thing: somebody has changed the
    log. A grant by a standing word must be borne out by that one's own stream besides: see
    `StandingView`."""
    returned: TaskPlanReturned | None = None
    """Policy denied a step of the run; the grant holds no more, and another one may follow."""
    begun: int = 0
    """The grant that the run of the newest one began under: others follow when it was returned."""
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
            or self.returned is not None
            or self.revoked is not None
            or self.cancel is not None
            or self.halted is not None
        )


def evolve_gate(view: GateView, event: EventData) -> GateView:
    """Fold one event of `gate-<task>`."""
    match event:
        case TaskPlanValidated():
            return replace(view, validated=event)
        case TaskApprovalRequired():
            return replace(view, required=event)
        case TaskApprovalRecorded(decision="approve"):
            return replace(view, voices=(*view.voices, event))
        case TaskBreakGlassUsed():
            return replace(view, glass=event)
        case TaskApprovalGranted():
            goes_on = view.returned is not None and view.returned.run == event.run
            return replace(
                view,
                grant=event,
                begun=view.begun if goes_on else event.grant,
                returned=None,
                revoked=None,
                unfounded=not _founded(view, event),
            )
        case TaskPlanReturned():
            return replace(view, returned=event, required=None)
        case TaskGrantRevoked():
            return replace(view, revoked=event)
        case TaskCancelRequested():
            return replace(view, cancel=event)
        case TaskHalted():
            return replace(view, halted=event)
        case TaskPlanSuperseded():
            # Nothing is decided on that plan any more, nor carried out under its grant.
            return replace(view, required=None, grant=None, closed=event.then == "end")
        case TaskApprovalRejected(then="replan"):
            return replace(view, required=None)
        case TaskPlanRefused() if event.unasked:
            return view
        case TaskPlanRefused() | TaskApprovalRejected() | TaskApprovalExpired() | TaskCancelled():
            return replace(view, closed=True)
        case _:
            return view


def _founded(view: GateView, grant: TaskApprovalGranted) -> bool:
    """Whether what came before says the same: so no single changed row makes a grant."""
    plan = view.validated
    if plan is None or _of(plan) != _of(grant) or plan.document != grant.document:
        return False
    if view.returned is not None and (grant.automatic or grant.standing is not None):
        return False  # What came back from its run goes on by the word of somebody who knows why.
    if grant.automatic:
        by_nobody = not grant.approvals and grant.standing is None and not grant.break_glass
        return by_nobody and not plan.requires_approval
    heard = [voice.by for voice in view.voices if _of(voice) == _of(grant)]
    if grant.standing is not None:
        # Given before there was a plan to speak of, by one person in his own name.
        in_own_name = [one.for_actor for one in grant.approvals] == [None]
        return not grant.break_glass and in_own_name and grant.approvals[0] in heard
    asked = view.required
    if asked is None or _of(asked) != _of(grant) or asked.document != grant.document:
        return False
    return _broken(view, grant) if grant.break_glass else _agreed(heard, asked, grant)


def _agreed(
    heard: Sequence[Approval], asked: TaskApprovalRequired, grant: TaskApprovalGranted
) -> bool:
    """So many distinct people said so, none of whom had a hand in the plan."""
    persons = {one.actor for one in asked.excluded}
    for voice in grant.approvals:
        if voice not in heard or not persons.isdisjoint(voice.persons):
            return False
        persons |= voice.persons
    return len(grant.approvals) >= asked.quorum


def _broken(view: GateView, grant: TaskApprovalGranted) -> bool:
    """One person said so, for this very grant."""
    used = view.glass
    return (
        used is not None
        and (used.number, used.plan_hash) == (grant.number, grant.plan_hash)
        and (used.grant, used.run, (used.by,)) == (grant.grant, grant.run, grant.approvals)
    )


def _of(
    said: TaskPlanValidated | TaskApprovalRequired | TaskApprovalRecorded | TaskApprovalGranted,
) -> tuple[int, str, str]:
    """What it speaks of: a plan, and what was found about it."""
    return said.number, said.plan_hash, said.assessment_hash
