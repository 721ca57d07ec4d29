"""A decision in the making: each event said is folded at once, so the next is decided on it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from smartops.contracts.events import TaskStopping
from smartops.contracts.plan import Phase, Plan, Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData
from smartops.runner.state import Run, evolve
from smartops.runtime.decision import Decision, Timer

__all__ = ["CLOCK", "Moves"]

CLOCK = "runner.clock"
"""The handler of all timers of a run."""


class Moves:
    """Events and timers that follow from one fact.

    Attributes:
        fired: the timer that is this fact; empty for any other.
        now: the database's clock.
    """

    def __init__(
        self, run: Run, task: UUID, run_id: UUID, plan: Plan, now: datetime, fired: str = ""
    ) -> None:
        self.run = run
        self.task = task
        self.run_id = run_id
        self.plan = plan
        self.now = now
        self.fired = fired
        self.events: list[EventData] = []
        self.timers: list[Timer] = []
        self._steps = plan.by_hash()

    @property
    def stream(self) -> str:
        """The run's own stream."""
        return stream(self.plan.header.tenant, "run", self.run_id)

    def say(self, event: EventData) -> None:
        """Add an event."""
        self.events.append(event)
        self.run = evolve(self.run, event)

    def stop(self, reason: str, then: str, principal: str | None = None) -> None:
        """Let nothing more go out. A graver stop replaces a lighter one."""
        current = self.run.stopping
        if current is not None and _GRAVITY[current.then] >= _GRAVITY[then]:
            return
        self.say(
            TaskStopping(
                task=self.task,
                run=self.run_id,
                reason=reason[:4000],
                then=then,
                principal=principal,
            )
        )

    def phase(self) -> Phase:
        """The phase under way."""
        return self.plan.header.phases[self.run.phase]

    def steps(self, phase: Phase) -> list[tuple[str, Step]]:
        """The steps of a phase with their hashes, in order."""
        return [(hashed, self._steps[hashed]) for hashed in phase.steps]

    def decision(self) -> Decision:
        """What was said."""
        return Decision(tuple(self.events), tuple(self.timers), after=self.run)


_GRAVITY = {"pause": 0, "roll_back": 1, "cancel_and_keep": 2, "cancel": 2, "escalate": 3}
