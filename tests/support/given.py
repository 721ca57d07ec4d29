"""Given a history, when something is decided, then this follows: tests of deciders as sentences.

given(Gate(), evolve, required).when(lambda gate: expire(gate, ...)).then(TaskApprovalExpired)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from smartops.contracts.wire import EventData
from smartops.runtime.decision import CancelTimer, Decision, SetTimer

__all__ = ["Given", "Outcome", "given"]

S = TypeVar("S")
E = TypeVar("E", bound=EventData)

Evolve = Callable[[S, EventData], S]


@dataclass(frozen=True)
class Given(Generic[S]):
    """A state, as its events made it."""

    state: S
    evolve: Evolve[S]
    initial: S
    history: tuple[EventData, ...]

    def when(self, decide: Callable[[S], Decision]) -> Outcome[S]:
        """Decide on the state."""
        return Outcome(self, decide(self.state))


class Outcome(Generic[S]):
    """What was decided, to be compared; and the history with it, to go on from."""

    def __init__(self, before: Given[S], decision: Decision) -> None:
        self.before = before
        self.decision = decision
        if decision.after is not None:
            assert decision.after == self.after.state, "it is not the state that its events make"

    @property
    def events(self) -> tuple[EventData, ...]:
        """The events decided."""
        return tuple(self.decision.events)

    def then(self, *expected: EventData | type[EventData]) -> Self:
        """These events follow, in this order: by value, or by type where only that matters."""
        told = [type(event).__name__ for event in self.events]
        assert self.decision.refusal is None, f"refused: {self.decision.refusal}"
        assert len(self.events) == len(expected), f"{told}, not {[_name(e) for e in expected]}"
        for found, wanted in zip(self.events, expected, strict=True):
            if isinstance(wanted, type):
                assert type(found) is wanted, f"{told}, not {[_name(e) for e in expected]}"
            else:
                assert found == wanted
        return self

    def then_nothing(self) -> Self:
        """It was done before, or is none of our business: no event, no timer, no refusal."""
        assert self.events == ()
        assert self.decision.refusal is None, f"refused: {self.decision.refusal}"
        assert not self.decision.elsewhere
        assert not self.decision.blobs
        assert self.decision.answer is None, f"answered: {self.decision.answer}"
        return self

    def then_answered(self, outcome: str) -> Self:
        """It is so already, and who asked is told so."""
        assert self.events == ()
        assert self.decision.refusal is None, f"refused: {self.decision.refusal}"
        assert self.decision.answer is not None
        assert self.decision.answer.outcome == outcome
        return self

    def then_refused(self, code: str, field: str | None = None) -> Self:
        """The command changes nothing, for this reason; the message tells what to do."""
        refusal = self.decision.refusal
        assert refusal is not None, f"not refused; decided {self.events}"
        assert (refusal.code, refusal.field) == (code, field)
        assert refusal.message
        assert self.events == ()
        return self

    def event(self, kind: type[E]) -> E:
        """The one event of a type."""
        found = [event for event in self.events if isinstance(event, kind)]
        assert len(found) == 1, f"{[type(e).__name__ for e in self.events]}: one {kind.__name__}?"
        return found[0]

    def every(self, kind: type[E]) -> list[E]:
        """All events of a type."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def timers_set(self) -> list[SetTimer]:
        """Timers to wake us."""
        return [timer for timer in self.decision.timers if isinstance(timer, SetTimer)]

    @property
    def timers_cancelled(self) -> list[str]:
        """Names of timers that are no longer wanted."""
        return [timer.name for timer in self.decision.timers if isinstance(timer, CancelTimer)]

    @property
    def after(self) -> Given[S]:
        """The history, gone on: folded one by one, and the same when folded from the start."""
        before = self.before
        history = (*before.history, *self.events)
        made = given(before.initial, before.evolve, *history)
        state = before.state
        for event in self.events:
            state = before.evolve(state, event)
        assert made.state == state
        return made


def given(initial: S, evolve: Evolve[S], *history: EventData) -> Given[S]:
    """A decider's past."""
    state = initial
    for event in history:
        state = evolve(state, event)
    return Given(state, evolve, initial, history)


def _name(expected: EventData | type[EventData]) -> str:
    return expected.__name__ if isinstance(expected, type) else type(expected).__name__
