"""Runs that are granted and have not begun: they wait for their targets, and can be stopped. Pure.

Nothing was asked for and nothing is owned, so a pause is confirmed at once, and so is an end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskCancelled,
    TaskEscalated,
    TaskPaused,
    TaskResumed,
    TaskStopping,
)
from smartops.contracts.folds import GateView
from smartops.runner.moves import CLOCK
from smartops.runner.state import Run
from smartops.runtime.decision import NOTHING, Decision, Refusal, SetTimer

__all__ = ["CLAIM_PAUSE", "Look", "claim_timer", "heed_queued", "pause_queued", "resume_queued"]

CLAIM_PAUSE = timedelta(milliseconds=500)
"""Between two looks at targets that another run owns."""

_CLAIM = "claim/"


class Look(NamedTuple):
    """One look whether the targets are free."""

    term: int = 0
    """How often the run was resumed before; a look of an earlier term is late, and looks no more:
    else each pause would leave one more who looks beside the others."""
    number: int = 0
    """In its term. The first look of all is made by the grant, without a timer."""

    @classmethod
    def of(cls, timer: str) -> Look | None:
        """The look that a timer is for; None if it is for something else."""
        if not timer.startswith(_CLAIM):
            return None
        term, _, number = timer.removeprefix(_CLAIM).rpartition("/")
        return cls(int(term or 0), int(number))

    def late(self, run: Run) -> bool:
        """Whether the run has begun, or was resumed since: then others look for it, or nobody."""
        return run.started is not None or run.terms != self.term

    @property
    def next(self) -> Look:
        """The look after this one."""
        return self._replace(number=self.number + 1)


def claim_timer(look: Look, pause: timedelta, task: UUID) -> SetTimer:
    """Wakes the run for a look; carries its task, as its own stream need not exist yet."""
    term = f"{look.term}/" if look.term else ""
    return SetTimer(f"{_CLAIM}{term}{look.number}", pause, CLOCK, task.bytes)


def pause_queued(run: Run, task: UUID, gate: GateView, principal: str, reason: str) -> Decision:
    """Let a run not begin until it is resumed, whatever becomes free."""
    grant = gate.grant
    if grant is None or gate.stopped or run.ended is not None:
        return Decision(refusal=Refusal("not_running", "the run was stopped before it began"))
    if run.paused is not None:
        return NOTHING
    reason = reason[:4000]
    stopping = TaskStopping(
        task=task, run=grant.run, reason=reason, then="pause", principal=principal
    )
    return Decision([stopping, TaskPaused(task=task, run=grant.run, reason=reason)])


def resume_queued(run: Run, task: UUID, gate: GateView, principal: str, reason: str) -> Decision:
    """Let a run that was paused before it began look for its targets again, at once."""
    grant = gate.grant
    if grant is None or run.ended is not None:
        return Decision(refusal=Refusal("not_running", "the run was stopped before it began"))
    if run.paused is None:
        return Decision(refusal=Refusal("not_paused", "the run waits for its targets"))
    if gate.stopped:
        return Decision(
            refusal=Refusal("no_grant", "the grant was revoked or the task stopped; cancel it")
        )
    resumed = TaskResumed(task=task, run=grant.run, principal=principal, reason=reason[:4000])
    look = Look(run.terms + 1, 1)
    return Decision([resumed], timers=[claim_timer(look, timedelta(0), task)])


def heed_queued(run: Run, task: UUID, gate: GateView) -> Decision:
    """The gate stopped the task before its run began: nothing was changed, so it never begins."""
    grant = gate.grant
    if grant is None or run.ended not in (None, "escalated"):
        return NOTHING
    if gate.cancel is not None:
        return Decision([TaskCancelled(task=task, run=grant.run, reason=gate.cancel.reason)])
    if gate.halted is not None and run.ended is None:
        return Decision([_escalated(grant, task, gate.halted.reason)])
    return NOTHING


def _escalated(grant: TaskApprovalGranted, task: UUID, reason: str) -> TaskEscalated:
    return TaskEscalated(
        task=task,
        run=grant.run,
        reason=f"halted: {reason}"[:4000],
        what_to_do="The run had not begun, and nothing was changed: cancel the task, keeping its "
        "changes, to end it.",
    )
