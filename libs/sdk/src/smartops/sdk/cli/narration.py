"""A task told in lines: one calm line per fact, calls counted instead of listed.

No clock, no terminal: the same events give the same lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from smartops.contracts import events as e
from smartops.contracts.wire import EventData, Purpose
from smartops.sdk.cli.tally import Tally
from smartops.sdk.cli.text import clip, count, duration, listing, one_line
from smartops.sdk.event import Event
from smartops.sdk.short_id import short

__all__ = ["Attachment", "Line", "Mark", "Narrator", "narrate"]

_LOUD = 3
"""Troubled calls of a phase, or facts of one event, that get a line each; others are counted."""
_WIDTH = 300
"""Longest text by others on a line, in characters."""


class Mark(StrEnum):
    """What kind of fact a line tells."""

    INFO = "info"
    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something to show below a line, read from the hashed bytes."""

    kind: Literal["plan", "card"]
    plan_hash: str


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    time: datetime
    mark: Mark
    word: str
    text: str
    attachment: Attachment | None = None


_Told = Iterator[tuple[Mark, str, str]]


class Narrator:
    """Tells one task. An event that comes twice is told once."""

    def __init__(self) -> None:
        self._seen: set[UUID] = set()
        self._tally = Tally()
        self._loud = 0
        self._quiet = 0

    @property
    def status(self) -> str:
        """What goes on at this moment; empty when nothing does."""
        return self._tally.status

    def tell(self, event: Event) -> list[Line]:
        """The lines that an event adds; often none."""
        if event.id in self._seen:
            return []
        self._seen.add(event.id)
        ends_stretch = isinstance(event.data, _STRETCH_ENDS)
        told = [*(self._hush() if ends_stretch else ()), *self._tell(event)]
        self._tally.add(event)
        attachment = _attachment(event.data)
        return [
            Line(event.time, mark, word, text, attachment if number == 0 else None)
            for number, (mark, word, text) in enumerate(told)
        ]

    def _tell(self, event: Event) -> _Told:
        data = event.data
        match data:
            case e.TaskSubmitted():
                place = f"(task {short(event.entity)}, {data.environment})"
                yield Mark.INFO, "submitted", f"{_of(data.intent)} {place}"
            case e.TaskSpecified():
                spec = data.spec
                agent = f"{spec.agent.name} {spec.agent.version}"
                person = ", a person must approve" if spec.hitl_required else ""
                text = f"{_words(spec.task_type)} by {agent}, risk {spec.risk_level}{person}"
                yield Mark.INFO, "understood", text
            case e.TaskEvidenceAttached():
                for ref in data.evidence[:_LOUD]:
                    yield Mark.INFO, "evidence", f"{_words(ref.kind)}: {_of(ref.summary)}"
                if (rest := len(data.evidence) - _LOUD) > 0:
                    yield Mark.INFO, "evidence", f"and {count(rest, 'further snapshot')}"
            case e.TaskPlanned():
                size = f"{count(data.steps, 'step')} on {count(data.targets, 'target')}"
                yield Mark.INFO, "planned", f"plan {data.number}: {_of(data.summary)} ({size})"
            case e.TaskStarted():
                phases = f"{count(len(data.phases), 'phase')} ({listing(data.phases, 5)})"
                claims = count(len(data.claims), "claimed target")
                yield Mark.INFO, "started", f"{phases} on {claims}"
            case e.TaskPhaseStarted():
                total = max(len(self._tally.phases), data.phase + 1)
                place = f"{data.phase + 1}/{total} {one_line(data.name)}"
                steps = f"{count(data.steps, 'step')} on {listing(data.targets)}"
                yield Mark.INFO, "phase", f"{place}: {steps}"
            case e.TaskPhaseCompleted():
                yield Mark.GOOD, "phase", self._phase_done(data, event.time)
            case e.TaskHealthChecked():
                mark = {"healthy": Mark.GOOD, "unhealthy": Mark.BAD}.get(data.outcome, Mark.WARN)
                yield mark, data.outcome, f"{_words(data.type)}: {_of(data.detail)}"
            case e.TaskStopping():
                yield Mark.WARN, "stopping", f"{_of(data.reason)}; {_THEN[data.then]}"
            case e.TaskPaused():
                yield Mark.WAIT, "paused", f"nothing is in flight: {_of(data.reason)}"
            case e.TaskResumed():
                yield Mark.INFO, "resumed", _of(data.reason) or "going on"
            case e.TaskRollbackStarted():
                what = count(len(data.undo), "change") if data.undo else "nothing"
                text = f"{what} to take back, last change first: {_of(data.reason)}"
                yield Mark.UNDO, "rollback", text
            case None:
                text = f"{event.topic}, which a newer version of this command can tell"
                yield Mark.INFO, "news", text
            case _:
                yield from _tell_gate(data)
                yield from self._tell_end(data, event.time)
                yield from self._tell_call(data)

    def _tell_end(self, data: EventData, time: datetime) -> _Told:
        took = self._tally.took(time)
        took = f" ({took})" if took else ""
        match data:
            case e.TaskCompleted():
                what = f"{count(data.changed, 'target')} changed, {count(data.calls, 'call')}"
                yield Mark.GOOD, "completed", f"{what}{took}"
            case e.TaskRolledBack():
                what = f"{count(data.undone, 'change')} taken back: {_of(data.reason)}"
                yield Mark.UNDO, "rolled back", f"{what}{took}"
            case e.TaskCancelled():
                undone = f"{count(data.undone, 'change')} taken back" if data.undone else ""
                kept = f"{count(data.kept, 'change')} kept" if data.kept else ""
                what = ", ".join(filter(None, (undone, kept))) or "nothing was changed"
                yield Mark.WARN, "cancelled", f"{what}: {_of(data.reason)}{took}"
            case e.TaskFailed():
                again = "; it may be submitted again" if data.retryable else ""
                what = f"{one_line(data.error_code)}: {_of(data.message)}{again}"
                yield Mark.BAD, "failed", f"{what}{took}"
            case e.TaskEscalated():
                yield Mark.BAD, "escalated", f"a person must look: {_of(data.reason)}{took}"
                yield Mark.BAD, "to do", _of(data.what_to_do)
            case _:
                return

    def _tell_call(self, data: EventData) -> _Told:
        match data:
            case e.ToolCallFailed() if self._speaks(data.facts.purpose):
                again = ", worth another attempt" if data.retryable else ""
                text = f"{_call(data.facts)}: {_of(data.message)} (not applied{again})"
                yield Mark.WARN, "failed", text
            case e.ToolCallDenied() if self._speaks(data.purpose):
                text = f"{data.tool} on {data.target}: {_of(data.message)} ({one_line(data.rule)})"
                yield Mark.BAD, "denied", text
            case e.ToolCallUncertain() if self._speaks(data.facts.purpose):
                text = f"{_call(data.facts)}: {_of(data.reason)}; {_SETTLES[data.next]}"
                yield Mark.WARN, "uncertain", text
            case e.ToolCallSettled():
                known = "was applied" if data.applied else "was not applied"
                yield Mark.INFO, "settled", f"the uncertain call {known}{_note(data.note)}"
            case _:
                return

    def _phase_done(self, data: e.TaskPhaseCompleted, time: datetime) -> str:
        calls = self._tally.calls
        samples = calls.succeeded(Purpose.OBSERVE)
        watched = f", {count(samples, 'health sample')}" if samples else ""
        took = f" ({duration(time - calls.since)})" if calls.since is not None else ""
        return f"{self._tally.place(data.phase)} done: {data.changed} changed{watched}{took}"

    def _speaks(self, purpose: Purpose) -> bool:
        """Whether a troubled call gets its own line. Health samples never do: verdicts tell."""
        if purpose is Purpose.OBSERVE:
            return False
        if self._loud < _LOUD:
            self._loud += 1
            return True
        self._quiet += 1
        return False

    def _hush(self) -> _Told:
        quiet, self._quiet, self._loud = self._quiet, 0, 0
        if quiet:
            yield Mark.WARN, "trouble", f"with {count(quiet, 'further call')} of the same kind"


def narrate(events: Iterable[Event]) -> list[Line]:
    """All the lines of a task's events."""
    narrator = Narrator()
    return [line for event in events for line in narrator.tell(event)]


def _tell_gate(data: EventData) -> _Told:
    match data:
        case e.TaskPlanValidated() if not data.requires_approval:
            yield Mark.GOOD, "allowed", f"policy lets it run by itself ({listing(data.rules)})"
        case e.TaskPlanRefused():
            for problem in data.problems[:_LOUD]:
                where = f" at {one_line(problem.path)}" if problem.path else ""
                yield (
                    Mark.BAD,
                    "problem",
                    f"{one_line(problem.rule)}{where}: {_of(problem.message)}",
                )
            if (rest := len(data.problems) - _LOUD) > 0:
                yield Mark.BAD, "problem", f"and {count(rest, 'further one')}"
            yield Mark.BAD, "refused", "policy does not allow this plan; nothing has run"
        case e.TaskApprovalRequired():
            people = f"one {data.role}" if data.quorum == 1 else f"{data.quorum} {data.role}s"
            text = f"of {people} needed, risk {data.risk_level} ({listing(data.reasons)})"
            yield Mark.WAIT, "approval", text
        case e.TaskApprovalRecorded() if data.decision == "approve":
            yield Mark.INFO, "voice", f"{one_line(data.by.actor_name)} says yes{_note(data.note)}"
        case e.TaskApprovalGranted() if not data.automatic:
            names = listing([voice.actor_name for voice in data.approvals])
            yield Mark.GOOD, "approved", f"by {names}"
        case e.TaskApprovalRejected():
            by = f"by {one_line(data.by.actor_name)}{_note(data.note)}"
            yield Mark.BAD, "rejected", f"{by}; nothing has run"
        case e.TaskApprovalExpired():
            yield Mark.BAD, "expired", "nobody decided in time; nothing has run"
        case e.TaskGrantRevoked():
            yield Mark.WARN, "revoked", f"the grant was taken back: {_of(data.reason)}"
        case e.TaskCancelRequested():
            keep = ", keeping the changes" if data.keep_changes else ""
            yield Mark.WARN, "cancel", f"asked for{keep}: {_of(data.reason)}"
        case e.TaskHalted():
            text = f"nothing goes out any more, not even undo: {_of(data.reason)}"
            yield Mark.BAD, "halted", text
        case _:
            return


def _attachment(data: EventData | None) -> Attachment | None:
    match data:
        case e.TaskPlanValidated() if not data.requires_approval:
            return Attachment("plan", data.plan_hash)
        case e.TaskApprovalRequired():
            return Attachment("card", data.plan_hash)
        case _:
            return None


_STRETCH_ENDS = (
    e.TaskPhaseStarted,
    e.TaskPhaseCompleted,
    e.TaskStopping,
    e.TaskRollbackStarted,
    e.TaskRolledBack,
    e.TaskEscalated,
    e.TaskCancelled,
    e.TaskFailed,
)

_THEN = {
    "pause": "then it pauses",
    "roll_back": "then it rolls back",
    "cancel": "then it rolls back and ends",
    "cancel_and_keep": "then it ends, keeping its changes",
    "escalate": "then a person takes over",
}

_SETTLES = {
    "retry": "it is asked again with the same key",
    "probe": "a read will tell",
    "human": "a person must find out",
}


def _of(text: str) -> str:
    return clip(one_line(text), _WIDTH)


def _words(name: str) -> str:
    return one_line(name).replace("_", " ")


def _note(note: str) -> str:
    return f": {_of(note)}" if note else ""


def _call(facts: e.CallFacts) -> str:
    return f"{facts.tool} on {facts.target}"
