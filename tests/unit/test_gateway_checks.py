"""The gate in the gateway: each way in which a call is not the approved one, and its denial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskCancelRequested,
    TaskEscalated,
    TaskGrantRevoked,
    TaskHalted,
    TaskPaused,
    TaskPlanReturned,
    TaskResumed,
    TaskRollbackStarted,
    TaskStarted,
    TaskStepWithheld,
    TaskStopping,
    ToolCallDispatched,
    ToolCallRequested,
    UndoEntitlement,
)
from smartops.contracts.folds import (
    FINAL,
    STOPPING,
    CallStatus,
    CallView,
    GateView,
    RunView,
    evolve_run,
)
from smartops.contracts.ids import call_id, question_about
from smartops.contracts.maintenance import OUTSIDE_WINDOW, MaintenanceWindow
from smartops.contracts.plan import Plan
from smartops.contracts.streams import stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, EventData, Purpose
from smartops.tool_gateway.attempts import LOOKED_AT, earlier_attempt, first_sent
from smartops.tool_gateway.checks import (
    Denial,
    Permit,
    bind_undo,
    check_attempt,
    check_going,
    check_place,
    check_read,
    check_step,
    check_undo,
)
from support.grants import GRANTED_AT, grant_for, sent_back
from support.plans import TASK, TENANT, phase, plan, step, tool

PATCH = tool()
PLAN = plan(
    phase(step("web-01", phase="canary"), name="canary"),
    phase(step("web-02", phase="wave"), step("web-03", phase="wave"), name="wave"),
)
NOW = GRANTED_AT + timedelta(minutes=1)


def started_by(grant: TaskApprovalGranted, **fields: Any) -> TaskStarted:
    """The run's first event."""
    return TaskStarted.model_validate(
        {
            "task": TASK,
            "run": grant.run,
            "number": grant.number,
            "plan_hash": grant.plan_hash,
            "document": grant.document,
            "grant": grant.grant,
            "environment": grant.environment,
            "phases": ("canary", "wave"),
            "claims": PLAN.targets(),
        }
        | fields
    )


def asking_for(number: int, made: Plan = PLAN, **fields: Any) -> ToolCallRequested:
    """The runner's request for the plan's step `number`, counted from 0."""
    wanted = made.steps[number]
    where = stream(TENANT, "run", grant_for(made).run)
    request = {
        "task": TASK,
        "run": grant_for(made).run,
        "purpose": Purpose.DO,
        "tool": wanted.tool,
        "version": wanted.version,
        "target": wanted.target,
        "question": wanted.id,
        "attempt": 1,
        "phase": 0 if number == 0 else 1,
        "step": wanted.hash(),
    } | fields
    question, purpose = str(request["question"]), str(request["purpose"])
    request.setdefault("call", call_id(where, question, purpose, 1))
    return ToolCallRequested.model_validate(request)


def sent_back_now() -> TaskPlanReturned:
    """Policy denied a step of the run."""
    grant = grant_for(PLAN)
    noted = TaskStepWithheld(task=TASK, run=grant.run, call=TASK, step="x", grant=1)
    [returned] = sent_back(PLAN, grant, (noted,))
    assert isinstance(returned, TaskPlanReturned)
    return returned


@dataclass
class Facts:
    """All that a step's check rests on; allowed as it is."""

    request: ToolCallRequested = field(default_factory=lambda: asking_for(0))
    tool: ToolDescriptor | None = PATCH
    run: RunView = field(default_factory=RunView)
    gate: GateView = field(default_factory=lambda: GateView(grant=grant_for(PLAN)))
    plan: Plan | None = PLAN
    now: datetime = NOW

    def __post_init__(self) -> None:
        if self.run == RunView():
            self.run = RunView(
                started=started_by(grant_for(PLAN)),
                phase=0,
                requests={self.request.call: self.request},
            )

    def check(self) -> Permit | Denial:
        return check_step(self.request, self.tool, self.run, self.gate, self.plan, self.now)

    def of_run(self, **fields: Any) -> Facts:
        self.run = replace(self.run, **fields)
        return self

    def of_gate(self, **fields: Any) -> Facts:
        self.gate = replace(self.gate, **fields)
        return self


def denied(facts: Facts) -> str:
    found = facts.check()
    assert isinstance(found, Denial), found
    assert found.rule.startswith("gateway.")
    assert found.message
    return found.code


def test_a_step_goes_out_exactly_as_approved() -> None:
    found = Facts().check()
    assert found == Permit({"asset": "web-01"}, PLAN.steps[0], 1)


def test_a_step_goes_out_under_a_later_grant_once_its_run_came_back() -> None:
    later = Facts(gate=GateView(grant=grant_for(PLAN, grant=2), begun=1))
    assert isinstance(later.check(), Permit)


def test_a_step_of_the_next_phase_goes_out_once_the_first_has_ended() -> None:
    facts = Facts(asking_for(1)).of_run(phase=1, phases_completed=1)
    found = facts.check()
    assert isinstance(found, Permit)
    assert found.step == PLAN.steps[1]


@pytest.mark.parametrize("whole", [False, True], ids=["of the phase", "of the plan"])
def test_a_step_goes_out_in_its_maintenance_window_and_not_a_moment_before(
    whole: bool,  # noqa: FBT001
) -> None:
    night = MaintenanceWindow(start="22:00", end="04:00", timezone="UTC")
    first = phase(step("web-01"), **({} if whole else {"maintenance": night}))
    made = plan(first, **({"maintenance": night} if whole else {}))
    asked = asking_for(0, made)

    def at(hour: int, minute: int = 0) -> Permit | Denial:
        grant = grant_for(made)
        grant = grant.model_copy(update={"expires_at": NOW + timedelta(days=1)})
        run = RunView(started=started_by(grant), phase=0, requests={asked.call: asked})
        now = NOW.replace(hour=hour, minute=minute)
        return Facts(asked, run=run, gate=GateView(grant=grant), plan=made, now=now).check()

    assert isinstance(at(22), Permit)
    for hour, minute in ((21, 59), (4, 0)):
        found = at(hour, minute)
        assert isinstance(found, Denial)
        assert (found.code, found.rule) == (OUTSIDE_WINDOW, "gateway.maintenance")


_BY = {"principal": "op", "reason": "because"}

DENIALS: dict[str, tuple[str, Callable[[], Facts]]] = {
    "that the run never asked for": (
        "not_requested",
        lambda: Facts().of_run(requests={}),
    ),
    "of a run that never began": ("not_requested", lambda: Facts().of_run(started=None)),
    "without a grant": ("no_grant", lambda: Facts(gate=GateView())),
    "under the grant of another run": (
        "grant_mismatch",
        lambda: Facts(gate=GateView(grant=grant_for(PLAN, run=TASK))),
    ),
    "under another grant of this run": (
        "grant_mismatch",
        lambda: Facts(gate=GateView(grant=grant_for(PLAN, grant=2))),
    ),
    "while its plan is back at the gate": (
        "returned",
        lambda: Facts(gate=GateView(grant=grant_for(PLAN), begun=1, returned=sent_back_now())),
    ),
    "under a grant for another plan": (
        "grant_mismatch",
        lambda: Facts(gate=GateView(grant=grant_for(plan(), run=grant_for(PLAN).run))),
    ),
    "that names another run than its stream": (
        "grant_mismatch",
        lambda: Facts(asking_for(0, run=TASK)),
    ),
    "after a halt": (
        "halted",
        lambda: Facts().of_gate(halted=TaskHalted(**_BY)),
    ),
    "after the grant was revoked": (
        "revoked",
        lambda: Facts().of_gate(revoked=TaskGrantRevoked(**_BY, grant=1, run=grant_for(PLAN).run)),
    ),
    "after a cancel": ("cancelled", lambda: Facts().of_gate(cancel=TaskCancelRequested(**_BY))),
    "at the moment the grant expires": (
        "expired",
        lambda: Facts(now=grant_for(PLAN).expires_at),
    ),
    "of a run that has ended": ("run_ended", lambda: Facts().of_run(ended="completed")),
    "whose plan cannot be read": ("plan_mismatch", lambda: Facts(plan=None)),
    "from another plan than the approved one": ("plan_mismatch", lambda: Facts(plan=plan())),
    "whose step hash is not in the plan": (
        "step_mismatch",
        lambda: Facts(asking_for(0, step=step("web-66").hash())),
    ),
    "without a step hash": ("step_mismatch", lambda: Facts(asking_for(0, step=None))),
    "that borrows the hash of another step": (
        "step_mismatch",
        lambda: Facts(asking_for(0, step=PLAN.steps[1].hash())),
    ),
    "with another tool": ("step_mismatch", lambda: Facts(asking_for(0, tool="rm_rf"))),
    "with another version of the tool": (
        "step_mismatch",
        lambda: Facts(asking_for(0, version="2")),
    ),
    "on another target": ("step_mismatch", lambda: Facts(asking_for(0, target="web-02"))),
    "under a call id of its own making": ("call_mismatch", lambda: Facts(asking_for(0, call=TASK))),
    "of a phase that has not begun": ("phase_order", lambda: Facts(asking_for(1))),
    "of a phase before the earlier one has ended": (
        "phase_order",
        lambda: Facts(asking_for(1)).of_run(phase=1, phases_completed=0),
    ),
    "of a phase that is over": (
        "phase_order",
        lambda: Facts().of_run(phase=1, phases_completed=1),
    ),
    "that names another phase than its step's": (
        "phase_order",
        lambda: Facts(asking_for(0, phase=1)),
    ),
    "while the run is taken back": ("rolling_back", lambda: Facts().of_run(rolling_back=True)),
    "with a tool that is not registered": ("unknown_tool", lambda: Facts(tool=None)),
    "with a tool that has a newer version": (
        "tool_changed",
        lambda: Facts(tool=tool(version="2")),
    ),
    "with a tool whose descriptor changed": (
        "tool_changed",
        lambda: Facts(tool=tool(timeout_ms=1)),
    ),
}


@pytest.mark.parametrize(("code", "facts"), DENIALS.values(), ids=DENIALS)
def test_no_step_goes_out(code: str, facts: Callable[[], Facts]) -> None:
    assert denied(facts()) == code


def test_a_step_whose_category_is_not_the_tools_does_not_go_out() -> None:
    lied = step("web-01", phase="canary").model_copy(update={"category": Category.READ})
    made = plan(phase(lied, name="canary"))
    grant = grant_for(made)
    request = asking_for(0, made)
    facts = Facts(
        request,
        run=RunView(started=started_by(grant), phase=0, requests={request.call: request}),
        gate=GateView(grant=grant),
        plan=made,
    )
    assert denied(facts) == "tool_changed"


def test_the_grant_is_looked_at_before_the_plan_is() -> None:
    assert denied(Facts(plan=None).of_gate(halted=TaskHalted(**_BY))) == "halted"


# --- Reads --------------------------------------------------------------------------------------

LOOK = tool("look", category=Category.READ)


def reading(**fields: Any) -> ToolCallRequested:
    """The planner asks for evidence."""
    return ToolCallRequested.model_validate(
        {
            "task": TASK,
            "call": TASK,
            "purpose": Purpose.EVIDENCE,
            "tool": "look",
            "version": "1",
            "target": "production",
            "question": "inventory",
            "attempt": 1,
            "arguments": {"role": "web-server"},
        }
        | fields
    )


def test_a_read_goes_out_without_a_grant() -> None:
    assert check_read(reading(), LOOK) == Permit({"role": "web-server"})


@pytest.mark.parametrize(
    ("code", "request_", "known"),
    [
        ("unknown_tool", reading(), None),
        ("tool_changed", reading(version="2"), LOOK),
        ("not_a_read", reading(tool="patch"), PATCH),
        ("not_a_read", reading(), tool("look", category=Category.IRREVERSIBLE)),
        ("no_arguments", reading(arguments=None), LOOK),
    ],
    ids=["unknown", "newer", "a write", "an irreversible write", "without arguments"],
)
def test_no_read_goes_out(
    code: str, request_: ToolCallRequested, known: ToolDescriptor | None
) -> None:
    found = check_read(request_, known)
    assert isinstance(found, Denial)
    assert found.code == code


# --- Undo ---------------------------------------------------------------------------------------

ENTITLEMENT = UndoEntitlement(
    tool="unpatch", version="1", arguments={"asset": "web-01", "version": "2.4.0"}
)


UNPATCH = tool("unpatch")
RUN = stream(TENANT, "run", grant_for(PLAN).run)


def applied(status: CallStatus = CallStatus.SUCCEEDED) -> CallView:
    return CallView(status=status, undo=ENTITLEMENT, requester_stream=RUN)


@dataclass
class UndoFacts:
    """All that an undo's check rests on; allowed as it is."""

    fields: dict[str, Any] = field(default_factory=dict)
    gate: GateView = field(default_factory=lambda: GateView(grant=grant_for(PLAN)))
    done: CallView = field(default_factory=applied)
    asked: bool = True
    tool: ToolDescriptor | None = UNPATCH
    ended: str | None = None
    first: ToolCallRequested = field(default_factory=lambda: asking_for(0))

    def check(self) -> Permit | Denial:
        request = asking_for(
            0,
            **{
                "purpose": Purpose.UNDO,
                "tool": "unpatch",
                "question": f"undo/{PLAN.steps[0].id}",
                "step": None,
                "undoes": self.first.call,
            }
            | self.fields,
        )
        requests = {self.first.call: self.first}
        if self.asked:
            requests[request.call] = request
        run = RunView(
            started=started_by(grant_for(PLAN)),
            phase=0,
            requests=requests,
            rolling_back=True,
            ended=self.ended,
        )
        return check_undo(request, self.tool, run, self.gate, self.done)


def test_an_undo_goes_out_with_the_arguments_of_its_entitlement() -> None:
    assert UndoFacts().check() == Permit(ENTITLEMENT.arguments, None, 1)


def test_undo_is_owed_for_what_a_person_settled_as_applied_and_to_a_run_that_waits_for_people() -> (
    None
):
    facts = UndoFacts(done=applied(CallStatus.APPLIED), ended="escalated")
    assert isinstance(facts.check(), Permit)


def test_undo_is_owed_by_a_tool_that_declares_more_than_it_did() -> None:
    assert isinstance(UndoFacts(tool=UNPATCH.model_copy(update={"rate": None})).check(), Permit)
    facts = UndoFacts(tool=UNPATCH.model_copy(update={"description": "Told in other words."}))
    assert isinstance(facts.check(), Permit)


@pytest.mark.parametrize(
    "gate",
    [
        {"revoked": TaskGrantRevoked(**_BY, grant=1, run=TASK)},
        {"cancel": TaskCancelRequested(**_BY)},
        {"grant": grant_for(PLAN, expires_at=GRANTED_AT)},
    ],
    ids=["revoked", "cancelled", "expired"],
)
def test_undo_is_owed_whatever_became_of_the_grant(gate: dict[str, Any]) -> None:
    facts = UndoFacts(gate=replace(GateView(grant=grant_for(PLAN)), **gate))
    assert isinstance(facts.check(), Permit)


UNDO_DENIALS: dict[str, tuple[str, UndoFacts]] = {
    "that the run never asked for": ("not_requested", UndoFacts(asked=False)),
    "after a halt": (
        "halted",
        UndoFacts(gate=GateView(grant=grant_for(PLAN), halted=TaskHalted(**_BY))),
    ),
    "by the gate of another task": ("grant_mismatch", UndoFacts(gate=GateView())),
    "by the gate of another run": (
        "grant_mismatch",
        UndoFacts(gate=GateView(grant=grant_for(PLAN, run=TASK))),
    ),
    "of nothing": ("not_its_call", UndoFacts({"undoes": None})),
    "of a call of another run": ("not_its_call", UndoFacts({"undoes": TASK})),
    "of a call of another run by its id": (
        "not_its_call",
        UndoFacts(done=replace(applied(), requester_stream=stream(TENANT, "run", TASK))),
    ),
    "of a read": ("not_its_call", UndoFacts(first=asking_for(0, purpose=Purpose.OBSERVE))),
    "of what left no entitlement": ("no_entitlement", UndoFacts(done=CallView())),
    "of what was refused": ("no_entitlement", UndoFacts(done=applied(CallStatus.FAILED))),
    "of what was settled as not applied": (
        "no_entitlement",
        UndoFacts(done=applied(CallStatus.NOT_APPLIED)),
    ),
    "of what is on its way": ("no_entitlement", UndoFacts(done=applied(CallStatus.DISPATCHED))),
    "of what nobody knows of": ("no_entitlement", UndoFacts(done=applied(CallStatus.UNCERTAIN))),
    "in a run that completed": ("run_ended", UndoFacts(ended="completed")),
    "in a run that was taken back": ("run_ended", UndoFacts(ended="rolled_back")),
    "by a tool that is gone": ("unknown_tool", UndoFacts(tool=None)),
    "by a tool of a newer version": (
        "tool_changed",
        UndoFacts(tool=UNPATCH.model_copy(update={"version": "2"})),
    ),
    "with another tool": ("undo_mismatch", UndoFacts({"tool": "rm_rf"})),
    "with another version": ("undo_mismatch", UndoFacts({"version": "2"})),
    "on another target": ("undo_mismatch", UndoFacts({"target": "web-02"})),
}


@pytest.mark.parametrize(("code", "facts"), UNDO_DENIALS.values(), ids=UNDO_DENIALS)
def test_no_undo_goes_out(code: str, facts: UndoFacts) -> None:
    found = facts.check()
    assert isinstance(found, Denial), found
    assert found.code == code


# --- Where a request stands ---------------------------------------------------------------------

FIRST = asking_for(0)
BEGUN = RunView(started=started_by(grant_for(PLAN)), phase=0, requests={FIRST.call: FIRST})


def undoing(**fields: Any) -> ToolCallRequested:
    question = f"undo/{FIRST.question}"
    named = {"purpose": Purpose.UNDO, "question": question, "step": None, "undoes": FIRST.call}
    return asking_for(0, **{**named, **fields})


@pytest.mark.parametrize(
    "request_",
    [FIRST, undoing(), undoing(undoes=TASK, question="anything", call=TASK)],
    ids=["a step", "an undo", "an undo of nothing, which is denied as that"],
)
def test_a_request_speaks_for_the_run_in_whose_history_it_stands(
    request_: ToolCallRequested,
) -> None:
    assert check_place(request_, RUN, BEGUN) is None


@pytest.mark.parametrize(
    ("code", "request_", "where", "run"),
    [
        ("run_mismatch", asking_for(0, run=TASK), RUN, BEGUN),
        ("run_mismatch", asking_for(0, run=None), RUN, BEGUN),
        ("run_mismatch", FIRST, stream(TENANT, "run", TASK), BEGUN),
        ("run_mismatch", asking_for(0, run=TASK), stream(TENANT, "run", TASK), BEGUN),
        ("run_mismatch", FIRST, stream(TENANT, "task", TASK), RunView()),
        ("not_requested", FIRST, RUN, RunView()),
        ("call_mismatch", undoing(call=TASK), RUN, BEGUN),
        ("call_mismatch", undoing(question=f"undo/{FIRST.question}/again"), RUN, BEGUN),
    ],
    ids=[
        "it names another run",
        "it names none",
        "a run that says it is the granted one",
        "a made up run that names itself",
        "the planner asks for a run",
        "the run has not begun",
        "an undo under another id",
        "an undo under another name",
    ],
)
def test_a_request_out_of_place_does_not_go_out(
    code: str, request_: ToolCallRequested, where: str, run: RunView
) -> None:
    found = check_place(request_, where, run)
    assert isinstance(found, Denial)
    assert found.code == code


def test_the_planner_asks_in_the_history_of_its_task() -> None:
    assert check_place(asking_for(0, run=None), stream(TENANT, "task", TASK), RunView()) is None


def test_a_long_question_about_a_step_is_named_by_its_hash() -> None:
    assert question_about("undo/", "s", "sha256:1") == "undo/s"
    assert question_about("undo/", "s" * 196, "sha256:1") == "undo/sha256:1"


def test_what_is_said_later_under_the_id_of_a_call_changes_nothing_about_it() -> None:
    view = evolve_run(evolve_run(RunView(), FIRST), asking_for(0, target="web-99"))
    assert view.requests == {FIRST.call: FIRST}
    assert len(view.asked) == 2


@pytest.mark.parametrize(
    ("before", "due"),
    [
        ([CallStatus.DENIED], True),
        ([CallStatus.FAILED], True),
        ([CallStatus.SUCCEEDED], False),
        ([CallStatus.UNCERTAIN], False),
        ([None], False),
        ([CallStatus.SUCCEEDED, CallStatus.DENIED], False),
        ([CallStatus.SUCCEEDED, CallStatus.DENIED, CallStatus.DENIED], False),
        ([CallStatus.FAILED, CallStatus.DENIED], True),
        ([CallStatus.DENIED, CallStatus.DENIED], True),
        ([CallStatus.DENIED, None], False),
    ],
)
async def test_an_attempt_is_due_by_what_became_of_the_step_not_by_its_denials(
    before: list[CallStatus | None], *, due: bool
) -> None:
    request = asking_for(0, attempt=len(before) + 1, call=uuid4())
    views = {
        call_id(RUN, request.question, request.purpose, attempt): CallView(status=status)
        for attempt, status in enumerate(before, 1)
    }

    async def load(call: UUID) -> CallView:
        return views[call]

    earlier = await earlier_attempt(request, RUN, load)
    assert (check_attempt(request, earlier) is None) is due


async def test_an_attempt_behind_ever_so_many_denied_ones_is_not_due_and_looks_no_further() -> None:
    looked = 0

    async def load(_call: UUID) -> CallView:
        nonlocal looked
        looked += 1
        return CallView(status=CallStatus.DENIED)

    behind = asking_for(0, attempt=10**6)
    assert check_attempt(behind, await earlier_attempt(behind, RUN, load)) is not None
    assert looked == LOOKED_AT
    near = asking_for(0, attempt=LOOKED_AT)
    assert check_attempt(near, await earlier_attempt(near, RUN, load)) is None


@pytest.mark.parametrize("sent", [(1,), (2,), (2, 3), (1, 3), ()])
async def test_the_before_state_of_a_step_is_that_of_its_first_attempt_that_was_sent(
    sent: tuple[int, ...],
) -> None:
    """The first may have been denied, the second settled as not applied, and applied late."""
    request = asking_for(0, attempt=4)
    ids = {call_id(RUN, request.question, request.purpose, n): n for n in range(1, 4)}

    async def load(call: UUID) -> ToolCallDispatched | None:
        number = ids[call]
        return ToolCallDispatched.model_construct(before=number) if number in sent else None

    found = await first_sent(request, RUN, load)
    assert (None if found is None else found.before) == min(sent, default=None)


# --- Binding the undo to the before-state -------------------------------------------------------


def test_undo_arguments_are_bound_to_what_was_before() -> None:
    made = step("web-01")
    bound = bind_undo(made, {"version": "2.4.0", "healthy": True})
    assert bound == UndoEntitlement(tool="unpatch", version="1", arguments={"version": "2.4.0"})


def test_arguments_that_are_no_reference_are_taken_as_they_are() -> None:
    made = step("web-01")
    assert made.undo is not None
    arguments: dict[str, JsonValue] = {
        "asset": "web-01",
        "deep": {"$before": "version", "and": "more"},
        "version": {"$before": "version"},
    }
    template = made.undo.model_copy(update={"arguments": arguments})
    bound = bind_undo(made.model_copy(update={"undo": template}), {"version": None})
    assert isinstance(bound, UndoEntitlement)
    assert bound.arguments == arguments | {"version": None}


@pytest.mark.parametrize("before", [None, {}, {"other": 1}, "2.4.0", ["version"]])
def test_without_the_before_state_a_step_does_not_go_out(before: JsonValue) -> None:
    found = bind_undo(step("web-01"), before)
    assert isinstance(found, Denial)
    assert found.code == "no_before_state"


def test_a_step_without_a_way_back_leaves_no_entitlement() -> None:
    assert bind_undo(step("web-01", undo=False), {"version": "2.4.0"}) is None
    assert bind_undo(None, None) is None


# ---- runs that are over ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        TaskResumed(task=TASK, run=grant_for(PLAN).run, principal="op"),
        TaskEscalated(task=TASK, run=grant_for(PLAN).run, reason="?", what_to_do="look"),
        TaskRollbackStarted(task=TASK, run=grant_for(PLAN).run, reason="ill", phase=0, undo=()),
    ],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("end", sorted(FINAL))
def test_nothing_that_is_said_behind_its_end_brings_a_run_back(end: str, said: EventData) -> None:
    assert evolve_run(replace(BEGUN, ended=end), said).ended == end


# ---- runs that stop ----------------------------------------------------------------------------


BEGUN_RUN = grant_for(PLAN).run


def stopping(then: str = "pause") -> TaskStopping:
    return TaskStopping(task=TASK, run=BEGUN_RUN, reason="wait a moment", then=then)


@pytest.mark.parametrize("then", ["pause", "roll_back", "cancel", "cancel_and_keep", "escalate"])
def test_a_run_that_stops_lets_nothing_more_go_out_and_says_why(then: str) -> None:
    denied = check_going(evolve_run(BEGUN, stopping(then)))
    assert denied is not None
    assert (denied.code, denied.rule) == (STOPPING, "gateway.stopping")
    assert "wait a moment" in denied.message


@pytest.mark.parametrize(
    "led_to",
    [
        TaskPaused(task=TASK, run=BEGUN_RUN, reason="wait a moment"),
        TaskResumed(task=TASK, run=BEGUN_RUN, principal="op"),
        TaskRollbackStarted(task=TASK, run=BEGUN_RUN, reason="ill", phase=0, undo=()),
        TaskEscalated(task=TASK, run=BEGUN_RUN, reason="?", what_to_do="look"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_stop_is_over_once_it_has_led_somewhere(led_to: EventData) -> None:
    assert check_going(BEGUN) is None
    assert check_going(evolve_run(evolve_run(BEGUN, stopping()), led_to)) is None
