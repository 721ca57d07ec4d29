"""Another plan for a task: edited, on fresh evidence, within what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue
from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.constraints import Constraints, constraint_problems
from smartops.contracts.editing import ArgumentChange, Edit
from smartops.contracts.events import (
    Approval,
    TaskApprovalRejected,
    TaskEvidenceAttached,
    TaskFailed,
    TaskPlanEditAccepted,
    TaskPlanned,
    TaskPlanSuperseded,
    TaskReopened,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.preconditions import seen_digest
from smartops.planner.agents import Agent, DriftAgent, NoopAgent, RunbookAgent
from smartops.planner.agents.phasing import Windows
from smartops.planner.domain import MAX_ATTEMPTS, Submission, answered, reopen, submit
from smartops.planner.state import Task, evolve
from smartops.planner.states import MAX_STATES
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
    RunbookAgent(_WINDOWS, frozenset({"apply_patch"})),
    NoopAgent(),
)
ADA = Approval(
    actor=actor_id(TENANT, "ada"),
    actor_name="ada",
    principal=principal("local", "ada"),
    authtype="local",
    actor_version=1,
)


def inventory(*versions: str) -> JsonValue:
    """One server per version."""
    listed = [
        {"id": f"web-{number:02}", "version": version} for number, version in enumerate(versions, 1)
    ]
    return {"assets": list[JsonValue](listed)}


def asked(intent: str = "Fix drift on production web servers", **fields: Any) -> Given[Task]:
    """A task that somebody asked for."""
    command = IntentSubmit.model_validate({"intent": intent, **fields})
    new = Submission(TASK, TENANT, KEY, digest(b"one"), REQUESTER, command)
    return given(Task(), evolve).when(lambda task: submit(task, new, AGENTS, REGISTERED)).after


class Story:
    """A task with its plans as they were stored, and the answers that it was given."""

    def __init__(self, history: Given[Task], agents: tuple[Agent, ...] = AGENTS) -> None:
        self.history = history
        self.agents = agents
        self.plans: dict[int, Plan] = {}
        self.answers: dict[str, JsonValue] = {}

    def run(self, decide: Callable[[Task], Decision]) -> Outcome[Task]:
        """Decide, and keep what was planned."""
        outcome = self.history.when(decide)
        self.history = outcome.after
        for planned in outcome.every(TaskPlanned):
            document = outcome.decision.blobs[-1]
            self.plans[planned.number] = Plan.read(document, plan_hash=planned.plan_hash)
        return outcome

    def answer(self, question: str, output: JsonValue, **fields: Any) -> Outcome[Task]:
        """A read comes to its outcome."""
        request = self.history.state.asked[question]
        view = CallView(
            call=request.call, **({"status": CallStatus.SUCCEEDED, "output": output} | fields)
        )
        known = {k: v for k, v in self.answers.items() if k in self.history.state.evidence}
        before = self._edited()
        outcome = self.run(
            lambda task: answered(
                task, TASK, TENANT, view, output, known, self.agents, REGISTERED, NOW, before
            )
        )
        self.answers[question] = output
        return outcome

    def hear(self, told: Any) -> Outcome[Task]:
        """The gate says something of the newest plan."""
        before = self.plans[max(self.plans)] if isinstance(told, TaskPlanEditAccepted) else None
        return self.run(
            lambda task: reopen(task, TASK, TENANT, told, before, self.agents, REGISTERED)
        )

    def _edited(self) -> Plan | None:
        task = self.history.state
        edits = task.writing and task.reopened is not None and task.reopened.edit is not None
        return self.plans[max(self.plans)] if edits else None


def drift(*versions: str, golden: JsonValue = GOLDEN) -> Story:
    """A drift plan for servers on these versions."""
    story = Story(asked())
    story.answer("inventory", inventory(*versions))
    story.answer("golden", golden)
    assert 1 in story.plans
    return story


def of(story: Story, number: int | None = None) -> dict[str, Any]:
    """Which plan the gate speaks of."""
    number = number or max(story.plans)
    return {"number": number, "plan_hash": story.plans[number].hash()}


def edit_of(story: Story, value: str = "2.4.7") -> TaskPlanEditAccepted:
    """Ada wants another version."""
    change = ArgumentChange(tool="apply_patch", argument="version", value=value)
    return TaskPlanEditAccepted(
        **of(story), by=ADA, edit=Edit(changes=(change,)), reason="not the newest"
    )


def rejection_of(story: Story, then: str = "replan", **wish: Any) -> TaskApprovalRejected:
    """Ada says no."""
    return TaskApprovalRejected.model_validate(
        {**of(story), "by": ADA, "note": "not so", "then": then, "constraints": Constraints(**wish)}
    )


def stale(story: Story, then: str = "replan") -> TaskPlanSuperseded:
    """The run found out."""
    return TaskPlanSuperseded.model_validate(
        {**of(story), "because": "stale", "then": then, "detail": "changed since"}
    )


# ---- edits -------------------------------------------------------------------------------------


def test_an_edit_becomes_the_next_plan_at_once_on_the_same_evidence() -> None:
    story = drift("2.4.0", "2.4.0", "2.4.1")
    story.hear(edit_of(story)).then(TaskReopened, TaskPlanned)
    first, second = story.plans[1], story.plans[2]
    assert second.header.number == 2
    assert second.header.editor == Requester(principal=ADA.principal, authtype="local")
    assert second.header.evidence == first.header.evidence
    assert second.header.preconditions == first.header.preconditions
    assert {step.arguments["version"] for step in second.steps} == {"2.4.7"}
    assert second.targets() == first.targets()


def test_an_edit_that_cannot_be_applied_any_more_ends_the_task_and_says_so() -> None:
    story = drift("2.4.0")
    [failed] = story.hear(edit_of(story, "no version at all!")).every(TaskFailed)
    assert failed.error_code == "edit_failed"
    assert "version" in failed.message


def test_an_edit_without_its_plan_ends_the_task() -> None:
    story = drift("2.4.0")
    told = edit_of(story)
    outcome = story.run(lambda task: reopen(task, TASK, TENANT, told, None, AGENTS, REGISTERED))
    assert outcome.event(TaskFailed).error_code == "edit_failed"


# ---- rejections ----------------------------------------------------------------------------------


def test_a_plan_that_is_wished_anew_rests_on_fresh_evidence() -> None:
    story = drift("2.4.0", "2.4.0", "2.4.1")
    outcome = story.hear(rejection_of(story))
    outcome.then(TaskReopened, ToolCallRequested, ToolCallRequested)
    again = outcome.every(ToolCallRequested)
    assert [request.attempt for request in again] == [2, 2], "calls of their own"
    assert outcome.event(TaskReopened).feedback == "not so"
    story.answer("inventory", inventory("2.4.0", "2.4.1", "2.4.1")).then(TaskEvidenceAttached)
    story.answer("golden", GOLDEN).then(TaskEvidenceAttached, TaskPlanned)
    assert story.plans[2].targets() == ("web-01",)


def test_a_late_answer_to_an_earlier_question_is_none_to_the_new_one() -> None:
    story = drift("2.4.0")
    old = story.history.state.asked["inventory"].call
    story.hear(rejection_of(story))
    view = CallView(call=old, status=CallStatus.SUCCEEDED, output=inventory("9"))
    story.run(
        lambda task: answered(task, TASK, TENANT, view, view.output, {}, AGENTS, REGISTERED, NOW)
    ).then_nothing()


def test_each_plan_has_its_own_attempts_at_evidence() -> None:
    story = drift("2.4.0")
    story.hear(rejection_of(story))
    for _ in range(MAX_ATTEMPTS - 1):
        story.answer("inventory", None, status=CallStatus.FAILED, retryable=True).then(
            ToolCallRequested
        )
    last = story.answer("inventory", None, status=CallStatus.FAILED, retryable=True)
    assert last.event(TaskFailed).error_code == "no_evidence"


@pytest.mark.parametrize(
    "wish",
    [
        {"exclude_assets": ("web-01",)},
        {"max_batch_size": 1},
        {"max_batch_percent": 10},
        {"canary_required": True},
        {"exclude_assets": ("web-02", "web-03"), "max_batch_size": 1, "canary_required": True},
    ],
)
def test_the_drift_agent_keeps_to_what_was_asked_for(wish: dict[str, Any]) -> None:
    versions = ["2.4.0"] * 12
    story = drift(*versions)
    story.hear(rejection_of(story, **wish))
    story.answer("inventory", inventory(*versions))
    story.answer("golden", GOLDEN)
    assert constraint_problems(story.plans[2], Constraints(**wish)) == []
    unwanted = set(wish.get("exclude_assets", ()))
    expected = {f"web-{number:02}" for number in range(1, 13)} - unwanted
    assert set(story.plans[2].targets()) == expected


def test_wishes_of_earlier_rejections_still_hold() -> None:
    story = drift("2.4.0", "2.4.0", "2.4.0")
    for wish in ({"exclude_assets": ("web-01",)}, {"exclude_assets": ("web-02",)}):
        story.hear(rejection_of(story, **wish))
        story.answer("inventory", inventory("2.4.0", "2.4.0", "2.4.0"))
        story.answer("golden", GOLDEN)
    assert story.plans[3].targets() == ("web-03",)


def test_what_cannot_be_planned_within_the_wishes_ends_the_task() -> None:
    story = drift("2.4.0")
    story.hear(rejection_of(story, exclude_assets=("web-01",)))
    story.answer("inventory", inventory("2.4.0"))
    assert story.answer("golden", GOLDEN).event(TaskFailed).error_code == "scope_error"


def _runbook(*targets: str) -> Story:
    steps = [
        {"tool": "apply_patch", "target": t, "arguments": {"asset": t, "version": "1"}}
        for t in targets
    ]
    story = Story(given(Task(), evolve))
    command = IntentSubmit.model_validate(
        {"intent": "patch these by hand", "context": {"steps": steps}}
    )
    new = Submission(TASK, TENANT, KEY, digest(b"one"), REQUESTER, command)
    story.run(lambda task: submit(task, new, AGENTS, REGISTERED))
    return story


def test_a_runbook_leaves_out_and_begins_small_as_it_is_told() -> None:
    story = _runbook("web-01", "web-02", "web-03")
    wish = Constraints(exclude_assets=("web-02", "web-03"), canary_required=True)
    story.hear(rejection_of(story, **dict(wish))).then(TaskReopened, TaskPlanned)
    second = story.plans[2]
    assert second.targets() == ("web-01",)
    assert constraint_problems(second, wish) == []


def test_an_agent_that_does_not_keep_to_it_is_not_heard() -> None:
    steps = [{"tool": "noop_write", "target": "a"}, {"tool": "noop_write", "target": "b"}]
    story = Story(given(Task(), evolve))
    command = IntentSubmit.model_validate(
        {"intent": "do nothing twice", "context": {"agent": "noop", "steps": steps}}
    )
    new = Submission(TASK, TENANT, KEY, digest(b"one"), REQUESTER, command)
    story.run(lambda task: submit(task, new, AGENTS, REGISTERED))
    failed = story.hear(rejection_of(story, max_batch_size=1)).event(TaskFailed)
    assert "2 assets at once" in failed.message


# ---- what ends, and what changes nothing ---------------------------------------------------------


def test_a_stale_plan_is_written_anew() -> None:
    story = drift("2.4.0")
    outcome = story.hear(stale(story)).then(TaskReopened, ToolCallRequested, ToolCallRequested)
    assert outcome.event(TaskReopened).because == "stale"


def test_a_task_that_went_stale_too_often_fails_and_may_be_asked_for_again() -> None:
    story = drift("2.4.0")
    failed = story.hear(stale(story, "end")).event(TaskFailed)
    assert (failed.error_code, failed.retryable) == ("plan_stale", True)


def test_what_asks_for_no_plan_makes_none() -> None:
    story = drift("2.4.0")
    story.hear(rejection_of(story, "archive")).then_nothing()
    edited = TaskPlanSuperseded(**of(story), because="edited", then="replan")
    story.hear(edited).then_nothing()


def test_the_same_word_again_makes_no_second_plan() -> None:
    story = drift("2.4.0")
    told = rejection_of(story)
    story.hear(told)
    story.hear(told).then_nothing()
    story.answer("inventory", inventory("2.4.0"))
    story.answer("golden", GOLDEN)
    story.hear(told).then_nothing()
    assert set(story.plans) == {1, 2}


# ---- what must still hold ------------------------------------------------------------------------


def test_a_drift_plan_rests_on_the_versions_that_it_changes_and_on_the_golden_one() -> None:
    plan = drift("2.4.0", "2.4.1", "2.3.0").plans[1]
    held = {(one.tool, one.target): one for one in plan.header.preconditions}
    assert set(held) == {
        ("get_golden_image", "production"),
        ("get_asset", "web-01"),
        ("get_asset", "web-03"),
    }
    assert held["get_asset", "web-03"].fields == ("version",)
    seen: JsonValue = {"id": "web-03", "version": "2.3.0", "healthy": False}
    assert seen_digest(seen, ("version",)) == held["get_asset", "web-03"].expect


def test_a_large_fleet_is_looked_at_all_at_once() -> None:
    plan = drift(*["2.4.0"] * 60).plans[1]
    golden, listed = plan.header.preconditions
    assert (golden.tool, listed.tool) == ("get_golden_image", "query_assets")
    found = inventory(*["2.4.0"] * 60)
    assert seen_digest(found, listed.fields) == listed.expect


def test_a_plan_that_changes_nothing_rests_on_nothing() -> None:
    assert drift("2.4.1").plans[1].header.preconditions == ()


def _careful(*targets: str) -> Story:
    """A runbook whose targets are looked at first."""
    agents = (RunbookAgent(_WINDOWS, frozenset({"apply_patch"}), look_first=True),)
    steps = [
        {"tool": tool, "target": t, "arguments": {"asset": t, **more}}
        for t in targets
        for tool, more in (("drain_server", {}), ("apply_patch", {"version": "1"}))
    ]
    command = IntentSubmit.model_validate(
        {"intent": "patch these by hand", "context": {"steps": steps}}
    )
    new = Submission(TASK, TENANT, KEY, digest(b"one"), REQUESTER, command)
    story = Story(given(Task(), evolve), agents)
    story.run(lambda task: submit(task, new, agents, REGISTERED))
    return story


def test_a_runbook_that_looks_first_rests_on_what_its_steps_would_put_back() -> None:
    story = _careful("web-01", "web-02")
    assert story.plans == {}
    state: JsonValue = {"version": "0.9", "draining": False, "healthy": True}
    story.answer("state:get_asset/web-01", state)
    story.answer("state:get_asset/web-02", state).then(TaskEvidenceAttached, TaskPlanned)
    held = story.plans[1].header.preconditions
    assert [(one.tool, one.target, one.fields) for one in held] == [
        ("get_asset", "web-01", ("draining", "version")),
        ("get_asset", "web-02", ("draining", "version")),
    ]
    sick: JsonValue = {"version": "0.9", "draining": False, "healthy": False}
    moved: JsonValue = {"version": "1.0", "draining": False, "healthy": True}
    assert seen_digest(sick, held[0].fields) == held[0].expect
    assert seen_digest(moved, held[0].fields) != held[0].expect


def test_a_runbook_that_went_stale_is_looked_at_again() -> None:
    story = _careful("web-01")
    story.answer("state:get_asset/web-01", {"version": "0.9", "draining": False})
    again = story.hear(stale(story)).then(TaskReopened, ToolCallRequested)
    assert again.event(ToolCallRequested).attempt == 2
    story.answer("state:get_asset/web-01", {"version": "0.8", "draining": False})
    first, second = (story.plans[n].header.preconditions[0] for n in (1, 2))
    assert first.expect != second.expect


def test_too_many_targets_are_not_looked_at() -> None:
    story = _careful(*(f"web-{number:02}" for number in range(MAX_STATES + 1)))
    assert story.plans[1].header.preconditions == ()
