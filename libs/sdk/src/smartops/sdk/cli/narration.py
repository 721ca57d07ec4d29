"""A task told in lines: one calm line per fact, calls counted instead of listed.

No clock, no terminal: the same events give the same lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from smartops.contracts import events as e
from smartops.contracts.wire import EventData, Purpose
from smartops.sdk.cli.lines import Attachment, Line, Mark, Told
from smartops.sdk.cli.sentences import (
    FEW,
    note,
    said,
    tell_agent,
    tell_end,
    tell_gate,
    tell_plan,
    tell_run,
)
from smartops.sdk.cli.tally import Tally
from smartops.sdk.cli.text import count, duration, listing, one_line
from smartops.sdk.cli.voices import told_limits
from smartops.sdk.event import Event

__all__ = ["Attachment", "Line", "Mark", "Narrator", "narrate"]


class Narrator:
    """Tells one task. An event that comes twice is told once."""

    def __init__(self) -> None:
        self._seen: set[UUID] = set()
        self._tally = Tally()
        self._loud = 0
        self._quiet = 0
        self._quorum = 1
        self._note = ""
        self._limits = ""

    @property
    def status(self) -> str:
        """What goes on at this moment; empty when nothing does."""
        return self._tally.status

    def tell(self, event: Event) -> list[Line]:
        """The lines that an event adds; often none."""
        if event.id in self._seen:
            return []
        self._seen.add(event.id)
        if isinstance(event.data, e.TaskApprovalRequired):
            self._quorum = event.data.quorum
        ends_stretch = isinstance(event.data, _STRETCH_ENDS)
        told = [*(self._hush() if ends_stretch else ()), *self._tell(event)]
        self._tally.add(event)
        attachment = _attachment(event.data)
        return [
            Line(event.time, mark, word, text, attachment if number == 0 else None)
            for number, (mark, word, text) in enumerate(told)
        ]

    def _tell(self, event: Event) -> Told:
        data = event.data
        match data:
            case e.TaskPhaseStarted():
                steps = f"{count(data.steps, 'step')} on {listing(data.targets)}"
                yield Mark.INFO, "phase", f"{self._place(data)}: {steps}"
            case e.TaskPhaseCompleted():
                yield Mark.GOOD, "phase", self._phase_done(data, event.time)
            case e.TaskApprovalRecorded():
                yield from self._heard(data)
            case e.TaskApprovalGranted() if not data.automatic:
                names = listing([_speaker(voice) for voice in data.approvals])
                how = " beforehand, by a standing word" if data.standing is not None else ""
                yield Mark.GOOD, "approved", f"by {names}{how}{self._limits}{self._note}"
            case None:
                text = f"{event.topic}, which a newer version of this command can tell"
                yield Mark.INFO, "news", text
            case _:
                yield from tell_plan(data, event.entity)
                yield from tell_gate(data)
                yield from tell_run(data)
                yield from tell_agent(data)
                yield from tell_end(data, self._tally.took(event.time))
                yield from self._tell_call(data)

    def _heard(self, data: e.TaskApprovalRecorded) -> Told:
        """A voice among several; a single one is told by what it decides."""
        self._note = note(data.note)
        self._limits += told_limits(data.limits)
        if self._quorum > 1 and data.decision == "approve":
            yield Mark.INFO, "voice", f"{_speaker(data.by)} says yes{self._note}"
            self._note = ""

    def _tell_call(self, data: EventData) -> Told:
        match data:
            case e.ToolCallFailed() if self._speaks(data.facts.purpose):
                again = ", worth another attempt" if data.retryable else ""
                text = f"{_call(data.facts)}: {said(data.message)} (not applied{again})"
                yield Mark.WARN, "failed", text
            case e.ToolCallDenied() if self._speaks(data.purpose):
                rules = one_line(", ".join(data.rules))
                text = f"{data.tool} on {data.target}: {said(data.message)} ({rules})"
                yield Mark.BAD, "denied", text
            case e.ToolCallUncertain() if self._speaks(data.facts.purpose):
                text = f"{_call(data.facts)}: {said(data.reason)}; {_SETTLES[data.next]}"
                yield Mark.WARN, "uncertain", text
            case e.ToolCallSettled():
                known = "was applied" if data.applied else "was not applied"
                yield Mark.INFO, "settled", f"the uncertain call {known}{note(data.note)}"
            case _:
                return

    def _phase_done(self, data: e.TaskPhaseCompleted, time: datetime) -> str:
        calls = self._tally.calls
        samples = calls.succeeded(Purpose.OBSERVE)
        checks = listing(self._tally.healthy, 5)
        watched = f", healthy by {checks} ({count(samples, 'sample')})" if checks else ""
        took = f", {duration(time - calls.since)}" if calls.since is not None else ""
        return f"{self._place(data)} done: {data.changed} changed{watched}{took}"

    def _place(self, data: e.TaskPhaseStarted | e.TaskPhaseCompleted) -> str:
        total = max(len(self._tally.phases), data.phase + 1)
        return f"{data.phase + 1}/{total} {one_line(data.name)}"

    def _speaks(self, purpose: Purpose) -> bool:
        """Whether a troubled call gets its own line. Health samples never do: verdicts tell."""
        if purpose is Purpose.OBSERVE:
            return False
        if self._loud < FEW:
            self._loud += 1
            return True
        self._quiet += 1
        return False

    def _hush(self) -> Told:
        quiet, self._quiet, self._loud = self._quiet, 0, 0
        if quiet:
            yield Mark.WARN, "trouble", f"{count(quiet, 'further call')} had trouble likewise"


def narrate(events: Iterable[Event]) -> list[Line]:
    """All the lines of a task's events."""
    narrator = Narrator()
    return [line for event in events for line in narrator.tell(event)]


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

_SETTLES = {
    "retry": "it is asked again with the same key",
    "probe": "a read will tell",
    "human": "a person must find out",
}


def _call(facts: e.CallFacts) -> str:
    return f"{facts.tool} on {facts.target}"


def _speaker(voice: e.Approval) -> str:
    """Who spoke, and for whom."""
    name = one_line(voice.actor_name)
    return name if voice.for_name is None else f"{name} for {one_line(voice.for_name)}"
