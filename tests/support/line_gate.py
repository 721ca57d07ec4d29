"""A gate's record in the modelled world: all that was said there, and the time by its clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from smartops.contracts.events import TaskApprovalGranted, TaskPlanValidated
from smartops.contracts.folds import GateView, evolve_gate
from smartops.contracts.wire import EventData
from smartops.policy.gate.state import Gate
from smartops.policy.gate.state import evolve as evolve_policy
from support.grants import GRANTED_AT

__all__ = ["GateRecord", "fold", "granted_alone"]

S = TypeVar("S")


def fold(state: S, evolve: Callable[[S, EventData], S], events: Sequence[EventData]) -> S:
    """A state, some events later."""
    for event in events:
        state = evolve(state, event)
    return state


class GateRecord:
    """What policy knows of a gate, and what all others do.

    Attributes:
        now: the time.
        events: all that was said, in order.
        state: as policy folds it.
        view: as runner and gateway do.
        hears: told whenever something more was said.
        look: what the gateway makes of the view, with what other streams say.
    """

    def __init__(self, now: datetime = GRANTED_AT) -> None:
        self.now = now
        self.events: list[EventData] = []
        self.state, self.view = Gate(), GateView()
        self.hears: list[Callable[[], None]] = []
        self.look: Callable[[GateView], GateView] = lambda view: view

    def say(self, events: Sequence[EventData]) -> None:
        """Something was decided."""
        self.events += events
        self.state = fold(self.state, evolve_policy, events)
        self.view = fold(self.view, evolve_gate, events)
        if events:
            for hear in self.hears:
                hear()


def granted_alone(grant: TaskApprovalGranted) -> GateRecord:
    """The gate of a plan that runs by itself."""
    record = GateRecord()
    validated = TaskPlanValidated(
        number=grant.number,
        plan_hash=grant.plan_hash,
        document=grant.document,
        assessment_hash=grant.assessment_hash,
        rules=("by itself",),
        bundle=grant.bundle,
        engine="none",
        requires_approval=False,
    )
    record.say([validated, grant])
    return record
