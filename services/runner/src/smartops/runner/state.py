"""The run's state, folded from its own stream alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from smartops.contracts.events import (
    BeforeState,
    TaskBatchCompleted,
    TaskCancelled,
    TaskCompleted,
    TaskComputationRequested,
    TaskConditionBound,
    TaskConditionChecked,
    TaskEscalated,
    TaskFailed,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskPreconditionsStale,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepSettled,
    TaskStepWithheld,
    TaskStopping,
    TaskWaiting,
    ToolCallRequested,
)
from smartops.contracts.measured import Measured
from smartops.contracts.wire import INCONCLUSIVE_LIMIT, EventData, Purpose

__all__ = ["HOLDS", "VERIFY", "Rollback", "Run", "Samples", "evolve"]

HOLDS = "holds/"
"""Begins the question whether what the plan rests on is as it was, before its place."""

VERIFY = "verify/"
"""Begins the question whether a target is as it was before."""

LOOKS = 3
"""Attempts at reading a precondition before a person is asked."""

_RECENT = INCONCLUSIVE_LIMIT + 1
"""Rounds of samples that are remembered: enough to tell that the last ones showed nothing."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What one watch has seen since the phase, or its batch, began to be watched."""

    taken: int = 0
    failed: int = 0
    inconclusive: int = 0
    """Since the last one that showed something."""
    errors: int = 0
    """The same, of those that could not be taken."""
    verdict: str | None = None
    measured: Measured | None = None
    """What the last one measured."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """What is being taken back, and how far that is."""

    reason: str
    then: str
    undo: tuple[UUID, ...]
    done: int = 0
    """Changes that were taken back, and proved to be where they can be read back."""
    attempts: int = 0
    """Failed attempts at the call that is due."""
    disproved: bool = False
    """The target of the call that is due was read again, and is not as it was before."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run. `started` is None until it owns its targets."""

    started: TaskStarted | None = None
    phase: int = -1
    phase_open: bool = False
    batch: int = 0
    """Batches of the phase that were completed."""
    requests: Mapping[UUID, ToolCallRequested] = field(default_factory=dict)
    in_flight: frozenset[UUID] = frozenset()
    stuck: frozenset[UUID] = frozenset()
    """Calls in flight whose outcome only a person can settle."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Outcome of the newest `do` by step id, until the step is asked for again."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Why the newest `do` was not applied, by step id; of a precondition, what was found instead or
    why it cannot be told."""
    begun: bool = False
    """A step was asked for: from here on the plan's preconditions are not looked at any more."""
    held_up: Mapping[int, str] = field(default_factory=dict)
    """By place of the precondition, what reading it again has shown since the run last rested:
    holds, stale, unknown, or retry, which is asked again."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[str, int] = field(default_factory=dict)
    """Of these, those before the run was last paused: who resumes it begins to count anew."""
    applied: tuple[UUID, ...] = ()
    """`do` calls that were applied, in order of settling."""
    before: Mapping[UUID, BeforeState] = field(default_factory=dict)
    """What those of them that can be read back will be held to."""
    undone: frozenset[UUID] = frozenset()
    """Those of them whose undo was applied, by whichever rollback."""
    verified: frozenset[UUID] = frozenset()
    """Those of these whose target was read again and is as it was before."""
    disproved: frozenset[UUID] = frozenset()
    """Those whose target was read again, and is not."""
    samples: Mapping[int, Samples] = field(default_factory=dict)
    rounds: tuple[Mapping[int, Measured], ...] = ()
    """What was measured in the last rounds of samples, by number of the watch."""
    condition: str | None = None
    """The verdict on the phase's `rollback_if`."""
    bound: str | None = None
    """What must hold while the grant is used; None: it names no condition."""
    satisfied: bool = False
    """It held before the batch under way went out, and since the run last rested."""
    kept: bool = False
    """It held to the end of that batch's watching."""
    broken: bool = False
    """It was known not to hold."""
    stopping: TaskStopping | None = None
    paused: str | None = None
    waiting: TaskWaiting | None = None
    """Nothing goes out before a time."""
    waits: int = 0
    terms: int = 0
    """How often the run was resumed: each time its deadlines begin anew."""
    withheld: tuple[TaskStepWithheld, ...] = ()
    """Steps that policy denied: at rest, the run waits for another grant."""
    rollback: Rollback | None = None
    rollbacks: int = 0
    ended: str | None = None
    held: TaskStopping | None = None
    """What an escalated run was stopping for; None: it was taking back."""

    @property
    def alive(self) -> bool:
        """Started and not at its end."""
        return self.started is not None and self.ended is None

    def tries(self, step: str) -> int:
        """Attempts at a step since somebody last let the run go on."""
        return self.attempts.get(step, 0) - self.spent.get(step, 0)

    def stands(self, call: UUID) -> bool:
        """Whether a change was not taken back, as far as anybody knows."""
        return call not in self.undone or call in self.disproved

    def open(self, call: UUID) -> bool:
        """Whether a change stands, or its taking back is still to be proved."""
        return self.stands(call) or (call in self.before and call not in self.verified)

    def sampling(self) -> bool:
        """Whether samples of health are in flight."""
        return any(self.requests[call].purpose is Purpose.OBSERVE for call in self.in_flight)


def evolve(run: Run, event: EventData) -> Run:
    """Fold one event; never fails, never decides."""
    match event:
        case TaskStarted():
            return replace(run, started=event)
        case TaskPhaseStarted():
            fresh = _unwatched(run)
            return replace(fresh, phase=event.phase, phase_open=True, batch=0)
        case ToolCallRequested():
            return _requested(run, event)
        case TaskComputationRequested():
            return _requested(run, event.as_call())
        case TaskStepSettled():
            return _settled(run, event)
        case TaskHealthChecked():
            return _checked(run, event)
        case TaskConditionBound():
            return replace(run, bound=event.condition or None)
        case TaskConditionChecked():
            return _condition_checked(run, event)
        case TaskBatchCompleted():
            return replace(_unwatched(run), batch=event.batch + 1)
        case TaskPhaseCompleted():
            return replace(run, phase_open=False)
        case TaskWaiting():
            return replace(run, waiting=event, waits=run.waits + 1)
        case TaskStopping():
            return replace(run, stopping=event)
        case TaskPreconditionsStale():
            return replace(run, ended="stale")
        case TaskStepWithheld():
            return replace(run, withheld=(*run.withheld, event))
        case TaskPaused():
            return replace(run, stopping=None, waiting=None, paused=event.reason)
        case TaskResumed():
            return replace(
                _unwatched(run),
                stopping=None,
                paused=None,
                waiting=None,
                ended=None,
                held=None,
                terms=run.terms + 1,
                # While it rested the world went on.
                held_up={},
                spent=run.spent if run.paused is None else run.attempts,
                withheld=run.withheld if run.paused is None else (),
                settled={name: o for name, o in run.settled.items() if o == "applied"},
            )
        case TaskRollbackStarted():
            return replace(
                run,
                stopping=None,
                paused=None,
                waiting=None,
                ended=None,
                held=None,
                rollback=Rollback(event.reason, event.then, event.undo),
                rollbacks=run.rollbacks + 1,
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
            return replace(run, stopping=None, ended="escalated", held=run.stopping)
        case _:
            return run


def _unwatched(run: Run) -> Run:
    return replace(run, samples={}, rounds=(), condition=None, satisfied=False, kept=False)


def _requested(run: Run, event: ToolCallRequested) -> Run:
    settled = run.settled
    if event.purpose is Purpose.DO and event.question in settled:
        settled = {name: outcome for name, outcome in settled.items() if name != event.question}
    return replace(
        run,
        settled=settled,
        begun=run.begun or event.purpose is Purpose.DO,
        requests={**run.requests, event.call: event},
        in_flight=run.in_flight | {event.call},
        attempts={**run.attempts, event.question: event.attempt},
    )


def _settled(run: Run, event: TaskStepSettled) -> Run:
    if event.outcome == "uncertain":
        return replace(run, stuck=run.stuck | {event.call})
    run = replace(run, in_flight=run.in_flight - {event.call}, stuck=run.stuck - {event.call})
    match event.purpose:
        case Purpose.DO:
            return _done(run, event)
        case Purpose.UNDO:
            return _undone(run, event)
        case Purpose.OBSERVE if event.question.startswith(HOLDS):
            return _read_again(run, event)
        case Purpose.OBSERVE if event.question.startswith(VERIFY):
            return _verified(run, event)
        case Purpose.OBSERVE:
            return _sampled(run, event)
        case Purpose.EVIDENCE:
            return run


def _done(run: Run, event: TaskStepSettled) -> Run:
    outcome = "retry" if event.retry else event.outcome
    run = replace(run, settled={**run.settled, event.question: outcome})
    if event.outcome != "applied":
        return replace(run, why={**run.why, event.question: event.detail})
    before = run.before
    if event.before is not None:
        before = {**before, event.call: event.before}
    return replace(run, applied=(*run.applied, event.call), before=before)


def _undone(run: Run, event: TaskStepSettled) -> Run:
    undoes = run.requests[event.call].undoes
    back = run.rollback
    if event.outcome != "applied" or undoes is None:
        if back is None:
            return run
        return replace(run, rollback=replace(back, attempts=back.attempts + 1))
    run = replace(run, undone=run.undone | {undoes})
    if back is None:
        return run
    # What can be read back is done only once it was.
    done = back.done + (undoes not in run.before)
    return replace(run, rollback=replace(back, attempts=0, done=done))


def _verified(run: Run, event: TaskStepSettled) -> Run:
    back = run.rollback
    if back is None or back.done >= len(back.undo):
        return run
    if event.healthy is None:
        return replace(run, rollback=replace(back, attempts=back.attempts + 1))
    due = {back.undo[back.done]}
    if not event.healthy:
        return replace(run, disproved=run.disproved | due, rollback=replace(back, disproved=True))
    return replace(
        run,
        verified=run.verified | due,
        disproved=run.disproved - due,
        rollback=replace(back, attempts=0, done=back.done + 1),
    )


def _read_again(run: Run, event: TaskStepSettled) -> Run:
    place = event.question.removeprefix(HOLDS)
    if not place.isdecimal():
        return run
    told = {True: "holds", False: "stale", None: "unknown"}[event.healthy]
    if event.healthy is None and event.retry and run.tries(event.question) < LOOKS:
        told = "retry"
    why = {**run.why, event.question: event.detail}
    return replace(run, held_up={**run.held_up, int(place): told}, why=why)


def _sampled(run: Run, event: TaskStepSettled) -> Run:
    number = event.question.rpartition("/")[2]
    if not number.isdecimal():
        return run  # Not one of our samples, so it tells nothing of our health.
    watch = int(number)
    seen = run.samples.get(watch, Samples())
    seen = replace(seen, taken=seen.taken + 1, measured=event.measured)
    if event.healthy is not None:
        failed = seen.failed + (not event.healthy)
        seen = replace(seen, inconclusive=0, errors=0, failed=failed)
    elif event.outcome == "inconclusive":
        seen = replace(seen, errors=seen.errors + 1)
    else:
        seen = replace(seen, inconclusive=seen.inconclusive + 1)
    run = replace(run, samples={**run.samples, watch: seen})
    if run.sampling():
        return run
    measured = {
        number: one.measured for number, one in run.samples.items() if one.measured is not None
    }
    return replace(run, rounds=(*run.rounds, measured)[-_RECENT:])


def _checked(run: Run, event: TaskHealthChecked) -> Run:
    if event.check is None:
        return replace(run, condition=event.outcome)
    seen = run.samples.get(event.check, Samples())
    return replace(run, samples={**run.samples, event.check: replace(seen, verdict=event.outcome)})


def _condition_checked(run: Run, event: TaskConditionChecked) -> Run:
    if event.outcome != "holds":
        return replace(run, broken=event.outcome == "broken")
    # What was measured before the steps says nothing of what they bring about.
    if run.satisfied:
        return replace(run, kept=True)
    return replace(_unwatched(run), satisfied=True)
