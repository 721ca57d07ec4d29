"""The task decided: from an intent, over evidence, to a plan or a reason why there is none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import (
    TaskEvidenceAttached,
    TaskFailed,
    TaskHalted,
    TaskPlanned,
    TaskSpecified,
    TaskSubmitted,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Purpose
from smartops.planner.agents import DriftAgent, NoopAgent, RunbookAgent
from smartops.planner.agents.phasing import Windows
from smartops.planner.domain import MAX_ATTEMPTS, Submission, answered, submit
from smartops.planner.state import Task, evolve
from smartops.runtime.decision import Decision
from support.given import Given, Outcome, given
from support.plans import REQUESTER, TASK, TENANT
from support.registered import REGISTERED

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = UUID("22222222-2222-5222-8222-222222222222")
GOLDEN: JsonValue = {"role": "web-server", "version": "2.4.1"}

_WINDOWS = Windows(timedelta(seconds=2), timedelta(seconds=1), timedelta(milliseconds=250))
AGENTS = (
    DriftAgent(_WINDOWS),
    RunbookAgent(_WINDOWS, frozenset({"apply_patch", "restart_server"})),
    NoopAgent(),
)


def nobody() -> Given[Task]:
    """A task that nobody has asked for yet."""
    return given(Task(), evolve)


def asking(
    intent: str = "Fix drift on production web servers",
    *,
    content: str = "one",
    tools: Mapping[str, ToolDescriptor] = REGISTERED,
    **fields: Any,
) -> Callable[[Task], Decision]:
    """Submitting an intent."""
    command = IntentSubmit.model_validate({"intent": intent, **fields})
    new = Submission(TASK, TENANT, KEY, digest(content.encode()), REQUESTER, command)
    return lambda task: submit(task, new, AGENTS, tools)


def assets(*versions: str) -> JsonValue:
    """An inventory with one server per version."""
    return {
        "assets": [
            {"id": f"web-{number:02}", "version": version}
            for number, version in enumerate(versions, 1)
        ]
    }


def drifted(count: int, total: int) -> JsonValue:
    """An inventory of `total` servers, the first `count` of them astray."""
    return assets(*(["2.4.0"] * count + ["2.4.1"] * (total - count)))


def answering(
    history: Given[Task],
    question: str,
    output: JsonValue,
    answers: Mapping[str, JsonValue] | None = None,
    *,
    attempt: int | None = None,
    **fields: Any,
) -> Outcome[Task]:
    """The newest call about a question, or that of an attempt, comes to its outcome."""
    request = history.state.asked[question]
    call = request.call
    if attempt is not None:
        call = call_id(f"{TENANT}/task-{TASK}", question, Purpose.EVIDENCE, attempt)
    view = CallView(call=call, **{"status": CallStatus.SUCCEEDED, "output": output} | fields)
    return history.when(
        lambda task: answered(
            task, TASK, TENANT, view, view.output, answers or {}, AGENTS, REGISTERED, NOW
        )
    )


def planned_from(inventory: JsonValue, **fields: Any) -> tuple[Plan, TaskPlanned]:
    """The drift agent's plan for an inventory."""
    asked = nobody().when(asking(**fields)).after
    seen = answering(asked, "inventory", inventory).after
    outcome = answering(seen, "golden", GOLDEN, {"inventory": inventory})
    planned = outcome.event(TaskPlanned)
    plan = Plan.read(outcome.decision.blobs[-1], plan_hash=planned.plan_hash)
    assert digest(outcome.decision.blobs[-1]) == planned.document
    return plan, planned


# --- Understanding ------------------------------------------------------------------------------


def test_an_intent_is_accepted_understood_and_evidence_is_asked_for() -> None:
    outcome = nobody().when(asking(tags=["drift"], source="chat"))
    outcome.then(TaskSubmitted, TaskSpecified, ToolCallRequested, ToolCallRequested)
    submitted = outcome.event(TaskSubmitted)
    assert (submitted.requester, submitted.command) == (REQUESTER, KEY)
    assert (submitted.tags, submitted.source) == (("drift",), "chat")
    spec = outcome.event(TaskSpecified).spec
    assert (spec.agent.name, spec.risk_level, spec.hitl_required) == ("drift", "high", True)
    inventory, golden = outcome.every(ToolCallRequested)
    assert inventory.arguments == {"environment": "production", "role": "web-server"}
    assert golden.arguments == {"role": "web-server"}
    assert {call.purpose for call in (inventory, golden)} == {Purpose.EVIDENCE}


def test_the_same_command_again_changes_nothing() -> None:
    nobody().when(asking()).after.when(asking()).then_nothing()


def test_the_same_command_id_with_other_content_is_refused_naming_the_id() -> None:
    first = nobody().when(asking()).after
    first.when(asking("Fix drift on staging", content="two")).then_refused("key_reused", "id")


@pytest.mark.parametrize(
    ("intent", "fields", "code", "says"),
    [
        ("Make me a sandwich", {}, "parse_error", "drift"),
        (
            "Fix drift on web servers",
            {"context": {"agent": "nobody"}},
            "parse_error",
            "no agent 'nobody'",
        ),
        (
            "Restart the web server",
            {"context": {"steps": [{"tool": "rm_rf", "target": "web-01"}]}},
            "validation_error",
            "no such tool: rm_rf",
        ),
        (
            "Fix drift on staging web servers",
            {"environment": "production"},
            "scope_error",
            "make them agree",
        ),
        ("Fix drift, please", {}, "scope_error", "which servers"),
        (
            "Do nothing at all",
            {"context": {"agent": "noop", "steps": [{"tool": "apply_patch", "target": "web-01"}]}},
            "validation_error",
            "noop tools only",
        ),
        ("Carry it out", {"context": {"agent": "runbook"}}, "parse_error", "context.steps"),
    ],
)
def test_an_intent_that_cannot_be_planned_fails_with_what_to_change(
    intent: str, fields: dict[str, Any], code: str, says: str
) -> None:
    outcome = nobody().when(asking(intent, **fields)).then(TaskSubmitted, TaskFailed)
    failed = outcome.event(TaskFailed)
    assert (failed.error_code, failed.retryable) == (code, False)
    assert says in failed.message


def test_a_tool_that_is_not_registered_yet_fails_the_task_rather_than_the_planner() -> None:
    known = {name: tool for name, tool in REGISTERED.items() if name != "get_golden_image"}
    outcome = nobody().when(asking(tools=known)).then(TaskSubmitted, TaskFailed)
    assert outcome.event(TaskFailed).message == "no such tool: get_golden_image"


def test_the_intents_and_the_commands_environment_may_both_be_named_if_they_agree() -> None:
    outcome = nobody().when(asking("Fix drift on staging web servers", environment="staging"))
    spec = outcome.event(TaskSpecified).spec
    assert (spec.environment, spec.risk_level, spec.hitl_required) == ("staging", "medium", False)


# --- Evidence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["inventory", "golden"])
def test_evidence_may_come_in_any_order_and_gives_the_same_plan(first: str) -> None:
    second = "golden" if first == "inventory" else "inventory"
    outputs: dict[str, JsonValue] = {"inventory": drifted(3, 12), "golden": GOLDEN}
    asked = nobody().when(asking()).after
    one = answering(asked, first, outputs[first]).then(TaskEvidenceAttached)
    both = answering(one.after, second, outputs[second], {first: outputs[first]})
    both.then(TaskEvidenceAttached, TaskPlanned)
    _, told = planned_from(drifted(3, 12))
    header = Plan.model_validate_json(both.decision.blobs[-1]).header
    assert set(header.evidence) == {digest(canonical(output)) for output in outputs.values()}
    planned = both.event(TaskPlanned)
    assert (planned.summary, planned.steps) == (told.summary, told.steps)


def test_evidence_is_stored_as_seen_under_its_own_digest() -> None:
    asked = nobody().when(asking()).after
    outcome = answering(asked, "golden", GOLDEN).then(TaskEvidenceAttached)
    [found] = outcome.event(TaskEvidenceAttached).evidence
    assert outcome.decision.blobs == [canonical(GOLDEN)]
    assert (found.digest, found.captured_at) == (digest(canonical(GOLDEN)), NOW)
    assert found.call == asked.state.asked["golden"].call


def test_an_answer_that_comes_again_changes_nothing() -> None:
    asked = nobody().when(asking()).after
    seen = answering(asked, "golden", GOLDEN).after
    answering(seen, "golden", GOLDEN).then_nothing()
    done = answering(seen, "inventory", drifted(1, 5), {"golden": GOLDEN}).after
    answering(done, "inventory", drifted(2, 5), {"golden": GOLDEN}).then_nothing()


def test_an_answer_that_nobody_asked_for_changes_nothing() -> None:
    asked = nobody().when(asking()).after
    stray = CallView(call=KEY, status=CallStatus.SUCCEEDED, output=GOLDEN)
    for history in (nobody(), asked):
        history.when(
            lambda task: answered(task, TASK, TENANT, stray, GOLDEN, {}, AGENTS, REGISTERED, NOW)
        ).then_nothing()


@pytest.mark.parametrize("status", [None, CallStatus.DISPATCHED])
def test_a_call_under_way_is_waited_for(status: CallStatus | None) -> None:
    asked = nobody().when(asking()).after
    answering(asked, "golden", None, status=status).then_nothing()


def test_a_read_that_failed_for_now_is_tried_again_under_a_new_call() -> None:
    history = nobody().when(asking()).after
    calls = {history.state.asked["golden"].call}
    for attempt in range(2, MAX_ATTEMPTS + 1):
        again = answering(history, "golden", None, status=CallStatus.FAILED, retryable=True)
        request = again.then(ToolCallRequested).event(ToolCallRequested)
        assert (request.attempt, request.question) == (attempt, "golden")
        calls.add(request.call)
        history = again.after
    assert len(calls) == MAX_ATTEMPTS
    last = answering(
        history, "golden", None, status=CallStatus.FAILED, retryable=True, error_code="unreachable"
    )
    failed = last.then(TaskFailed).event(TaskFailed)
    assert (failed.error_code, failed.retryable) == ("no_evidence", True)
    assert "get_golden_image on production: unreachable" in failed.message


def test_the_late_answer_of_an_attempt_given_up_changes_nothing() -> None:
    asked = nobody().when(asking()).after
    again = answering(asked, "golden", None, status=CallStatus.FAILED, retryable=True).after
    answering(again, "golden", GOLDEN, attempt=1).then_nothing()
    answering(again, "golden", GOLDEN).then(TaskEvidenceAttached)


@pytest.mark.parametrize("status", [CallStatus.FAILED, CallStatus.DENIED, CallStatus.UNCERTAIN])
def test_without_evidence_there_is_no_plan(status: CallStatus) -> None:
    asked = nobody().when(asking()).after
    outcome = answering(asked, "inventory", None, status=status, error_code="why", message="so")
    failed = outcome.then(TaskFailed).event(TaskFailed)
    assert (failed.error_code, failed.retryable) == ("no_evidence", False)
    answering(outcome.after, "golden", GOLDEN).then_nothing()


@pytest.mark.parametrize(
    "inventory", [None, {}, {"assets": "many"}, {"assets": [{"id": "web-01"}]}, {"assets": [3]}]
)
def test_evidence_that_is_not_understood_fails_the_task(inventory: JsonValue) -> None:
    asked = nobody().when(asking()).after
    seen = answering(asked, "golden", GOLDEN).after
    outcome = answering(seen, "inventory", inventory, {"golden": GOLDEN})
    outcome.then(TaskEvidenceAttached, TaskFailed)
    assert outcome.event(TaskFailed).error_code == "validation_error"


# --- The plan -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("astray", "total", "sizes"),
    [
        (1, 1, [1]),
        (3, 5, [1, 1, 1]),
        (12, 12, [1, 2, 2, 2, 2, 2, 1]),
        (10, 100, [5, 5]),
        (100, 100, [5, 20, 20, 20, 20, 15]),
        (47, 200, [5, 40, 2]),
    ],
)
def test_a_canary_goes_first_and_no_wave_is_larger_than_a_fifth_of_the_fleet(
    astray: int, total: int, sizes: list[int]
) -> None:
    plan, planned = planned_from(drifted(astray, total))
    phases = plan.header.phases
    assert [len(phase.steps) for phase in phases] == sizes
    names = ["Canary", *(f"Wave {n}" for n in range(1, len(sizes)))]
    assert [phase.name for phase in phases] == names
    assert (planned.targets, planned.steps) == (astray, astray)
    assert plan.header.total_assets == total
    assert plan.targets() == tuple(f"web-{n:02}" for n in range(1, astray + 1))


def test_each_phase_is_watched_and_each_step_has_a_way_back() -> None:
    plan, _ = planned_from(drifted(3, 12))
    for phase, window in zip(plan.header.phases, (2000, 1000), strict=True):
        assert [check.type for check in phase.checks] == ["http_200", "error_rate"]
        assert {check.window_ms for check in phase.checks} == {window}
        assert phase.rollback_if
    for step in plan.steps:
        assert step.arguments == {"asset": step.target, "version": "2.4.1"}
        assert step.undo is not None
        assert step.undo.arguments == {"asset": step.target, "version": {"$before": "version"}}
        assert step.schema_digest == REGISTERED["apply_patch"].digest()


def test_with_nothing_astray_the_plan_only_looks_once_more() -> None:
    plan, planned = planned_from(drifted(0, 12))
    assert planned.summary == "Nothing to change: all 12 servers are on 2.4.1"
    [step] = plan.steps
    assert (step.tool, step.category, step.undo) == ("query_assets", "read", None)
    assert plan.header.phases[0].checks == ()


def test_excluded_assets_are_left_alone_and_do_not_count() -> None:
    scope = {"role": "web-server", "exclude_assets": ["web-01", "web-12"]}
    plan, _ = planned_from(drifted(3, 12), context={"scope": scope})
    assert plan.targets() == ("web-02", "web-03")
    assert plan.header.total_assets == 10


def test_with_everything_excluded_there_is_nothing_to_plan_for() -> None:
    scope = {"role": "web-server", "exclude_assets": ["web-01"]}
    asked = nobody().when(asking(context={"scope": scope})).after
    seen = answering(asked, "golden", GOLDEN).after
    outcome = answering(seen, "inventory", drifted(1, 1), {"golden": GOLDEN})
    assert outcome.event(TaskFailed).message == "no asset is in scope"


def test_the_same_intent_and_evidence_give_the_same_plan_byte_for_byte() -> None:
    one, first = planned_from(drifted(7, 30))
    two, second = planned_from(drifted(7, 30))
    assert (one.document(), first) == (two.document(), second)


def test_a_plan_says_whose_it_is_and_what_it_rests_on() -> None:
    plan, _ = planned_from(drifted(2, 12), context={"approval": True})
    header = plan.header
    assert (header.task, header.tenant, header.number) == (TASK, TENANT, 1)
    assert header.requester == REQUESTER
    assert header.approval_requested
    assert set(header.evidence) == {digest(canonical(x)) for x in (GOLDEN, drifted(2, 12))}


def test_a_runbook_is_planned_at_once_target_by_target_canary_first() -> None:
    steps = [
        {"tool": tool, "target": target, "arguments": {"asset": target}}
        for tool, target in itertools.product(
            ("drain_server", "restart_server", "undrain_server"), ("web-01", "web-02")
        )
    ]
    outcome = nobody().when(asking("Restart the web servers", context={"steps": steps}))
    outcome.then(TaskSubmitted, TaskSpecified, TaskPlanned)
    plan = Plan.model_validate_json(outcome.decision.blobs[0])
    assert [phase.name for phase in plan.header.phases] == ["Canary", "Wave 1"]
    assert [(step.tool, step.target) for step in plan.steps] == [
        (tool, target)
        for target in ("web-01", "web-02")
        for tool in ("drain_server", "restart_server", "undrain_server")
    ]
    assert {phase.order for phase in plan.header.phases} == {"sequential"}
    ways_back = {step.tool: step.undo and step.undo.tool for step in plan.steps}
    assert ways_back == {
        "drain_server": "undrain_server",
        "restart_server": None,
        "undrain_server": "drain_server",
    }


def test_a_noop_task_is_three_reads_unless_steps_are_given() -> None:
    plain = nobody().when(asking("Nothing, thanks", context={"agent": "noop"}))
    plan = Plan.model_validate_json(plain.decision.blobs[0])
    assert [step.arguments for step in plan.steps] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert {step.category for step in plan.steps} == {"read"}
    wanted = [{"tool": "noop_write", "target": "a"}]
    given_steps = nobody().when(
        asking("Nothing, thanks", context={"agent": "noop", "steps": wanted})
    )
    [step] = Plan.model_validate_json(given_steps.decision.blobs[0]).steps
    assert (step.tool, step.undo is not None) == ("noop_write", True)


def test_what_others_say_leaves_the_task_unchanged() -> None:
    asked = nobody().when(asking()).after
    foreign = TaskHalted(principal="someone", reason="not ours")
    assert evolve(asked.state, foreign) is asked.state
