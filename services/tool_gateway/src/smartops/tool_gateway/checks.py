"""The gate in the gateway: may this very call go out?

Everything that a compromised planner or runner could get wrong is checked here again, against the
log and the approved bytes. Pure; each rule returns its own reason, the first that fails denies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from smartops.contracts.deciding import Evidence
from smartops.contracts.errors import Malformed
from smartops.contracts.events import CallFacts, PolicyInForce, ToolCallRequested, UndoEntitlement
from smartops.contracts.folds import FINAL, STOPPING, CallStatus, CallView, GateView, RunView
from smartops.contracts.ids import call_id, question_about
from smartops.contracts.maintenance import OUTSIDE_WINDOW, is_open
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, JsonObject, Purpose

__all__ = [
    "Denial",
    "Permit",
    "bind_undo",
    "check_attempt",
    "check_course",
    "check_going",
    "check_place",
    "check_read",
    "check_step",
    "check_turn",
    "check_undo",
    "may_not_go_again",
    "out_of_turn",
]


_NOT_APPLIED = frozenset({CallStatus.DENIED, CallStatus.FAILED, CallStatus.NOT_APPLIED})
_APPLIED = frozenset({CallStatus.SUCCEEDED, CallStatus.APPLIED})


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a call does not go out."""

    code: str
    rule: str
    message: str
    further: tuple[tuple[str, str], ...] = ()
    """Other rules of policy that said no as well, each with its message."""
    policy: PolicyInForce | None = None
    """Set when policy was asked, and said no."""
    evidence: tuple[Evidence, ...] = ()
    """What it was asked, and what it said."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What may go out."""

    arguments: JsonObject
    step: Step | None = None
    grant: int | None = None
    evidence: tuple[Evidence, ...] = ()
    """What policy was asked, and that it said yes."""


def check_place(request: ToolCallRequested, where: str, run: RunView) -> Denial | None:
    """A request speaks for the run in whose history it stands, and an undo has one name there.

    (1) Somebody makes up a run that says that it started as the granted one, (2) has calls denied
    there, so that the attempts behind them are due there, (3) and asks for these by the ids of the
    granted run: what was done goes out once more. A name of its own for each undo does the same.

    Args:
        request: as it stands in the log.
        where: the stream that it stands in.
        run: that stream's run; nothing of it where the planner asks.
    """
    ref = parse_stream(where)
    if ref.category != "run":
        if request.run is None:
            return None
        return Denial("run_mismatch", "gateway.request", "whoever plans asks for no run")
    if run.started is None:
        return Denial("not_requested", "gateway.request", "the run has not begun")
    if request.run is None or {str(request.run), str(run.started.run)} != {ref.id}:
        return Denial("run_mismatch", "gateway.request", "the request names another run")
    undone = run.requests.get(request.undoes) if request.undoes is not None else None
    if request.purpose is not Purpose.UNDO or undone is None:
        return None  # A step's id is checked with its step; an undo of nothing, as one of nothing.
    question = question_about("undo/", undone.question, undone.step or "")
    ident = call_id(where, question, request.purpose, request.attempt)
    if (request.question, request.call) != (question, ident):
        return Denial("call_mismatch", "gateway.call_id", "an undo's name is made of its step's")
    return None


def check_read(request: ToolCallRequested, tool: ToolDescriptor | None) -> Permit | Denial:
    """Evidence and observation need no grant, but the tool must be a read by our own registry."""
    if (denial := _tool_is(request, tool)) is not None:
        return denial
    if tool is None or tool.category is not Category.READ:
        return Denial("not_a_read", "gateway.read_only", f"{request.tool} changes things")
    if request.arguments is None:
        return Denial("no_arguments", "gateway.arguments", "a read carries its own arguments")
    return Permit(request.arguments)


def check_step(
    request: ToolCallRequested,
    tool: ToolDescriptor | None,
    run: RunView,
    gate: GateView,
    plan: Plan | None,
    now: datetime,
) -> Permit | Denial:
    """A step goes out only as approved: byte for byte, in its phase, under a live grant."""
    if (denial := _grant_holds(request, run, gate, now)) is not None:
        return denial
    if plan is None or gate.grant is None or plan.hash() != gate.grant.plan_hash:
        return Denial("plan_mismatch", "gateway.plan_hash", "the plan is not the approved one")
    step = plan.by_hash().get(request.step or "")
    if step is None or step.id != request.question:
        return Denial("step_mismatch", "gateway.step_hash", "no such step in the approved plan")
    if (step.tool, step.version, step.target) != (request.tool, request.version, request.target):
        return Denial("step_mismatch", "gateway.step_hash", "tool or target differ from the step")
    where = stream(plan.header.tenant, "run", gate.grant.run)
    if request.call != call_id(where, step.id, request.purpose, request.attempt):
        # One step is one call per attempt; another id would let it go out once more.
        return Denial("call_mismatch", "gateway.call_id", "the call's id is not that of its step")
    if request.phase != run.phase:
        return Denial(
            "phase_order", "gateway.phase_order", f"phase {request.phase} is not the one under way"
        )
    if (denial := check_turn(step.hash(), plan, run, now)) is not None:
        return denial
    if (denial := _tool_is(request, tool)) is not None:
        return denial
    if tool is None or tool.digest() != step.schema_digest:
        return Denial("tool_changed", "gateway.schema_digest", f"{step.tool} changed since")
    if tool.category is not step.category:
        return Denial("tool_changed", "gateway.category", f"{step.tool} is {tool.category}")
    return Permit(step.arguments, step, gate.grant.grant)


def check_turn(step: str, plan: Plan, run: RunView, now: datetime) -> Denial | None:
    """Whether it is a step's turn: its phase and batch are under way, and its window is open.

    For each time it is sent: what was in its turn at first need not be, when its answer was lost.

    Args:
        step: its hash; it is one of the plan's.
        plan: the approved one.
        run: as it stands.
        now: by the database's clock.
    """
    phase = next(number for number, one in enumerate(plan.header.phases) if step in one.steps)
    if phase != run.phase or run.phases_completed != phase:
        return Denial(
            "phase_order",
            "gateway.phase_order",
            f"phase {phase} is not the one under way, or an earlier one has not ended",
        )
    size = plan.header.phases[phase].batch
    batch = 0 if size is None else plan.header.phases[phase].steps.index(step) // size
    if batch != run.batch:
        return Denial(
            "batch_order",
            "gateway.batch_order",
            f"the step is of batch {batch}, and batch {run.batch} is under way",
        )
    if run.rolling_back:
        return Denial("rolling_back", "gateway.rolling_back", "the run is being taken back")
    return _window_open(plan, phase, now)


def check_attempt(request: ToolCallRequested, earlier: CallView | None) -> Denial | None:
    """Another attempt follows only a definite not-applied; else it could apply a step twice."""
    if request.attempt == 1 or request.purpose in (Purpose.EVIDENCE, Purpose.OBSERVE):
        return None
    if earlier is not None and earlier.status in _NOT_APPLIED:
        return None
    return Denial(
        "attempt_not_due",
        "gateway.attempt",
        f"attempt {request.attempt - 1} was not definitely not applied",
    )


def check_course(skipped: str | None) -> Denial | None:
    """What the plan puts before a step was really done: not by the run's word, by its calls'."""
    if skipped is None:
        return None
    why = f"step {skipped} comes before it, and no call shows that it was applied"
    return Denial("phase_order", "gateway.steps_before", why)


def check_going(run: RunView) -> Denial | None:
    """A run that stops lets nothing more go out, of whichever kind; so it comes to rest soon.

    It is at rest, and can go on, only once all that it asked for has come back.
    """
    if run.stopping is None:
        return None
    why = f"the run is stopping: {run.stopping.reason}"
    return Denial(STOPPING, "gateway.stopping", why)


def check_undo(
    request: ToolCallRequested,
    tool: ToolDescriptor | None,
    run: RunView,
    gate: GateView,
    done: CallView,
) -> Permit | Denial:
    """Undo is owed: expiry, revocation and bundle changes do not stop it, only a halt does.

    It is owed for what was applied, and to a run that is not over: later the target is somebody
    else's, and to put an old state back would be a change that nobody approved.
    """
    if request.call not in run.requests:
        return Denial("not_requested", "gateway.request", "the run asked for no such call")
    if gate.grant is None or run.started is None or gate.grant.run != run.started.run:
        # The request names its task, and with it the gate whose halt counts.
        return Denial("grant_mismatch", "gateway.grant", "the task's grant is for another run")
    if gate.halted is not None:
        return Denial("halted", "gateway.halt", f"the task is halted: {gate.halted.reason}")
    if run.ended in FINAL:
        return Denial("run_ended", "gateway.run", f"the run has ended: {run.ended}")
    undone = run.requests.get(request.undoes) if request.undoes is not None else None
    if undone is None or undone.purpose is not Purpose.DO:
        return Denial("not_its_call", "gateway.undo", "the run made no such call")
    if done.undo is None:
        return Denial("no_entitlement", "gateway.undo", "the call left no right to take it back")
    if parse_stream(done.requester_stream).id != str(run.started.run):
        # Whoever asks for it here once more, by its id, has not made it.
        return Denial("not_its_call", "gateway.undo", "another run made the call")
    if done.status not in _APPLIED:
        return Denial(
            "no_entitlement", "gateway.undo", "the call is not known to have been applied"
        )
    if (done.undo.tool, done.undo.version) != (request.tool, request.version):
        return Denial("undo_mismatch", "gateway.undo", "another tool than the entitlement's")
    if undone.target != request.target:
        return Denial("undo_mismatch", "gateway.undo", "another target than the call's")
    # By version, not by digest: what a tool declares of itself may grow, and undo is owed. What its
    # arguments mean changes with the version, and these were bound for another.
    return _tool_is(request, tool) or Permit(done.undo.arguments, None, gate.grant.grant)


def may_not_go_again(facts: CallFacts, gate: GateView, now: datetime) -> str | None:
    """Why a call whose answer was lost may not be sent once more; None when it may.

    The first send may never have arrived: then this one is the execution, and needs a grant that
    still holds. Taking back does not, as the first time.
    """
    if gate.halted is not None:
        return "halted"
    grant = gate.grant
    if facts.purpose is Purpose.DO and grant is not None and now >= grant.expires_at:
        return f"the grant expired at {grant.expires_at.isoformat()}"
    return None


def out_of_turn(
    facts: CallFacts, gate: GateView, run: RunView, plan: Plan | None, now: datetime
) -> str | None:
    """Why it is no longer a step's turn; None while it is, and for whatever else is sent again.

    A repetition may be what carries the step out, so it keeps to the same hours and the same order.

    Args:
        facts: of the call whose answer was lost.
        gate: of its task.
        run: that asked for it.
        plan: the one granted; None when it cannot be read as such.
        now: by the database's clock.
    """
    if facts.purpose is not Purpose.DO:
        return None
    if plan is None or gate.grant is None or gate.grant.plan_hash != facts.plan_hash:
        return "the plan that it is a step of is granted no longer"
    if facts.step is None or facts.step not in plan.by_hash():
        return "the plan has no such step"
    denial = check_turn(facts.step, plan, run, now)
    return None if denial is None else denial.message


def _grant_holds(
    request: ToolCallRequested, run: RunView, gate: GateView, now: datetime
) -> Denial | None:
    started, grant = run.started, gate.grant
    if request.call not in run.requests or started is None:
        return Denial("not_requested", "gateway.request", "the run asked for no such call")
    if grant is None:
        return Denial("no_grant", "gateway.grant", "nothing was granted for this task")
    if gate.unfounded:
        return Denial(
            "grant_mismatch", "gateway.grant", "the grant is of another plan than was approved"
        )
    # A run that policy stopped goes on under a later grant than it began under.
    begun = gate.begun or grant.grant
    if (grant.run, begun, grant.plan_hash) != (
        started.run,
        started.grant,
        started.plan_hash,
    ) or request.run != started.run:
        return Denial("grant_mismatch", "gateway.grant", "the grant is for another run or plan")
    if gate.halted is not None:
        return Denial("halted", "gateway.halt", f"the task is halted: {gate.halted.reason}")
    if gate.returned is not None:
        return Denial("returned", "gateway.grant", "the plan went back to the gate, and waits")
    if gate.revoked is not None:
        return Denial("revoked", "gateway.grant", f"the grant was revoked: {gate.revoked.reason}")
    if gate.cancel is not None:
        return Denial("cancelled", "gateway.cancel", f"cancelled: {gate.cancel.reason}")
    if now >= grant.expires_at:
        return Denial("expired", "gateway.grant", f"expired at {grant.expires_at.isoformat()}")
    if run.ended is not None:
        return Denial("run_ended", "gateway.run", f"the run has ended: {run.ended}")
    return None


def _window_open(plan: Plan, phase: int, now: datetime) -> Denial | None:
    """Changes are made in the approved hours, whatever the runner's clock says."""
    window = plan.header.phases[phase].maintenance or plan.header.maintenance
    if window is None:
        return None
    try:
        if is_open(window, now):
            return None
        why = f"changes may be made from {window}, and not now"
    except Malformed as error:
        why = error.reason
    return Denial(OUTSIDE_WINDOW, "gateway.maintenance", why)


def _tool_is(request: ToolCallRequested, tool: ToolDescriptor | None) -> Denial | None:
    if tool is None:
        return Denial("unknown_tool", "gateway.registry", f"{request.tool} is not registered")
    if tool.version != request.version:
        return Denial(
            "tool_changed",
            "gateway.registry",
            f"{tool.name} is at version {tool.version}, the call asks for {request.version}",
        )
    return None


def bind_undo(step: Step | None, before: JsonValue) -> UndoEntitlement | Denial | None:
    """Fill the undo template from the before-state."""
    if step is None or step.undo is None:
        return None
    bound: JsonObject = {}
    for name, value in step.undo.arguments.items():
        if isinstance(value, dict) and set(value) == {"$before"}:
            field = str(value["$before"])
            if not isinstance(before, dict) or field not in before:
                return Denial(
                    "no_before_state", "gateway.before_state", f"the before-state has no {field!r}"
                )
            bound[name] = before[field]
        else:
            bound[name] = value
    return UndoEntitlement(tool=step.undo.tool, version=step.undo.version, arguments=bound)
