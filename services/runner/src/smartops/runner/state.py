"""The run's state, folded from its own stream alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData, Purpose

__all__ = ["Rollback", "Run", "Samples", "evolve"]


@dataclass(frozen=True, slots=True)
class Samples:
    """What one health check has seen in the current phase."""

    taken: int = 0
    failed: int = 0
    inconclusive: int = 0
    """In a row."""
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """What is being taken back, and how far that is."""

    reason: str
    then: str
    undo: tuple[UUID, ...]
    done: int = 0
    attempts: int = 0
    """Failed attempts at the call that is due."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run. `started` is None until it owns its targets."""

    started: TaskStarted | None = None
    phase: int = -1
    phase_open: bool = False
    requests: Mapping[UUID, ToolCallRequested] = field(default_factory=dict)
    in_flight: frozenset[UUID] = frozenset()
    stuck: frozenset[UUID] = frozenset()
    """Calls in flight whose outcome only a person can settle."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Outcome of the newest `do` by step id, until the step is asked for again."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    applied: tuple[UUID, ...] = ()
    """`do` calls that were applied, in order of settling."""
    undone: frozenset[UUID] = frozenset()
    """Those of them that were taken back, by whichever rollback."""
    samples: Mapping[int, Samples] = field(default_factory=dict)
    stopping: TaskStopping | None = None
    paused: str | None = None
    rollback: Rollback | None = None
    ended: str | None = None

    @property
    def alive(self) -> bool:
        """Started and not at its end."""
        return self.started is not None and self.ended is None


def evolve(run: Run, event: EventData) -> Run:
    """Fold one event; never fails, never decides."""
    match event:
        case TaskStarted():
            return replace(run, started=event)
        case TaskPhaseStarted():
            return replace(run, phase=event.phase, phase_open=True, samples={})
        case ToolCallRequested():
            return _requested(run, event)
        case TaskStepSettled():
            return _settled(run, event)
        case TaskHealthChecked():
            seen = run.samples.get(event.check, Samples())
            return replace(
                run, samples={**run.samples, event.check: replace(seen, verdict=event.outcome)}
            )
        case TaskPhaseCompleted():
            return replace(run, phase_open=False)
        case TaskStopping():
            return replace(run, stopping=event)
        case TaskPaused():
            return replace(run, stopping=None, paused=event.reason)
        case TaskResumed():
            return replace(
                run,
                stopping=None,
                paused=None,
                samples={},
                settled={name: o for name, o in run.settled.items() if o == "applied"},
            )
        case TaskRollbackStarted():
            return replace(
                run,
                stopping=None,
                paused=None,
                ended=None,
                rollback=Rollback(event.reason, event.then, event.undo),
            )
        case TaskCompleted():
            return replace(run, ended="completed")
        case TaskRolledBack():
            return replace(run, ended="rolled_back")
        case TaskCancelled():
            return replace(run, ended="cancelled")
        case TaskFailed():
            return replace(run, ended="failed")
        case TaskEscalated():
            return replace(run, stopping=None, ended="escalated")
        case _:
            return run


def _requested(run: Run, event: ToolCallRequested) -> Run:
    settled = run.settled
    if event.purpose is Purpose.DO and event.question in settled:
        settled = {name: outcome for name, outcome in settled.items() if name != event.question}
    return replace(
        run,
        settled=settled,
        requests={**run.requests, event.call: event},
        in_flight=run.in_flight | {event.call},
        attempts={**run.attempts, event.question: event.attempt},
    )


def _settled(run: Run, event: TaskStepSettled) -> Run:
    if event.outcome == "uncertain":
        return replace(run, stuck=run.stuck | {event.call})
    in_flight, stuck = run.in_flight - {event.call}, run.stuck - {event.call}
    if event.purpose is not Purpose.DO:
        run = replace(run, in_flight=in_flight, stuck=stuck)
    match event.purpose:
        case Purpose.DO:
            outcome = "retry" if event.retry else event.outcome
            return replace(
                run,
                in_flight=in_flight,
                stuck=stuck,
                settled={**run.settled, event.question: outcome},
                applied=(*run.applied, event.call) if event.outcome == "applied" else run.applied,
            )
        case Purpose.UNDO:
            if event.outcome == "applied" and (undoes := run.requests[event.call].undoes):
                run = replace(run, undone=run.undone | {undoes})
            if run.rollback is None:
                return run
            if event.outcome == "applied":
                back = replace(run.rollback, done=run.rollback.done + 1, attempts=0)
            else:
                back = replace(run.rollback, attempts=run.rollback.attempts + 1)
            return replace(run, rollback=back)
        case Purpose.OBSERVE:
            number = event.question.rpartition("/")[2]
            if not number.isdecimal():
                return run  # Not one of our samples, so it tells nothing of our health.
            check = int(number)
            seen = run.samples.get(check, Samples())
            return replace(run, samples={**run.samples, check: _sampled(seen, event)})
        case Purpose.EVIDENCE:
            return run


def _sampled(seen: Samples, event: TaskStepSettled) -> Samples:
    if event.healthy is None:
        return replace(seen, taken=seen.taken + 1, inconclusive=seen.inconclusive + 1)
    return replace(
        seen,
        taken=seen.taken + 1,
        inconclusive=0,
        failed=seen.failed + (0 if event.healthy else 1),
    )
