"""A run driven fact by fact, without bus or database: `line.applied("web-01")`, `line.tick()`.

Each fact is told twice: whatever it was, its repeat must change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.events import (
    BeforeState,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView, GateView, evolve_gate
from smartops.contracts.plan import Plan
from smartops.contracts.wire import EventData, Purpose
from smartops.runner import domain
from smartops.runner.queued import pause_queued, resume_queued
from smartops.runner.state import Run, evolve
from smartops.runtime.decision import CancelTimer, Decision, SetTimer
from support.given import Given, Outcome, given
from support.grants import GRANTED_AT, grant_for, granted_again, sent_back
from support.plans import TASK

__all__ = ["Line"]


class Line:
    """A run, its gate, and the timers that are set."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.grant = grant_for(plan)
        self.gate = GateView(grant=self.grant)
        self.past: Given[Run] = given(Run(), evolve)
        self.now: datetime = GRANTED_AT
        self.set_for: dict[str, datetime | timedelta] = {}
        """All timers that are set, deadlines included, with what they are set for."""

    # ---- what is the case ----------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The state."""
        return self.past.state

    @property
    def told(self) -> list[str]:
        """The run's history as the names of its events."""
        return [type(event).__name__ for event in self.past.history]

    def count(self, kind: type[EventData]) -> int:
        """How many events of a type the run has."""
        return sum(isinstance(event, kind) for event in self.past.history)

    def waiting(self, purpose: Purpose | None = None) -> list[ToolCallRequested]:
        """Calls in flight, oldest first."""
        run = self.run
        return [
            request
            for call, request in run.requests.items()
            if call in run.in_flight and purpose in (None, request.purpose)
        ]

    def targets(self, purpose: Purpose = Purpose.DO) -> list[str]:
        """Targets of the calls in flight."""
        return [request.target for request in self.waiting(purpose)]

    @property
    def timers(self) -> set[str]:
        """Timers that are set; but for deadlines, which are always there."""
        return {name for name in self.set_for if not name.startswith(("deadline/", "answer/"))}

    # ---- facts ---------------------------------------------------------------------------------

    def start(self) -> Outcome[Run]:
        """The grant arrives, all targets being free."""
        return self._fact(
            lambda run: domain.start(run, self.grant, TASK, self.gate, self.plan, self.now)
        )

    def applied(
        self, target: str, output: JsonValue = None, *, before: BeforeState | None = None
    ) -> Outcome[Run]:
        """The step, or undo, on a target was applied."""
        return self.answer(self._call(target), CallStatus.SUCCEEDED, output=output, proof=before)

    def failed(self, target: str, *, retryable: bool = False) -> Outcome[Run]:
        """The step, or undo, on a target was definitely not applied."""
        return self.answer(
            self._call(target), CallStatus.FAILED, retryable=retryable, error_code="refused"
        )

    def denied(self, target: str, code: str = "expired") -> Outcome[Run]:
        """The gateway let the step, or undo, not go out."""
        grant = None if self.gate.grant is None else self.gate.grant.grant
        return self.answer(self._call(target), CallStatus.DENIED, error_code=code, grant=grant)

    def uncertain(self, target: str, settles_by: str = "human") -> Outcome[Run]:
        """Nobody knows whether the step, or undo, was applied."""
        return self.answer(self._call(target), CallStatus.UNCERTAIN, settles_by=settles_by)

    def samples(self, *, healthy: bool | None = True, rates: bool | None = True) -> Outcome[Run]:
        """The samples in flight come back: healthy, not, or showing nothing (None)."""
        outcome = None
        for request in self.waiting(Purpose.OBSERVE):
            shown = healthy if request.tool == "probe_http" else rates
            outcome = self.sampled(request, shows=shown)
        assert outcome is not None, "no sample was in flight"
        return outcome

    def sampled(self, request: ToolCallRequested, *, shows: bool | None) -> Outcome[Run]:
        """One sample comes back."""
        good: JsonValue = 200 if request.tool == "probe_http" else 0.001
        bad: JsonValue = 503 if request.tool == "probe_http" else 0.25
        value = None if shows is None else good if shows else bad
        names = (request.arguments or {})["targets"]
        assert isinstance(names, list)
        results: dict[str, JsonValue] = {str(name): value for name in names}
        return self.answer(request.call, CallStatus.SUCCEEDED, output={"results": results})

    def answer(
        self, call: UUID, status: CallStatus, *, proof: BeforeState | None = None, **fields: Any
    ) -> Outcome[Run]:
        """A call comes to an outcome."""
        view = CallView(call=call, status=status, **fields)
        return self._fact(lambda run: domain.note_outcome(run, self.plan, view, self.now, proof))

    def tick(self, timer: str | None = None) -> Outcome[Run]:
        """A timer fires: the one that is set, or any other name."""
        if timer is None:
            [timer] = self.timers
        self.set_for.pop(timer, None)
        name = timer
        return self._fact(lambda run: domain.tick(run, self.plan, name, self.now))

    def pause(self) -> Outcome[Run]:
        """A person pauses."""
        if self.run.started is None:
            return self._fact(
                lambda run: pause_queued(run, TASK, self.gate, "op", "wait a moment"), once=True
            )
        return self._fact(
            lambda run: domain.pause(run, self.plan, "op", "wait a moment", self.now),
            once=True,
        )

    def resume(self) -> Outcome[Run]:
        """A person lets it go on."""
        if self.run.started is None:
            return self._fact(
                lambda run: resume_queued(run, TASK, self.gate, "op", "go on"), once=True
            )
        return self._fact(
            lambda run: domain.resume(run, self.plan, self.gate, "op", "go on", self.now),
            once=True,
        )

    def cancel(self, *, keep: bool = False) -> Outcome[Run]:
        """The gate says that the task is to end. To an escalated run this is a new try."""
        return self._gate(
            TaskCancelRequested(principal="op", reason="enough", keep_changes=keep),
            once=self.run.ended == "escalated",
        )

    def revoke(self) -> Outcome[Run]:
        """The gate takes the grant back."""
        return self._gate(
            TaskGrantRevoked(principal="op", reason="looked again", grant=1, run=self.grant.run)
        )

    def halt(self) -> Outcome[Run]:
        """The gate stops everything."""
        return self._gate(TaskHalted(principal="op", reason="smoke"))

    def returned(self, *, asked: bool = True) -> Outcome[Run]:
        """The gate has heard of what policy denied; it asks people, or takes the grant back."""
        events = sent_back(
            self.plan, self.grant, self.run.withheld, applied=len(self.run.applied), asked=asked
        )
        for event in events:
            self.gate = evolve_gate(self.gate, event)
        gate = self.gate
        return self._fact(lambda run: domain.heed_gate(run, self.plan, TASK, gate, self.now))

    def granted_again(self) -> Outcome[Run]:
        """People let it go on, under the next grant of the same run."""
        self.grant = granted_again(self.grant)
        self.gate = evolve_gate(self.gate, self.grant)
        gate = self.gate
        return self._fact(lambda run: domain.go_on(run, self.plan, gate, self.now))

    def _gate(self, event: EventData, *, once: bool = False) -> Outcome[Run]:
        self.gate = evolve_gate(self.gate, event)
        gate = self.gate
        return self._fact(
            lambda run: domain.heed_gate(run, self.plan, TASK, gate, self.now), once=once
        )

    def _fact(self, decide: Callable[[Run], Decision], *, once: bool = False) -> Outcome[Run]:
        outcome = self.past.when(decide)
        self.past = outcome.after
        for timer in outcome.decision.timers:
            match timer:
                case SetTimer():
                    self.set_for[timer.name] = timer.due
                case CancelTimer():
                    self.set_for.pop(timer.name, None)
        if not once:
            self.past.when(decide).then_nothing()
        return outcome

    def _call(self, target: str) -> UUID:
        found: Sequence[UUID] = [
            request.call
            for request in self.waiting()
            if request.target == target and request.purpose in (Purpose.DO, Purpose.UNDO)
        ]
        assert len(found) == 1, f"{len(found)} calls in flight on {target}"
        return found[0]
