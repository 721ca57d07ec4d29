"""The gate in the gateway: each way in which a call is not the approved one, and its denial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import JsonValue
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskStarted,
    ToolCallRequested,
    UndoEntitlement,
)
from smartops.contracts.folds import CallView, GateView, RunView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan
from smartops.contracts.streams import stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Purpose
from smartops.tool_gateway.checks import (
    Denial,
    Permit,
    bind_undo,
    check_read,
    check_step,
    check_undo,
)
from support.grants import GRANTED_AT, grant_for
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


def test_a_step_of_the_next_phase_goes_out_once_the_first_has_ended() -> None:
    facts = Facts(asking_for(1)).of_run(phase=1, phases_completed=1)
    found = facts.check()
    assert isinstance(found, Permit)
    assert found.step == PLAN.steps[1]


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


@dataclass
class UndoFacts:
    """All that an undo's check rests on; allowed as it is."""

    fields: dict[str, Any] = field(default_factory=dict)
    gate: GateView = field(default_factory=lambda: GateView(grant=grant_for(PLAN)))
    done: CallView = field(default_factory=lambda: CallView(undo=ENTITLEMENT))
    asked: bool = True
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
            started=started_by(grant_for(PLAN)), phase=0, requests=requests, rolling_back=True
        )
        return check_undo(request, run, self.gate, self.done)


def test_an_undo_goes_out_with_the_arguments_of_its_entitlement() -> None:
    assert UndoFacts().check() == Permit(ENTITLEMENT.arguments, None, 1)


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
    "of a read": ("not_its_call", UndoFacts(first=asking_for(0, purpose=Purpose.OBSERVE))),
    "of what left no entitlement": ("no_entitlement", UndoFacts(done=CallView())),
    "with another tool": ("undo_mismatch", UndoFacts({"tool": "rm_rf"})),
    "with another version": ("undo_mismatch", UndoFacts({"version": "2"})),
    "on another target": ("undo_mismatch", UndoFacts({"target": "web-02"})),
}


@pytest.mark.parametrize(("code", "facts"), UNDO_DENIALS.values(), ids=UNDO_DENIALS)
def test_no_undo_goes_out(code: str, facts: UndoFacts) -> None:
    found = facts.check()
    assert isinstance(found, Denial), found
    assert found.code == code


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
