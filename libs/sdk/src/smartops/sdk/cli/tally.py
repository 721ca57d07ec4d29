"""What a task's events add up to: where it stands, calls counted, time taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts import events as e
from smartops.contracts.wire import EventData, Purpose
from smartops.sdk.cli.text import count, duration, one_line
from smartops.sdk.event import Event

__all__ = ["Calls", "Tally"]


@dataclass(slots=True)
class Calls:
    """The calls of one stretch: the gathering of evidence, a phase, or the rollback."""

    since: datetime | None = None
    steps: int = 0
    """Calls that are to succeed."""
    asked: set[UUID] = field(default_factory=set)
    ended: set[UUID] = field(default_factory=set)
    outcomes: Counter[tuple[Purpose, str]] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        """Calls without an outcome yet."""
        return len(self.asked - self.ended)

    def succeeded(self, purpose: Purpose) -> int:
        """Calls of a purpose that the tool answered."""
        return self.outcomes[purpose, "succeeded"]


class Tally:
    """Adds up one task. Events may come in any order that keeps causes ahead of effects."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.phases: tuple[str, ...] = ()
        self.healthy: list[str] = []
        """Checks that the phase under way has passed."""
        self._phase = 0
        self._purposes: dict[UUID, Purpose] = {}
        self._stage = ""
        self._began: datetime | None = None
        self._people_since: datetime | None = None
        self._people_took = timedelta()

    @property
    def status(self) -> str:
        """What goes on at this moment; empty when nothing does."""
        calls = self.calls
        match self._stage:
            case "evidence":
                return f"gathering evidence: {len(calls.ended)} of {len(calls.asked)} answers"
            case "phase" if (done := calls.succeeded(Purpose.DO)) < calls.steps:
                flying = f", {calls.open} in flight" if calls.open else ""
                return f"{self._place()}: {done} of {count(calls.steps, 'step')}{flying}"
            case "phase":
                samples = count(calls.succeeded(Purpose.OBSERVE), "sample")
                return f"{self._place()}: watching health, {samples}"
            case "undo":
                undone = calls.succeeded(Purpose.UNDO)
                return f"rolling back: {undone} of {count(calls.steps, 'change')} taken back"
            case stage:
                return stage

    def took(self, end: datetime) -> str:
        """How long the task has taken, and how much of that it waited for people."""
        if self._began is None:
            return ""
        whole = duration(end - self._began)
        if self._people_took < timedelta(seconds=1):
            return whole
        return f"{whole}, {duration(self._people_took)} of it waiting for people"

    def add(self, event: Event) -> None:
        """Add an event."""
        data = event.data
        match data:
            case e.TaskSubmitted():
                self._began = event.time
                self._stage = "planning"
            case e.TaskEvidenceAttached():
                self._stage = "planning"
            case e.TaskPlanned():
                self._stage = "policy weighs the plan"
            case e.TaskApprovalRequired():
                self._people_since = event.time
                self._stage = "waiting for a decision"
            case e.TaskApprovalGranted():
                self._heard_people(event.time)
                self._stage = "starting"
            case e.TaskStarted():
                self.phases = data.phases
            case e.TaskPhaseStarted():
                self._phase = data.phase
                self.healthy = []
                self._begin("phase", event.time, data.steps)
            case e.TaskHealthChecked() if data.outcome == "healthy":
                self.healthy.append(data.type)
            case e.TaskStopping():
                self._stage = "stopping, calls in flight are awaited"
            case e.TaskPaused():
                self._people_since = event.time
                self._stage = "paused, waiting for a person"
            case e.TaskWaiting():
                self._stage = f"waiting until {data.until:%Y-%m-%d %H:%M} UTC"
            case e.TaskResumed():
                self._heard_people(event.time)
                self._stage = "phase"
            case e.TaskRollbackStarted():
                self._begin("undo", event.time, len(data.undo))
            case e.TaskCancelRequested():
                self._heard_people(event.time)
                self._stage = "ending"
            case (
                e.TaskPlanRefused()
                | e.TaskApprovalRejected()
                | e.TaskApprovalExpired()
                | e.TaskHalted()
                | e.TaskRolledBack()
                | e.TaskCompleted()
                | e.TaskCancelled()
                | e.TaskFailed()
                | e.TaskEscalated()
            ):
                self._heard_people(event.time)
                self._stage = ""
            case _:
                self._add_call(data)

    def _add_call(self, data: EventData | None) -> None:
        match data:
            case e.ToolCallRequested():
                self._purposes[data.call] = data.purpose
                self.calls.asked.add(data.call)
                if data.purpose is Purpose.EVIDENCE:
                    self._stage = "evidence"
            case e.ToolCallCompleted():
                self._ended(data.call, data.facts.purpose, "succeeded")
            case e.ToolCallFailed():
                self._ended(data.call, data.facts.purpose, "failed")
            case e.ToolCallDenied():
                self._ended(data.call, data.purpose, "denied")
            case e.ToolCallSettled():
                purpose = self._purposes.get(data.call, Purpose.DO)
                self._ended(data.call, purpose, "succeeded" if data.applied else "failed")
            case _:
                return

    def _place(self) -> str:
        """The phase under way, as `2/3 wave`."""
        number = self._phase
        name = self.phases[number] if number < len(self.phases) else ""
        return f"{number + 1}/{max(len(self.phases), number + 1)} {one_line(name)}".rstrip()

    def _begin(self, stage: str, time: datetime, steps: int) -> None:
        self._stage = stage
        # Calls of this stretch may have been told of first, and those of the last be in flight.
        self.calls = Calls(time, steps, asked=self.calls.asked - self.calls.ended)

    def _ended(self, call: UUID, purpose: Purpose, outcome: str) -> None:
        self.calls.asked.add(call)
        if call not in self.calls.ended:
            self.calls.ended.add(call)
            self.calls.outcomes[purpose, outcome] += 1

    def _heard_people(self, time: datetime) -> None:
        if self._people_since is not None:
            self._people_took += time - self._people_since
            self._people_since = None
