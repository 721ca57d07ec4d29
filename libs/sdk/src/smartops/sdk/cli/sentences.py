"""Facts in words: one function per chapter of a task, each a table from event to lines."""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts import events as e
from smartops.contracts.rehearsing import is_rehearsal
from smartops.contracts.wire import EventData
from smartops.sdk.cli.lines import Mark, Told
from smartops.sdk.cli.text import clip, count, duration, listing, one_line
from smartops.sdk.short_id import short

__all__ = [
    "FEW",
    "level_text",
    "note",
    "said",
    "tell_agent",
    "tell_end",
    "tell_gate",
    "tell_plan",
    "tell_run",
]

FEW = 3
"""Facts of one event that get a line each; others are counted."""
_WIDTH = 300
"""Longest text by others on a line, in characters."""


def tell_plan(data: EventData, entity: str) -> Told:
    """From the intent to the plan."""
    match data:
        case e.TaskSubmitted():
            place = f"(task {short(entity)}, {data.environment})"
            yield Mark.INFO, "submitted", f"{said(data.intent)} {place}"
        case e.TaskSpecified():
            spec = data.spec
            agent = f"{spec.agent.name} {spec.agent.version}"
            person = ", a person must approve" if spec.hitl_required else ""
            text = f"{_words(spec.task_type)} by {agent}, risk {spec.risk_level}{person}"
            yield Mark.INFO, "understood", text
        case e.TaskEvidenceAttached():
            for ref in data.evidence[:FEW]:
                # The kind of a rehearsal is for those who look for it: it holds a digest.
                kind = "" if is_rehearsal(ref.kind) else f"{_words(ref.kind)}: "
                yield Mark.INFO, "evidence", f"{kind}{said(ref.summary)}"
            if (rest := len(data.evidence) - FEW) > 0:
                yield Mark.INFO, "evidence", f"and {count(rest, 'further snapshot')}"
        case e.TaskPlanned():
            size = f"{count(data.steps, 'step')} on {count(data.targets, 'target')}"
            yield Mark.INFO, "planned", f"plan {data.number}: {said(data.summary)} ({size})"
        case e.TaskReopened():
            text = f"plan {data.number} is written{note(data.feedback)}"
            yield Mark.INFO, "anew", text
        case _:
            return


def tell_gate(data: EventData) -> Told:
    """What the gate decides, but for the voices of people."""
    match data:
        case e.TaskPlanValidated() if not data.requires_approval:
            yield Mark.GOOD, "allowed", f"policy lets it run by itself ({listing(data.rules)})"
        case e.TaskPlanRefused():
            for problem in data.problems[:FEW]:
                where = f" at {one_line(problem.path)}" if problem.path else ""
                yield (
                    Mark.BAD,
                    "problem",
                    f"{one_line(problem.rule)}{where}: {said(problem.message)}",
                )
            if (rest := len(data.problems) - FEW) > 0:
                yield Mark.BAD, "problem", f"and {count(rest, 'further one')}"
            ends = "" if data.unasked else "; nothing has run"
            yield Mark.BAD, "refused", f"policy does not allow this plan{ends}"
        case e.TaskApprovalRequired():
            roles = " and ".join(map(one_line, data.roles))
            people = f"one {roles}" if data.quorum == 1 else f"{data.quorum} people ({roles})"
            text = f"{people} must decide, risk {data.risk_level} ({listing(data.reasons)})"
            yield Mark.WAIT, "approval", text
        case e.TaskApprovalReminded():
            heard = f"{data.voices} of {data.quorum} said yes"
            text = f"nobody has decided, {heard}; {_left(data.left_ms)} left"
            yield Mark.WAIT, "reminder", text
        case e.TaskApprovalEscalated():
            text = f"{one_line(data.role)} may decide, too; {_left(data.left_ms)} left"
            yield Mark.WARN, "escalated", f"nobody has decided, so {text}"
        case e.TaskBreakGlassUsed():
            by = one_line(data.by.actor_name)
            text = f"{by} lets it run alone, {len(data.voices)} of {data.quorum} had agreed"
            yield Mark.BAD, "glass", f"{text}: {said(data.justification)}"
        case e.TaskApprovalRejected():
            by = f"by {one_line(data.by.actor_name)}{note(data.note)}"
            ends = "; nothing has run" if data.then == "archive" else "; another plan is wanted"
            yield Mark.BAD, "rejected", f"{by}{ends}"
            if data.detail:
                yield Mark.BAD, "ends", said(data.detail)
        case e.TaskPlanEditAccepted():
            text = f"plan {data.number} by {one_line(data.by.actor_name)}{note(data.reason)}"
            yield Mark.WARN, "edited", text
        case e.TaskPlanSuperseded(because="stale"):
            text = f"what was granted for plan {data.number} is void{note(data.detail)}"
            yield Mark.WARN, "superseded", text
        case e.TaskApprovalExpired():
            yield Mark.BAD, "expired", "nobody decided in time; nothing has run"
        case e.TaskGrantRevoked():
            yield Mark.WARN, "revoked", f"the grant was taken back: {said(data.reason)}"
        case e.TaskCancelRequested():
            keep = ", keeping the changes" if data.keep_changes else ""
            yield Mark.WARN, "cancel", f"asked for{keep}: {said(data.reason)}"
        case e.TaskHalted():
            text = f"nothing goes out any more, not even undo: {said(data.reason)}"
            yield Mark.BAD, "halted", text
        case _:
            return


def tell_agent(data: EventData) -> Told:
    """What a task cost its agent, or what a person gave it."""
    if isinstance(data, e.AutonomyChanged):
        fell = data.before is None or data.level < data.before
        yield (Mark.WARN if fell else Mark.INFO), "autonomy", level_text(data)


def level_text(data: e.AutonomyChanged) -> str:
    """A change of a level, with whose it is and why."""
    before = "" if data.before is None else f"L{data.before} to "
    tool = "any tool" if data.tool == "*" else one_line(data.tool)
    where = "everywhere" if data.environment == "*" else f"in {data.environment}"
    version = "" if data.agent_version == "*" else f" {one_line(data.agent_version)}"
    agent = f"{one_line(data.agent)}{version} with {tool} {where}"
    return f"{agent}: {before}L{data.level} ({one_line(data.rule)}: {said(data.reason)})"


def _left(milliseconds: int) -> str:
    return duration(timedelta(milliseconds=milliseconds))


def tell_run(data: EventData) -> Told:
    """The run, but for its phases."""
    match data:
        case e.TaskStarted():
            phases = f"{count(len(data.phases), 'phase')} ({listing(data.phases, 5)})"
            claims = count(len(data.claims), "claimed target")
            yield Mark.INFO, "started", f"{phases} on {claims}"
        case e.TaskPreconditionsStale():
            for one in data.stale[:FEW]:
                text = f"{one.tool} tells otherwise of {one.target} than when the plan was made"
                yield Mark.WARN, "changed", text
            if (rest := len(data.stale) - FEW) > 0:
                yield Mark.WARN, "changed", f"and {count(rest, 'further thing')}"
            yield Mark.WARN, "not begun", "the run ended before its first step; nothing was changed"
        case e.TaskHealthChecked() if data.outcome != "healthy":
            # The good verdicts of a phase are told in one, when it is done.
            mark = Mark.BAD if data.outcome == "unhealthy" else Mark.WARN
            yield mark, data.outcome, f"{one_line(data.type)}: {said(data.detail)}"
        case e.TaskConditionChecked(outcome="broken"):
            text = f"granted while {said(data.condition)}, and it does not hold: "
            yield Mark.BAD, "broken", f"{text}{said(data.detail)}"
        case e.TaskConditionChecked(outcome="unknown"):
            text = f"granted while {said(data.condition)}, and nobody can tell: "
            yield Mark.WARN, "unknown", f"{text}{said(data.detail)}"
        case e.TaskComputationEnded():
            found = "holds" if data.ok else _COMPUTED.get(data.outcome, _words(data.outcome))
            place = f" (sandbox {one_line(data.level)}, {data.duration_ms:.0f} ms)"
            why = f": {said(data.detail)}" if data.detail else ""
            mark = Mark.GOOD if data.ok else Mark.BAD
            yield mark, "computed", f"{one_line(data.question)} {found}{why}{place}"
        case e.TaskStopping():
            yield Mark.WARN, "stopping", f"{said(data.reason)}; {_THEN[data.then]}"
        case e.TaskPaused():
            yield Mark.WAIT, "paused", f"nothing is in flight: {said(data.reason)}"
        case e.TaskPlanReturned():
            yield from _came_back(data)
        case e.TaskWaiting():
            until = f"{data.until:%Y-%m-%d %H:%M} UTC"
            yield Mark.WAIT, "waiting", f"nothing goes out before {until}: {said(data.reason)}"
        case e.TaskBatchCompleted():
            yield (
                Mark.GOOD,
                "batch",
                f"{data.batch + 1} done and healthy, {data.steps} steps so far",
            )
        case e.TaskResumed():
            yield Mark.INFO, "resumed", said(data.reason) or "going on"
        case e.TaskRollbackStarted():
            what = count(len(data.undo), "change") if data.undo else "nothing"
            text = f"{what} to take back, last change first: {said(data.reason)}"
            yield Mark.UNDO, "rollback", text
        case _:
            return


def _came_back(data: e.TaskPlanReturned) -> Told:
    steps = listing([one_line(one.step) for one in data.withheld], FEW)
    did = f"{data.applied} of {count(data.steps, 'step')} done"
    text = f"plan {data.number} is back at the gate, {did}: policy denied {steps}"
    yield Mark.WARN, "returned", text
    for problem in data.problems[:FEW]:
        yield Mark.BAD, "problem", f"{one_line(problem.rule)}: {said(problem.message)}"


def tell_end(data: EventData, took: str) -> Told:
    """How the task ended, after so long."""
    took = f" ({took})" if took else ""
    match data:
        case e.TaskCompleted():
            what = f"{count(data.changed, 'target')} changed, {count(data.calls, 'call')}"
            yield Mark.GOOD, "completed", f"{what}{took}"
        case e.TaskRolledBack():
            proved = f", {data.verified} proved by reading again" if data.verified else ""
            open_ = len(data.unverified)
            unproved = f", {open_} that nothing can read back" if open_ else ""
            what = f"{count(data.undone, 'change')} taken back{proved}{unproved}"
            yield Mark.UNDO, "rolled back", f"{what}: {said(data.reason)}{took}"
        case e.TaskCancelled():
            undone = f"{count(data.undone, 'change')} taken back" if data.undone else ""
            kept = f"{count(data.kept, 'change')} kept" if data.kept else ""
            what = ", ".join(filter(None, (undone, kept))) or "nothing was changed"
            yield Mark.WARN, "cancelled", f"{what}: {said(data.reason)}{took}"
        case e.TaskFailed():
            again = "; it may be submitted again" if data.retryable else ""
            what = f"{one_line(data.error_code)}: {said(data.message)}{again}"
            yield Mark.BAD, "failed", f"{what}{took}"
        case e.TaskEscalated():
            yield Mark.BAD, "escalated", f"a person must look: {said(data.reason)}{took}"
            yield Mark.BAD, "to do", said(data.what_to_do)
        case _:
            return


def said(text: str) -> str:
    """Text by others, on one line of bearable length."""
    return clip(one_line(text), _WIDTH)


_COMPUTED = {"value": "does not hold", "not_run": "was not run"}
"""Other ends of computed steps are told by their names."""


def _words(name: str) -> str:
    return one_line(name).replace("_", " ")


def note(text: str) -> str:
    """A remark, if there is one, to be put behind a sentence."""
    return f": {said(text)}" if text else ""


_THEN = {
    "pause": "then it pauses",
    "roll_back": "then it rolls back",
    "cancel": "then it rolls back and ends",
    "cancel_and_keep": "then it ends, keeping its changes",
    "escalate": "then a person takes over",
}
