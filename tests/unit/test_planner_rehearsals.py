"""What a tool wants rehearsed is rehearsed before there is a plan, whichever agent plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue
from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.constraints import Constraints
from smartops.contracts.events import (
    TaskEvidenceAttached,
    TaskFailed,
    TaskPlanned,
    TaskSpec,
    TaskSpecified,
    TaskSubmitted,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.plan import AgentRef, Plan
from smartops.contracts.rehearsing import is_rehearsal, rehearsed
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Purpose, RiskLevel
from smartops.planner.agents import Agent, RunbookAgent
from smartops.planner.agents.base import Draft, DraftPhase, Question
from smartops.planner.agents.phasing import Windows, step_for
from smartops.planner.domain import MAX_ATTEMPTS, Submission, answered, submit
from smartops.planner.rehearsals import MAX_EVIDENCE
from smartops.planner.state import Task, evolve
from smartops.runtime.decision import Decision
from support.given import Given, Outcome, given
from support.plans import REQUESTER, TASK, TENANT
from support.registered import REGISTERED

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = UUID("22222222-2222-5222-8222-222222222222")
WOULD: JsonValue = {"id": "orders-db", "primary": "orders-db-2", "lost_s": 0.4}

_WINDOWS = Windows(timedelta(seconds=2), timedelta(seconds=1), timedelta(milliseconds=250))
RUNBOOK = RunbookAgent(_WINDOWS, frozenset())


@dataclass(frozen=True)
class LookingAgent(RunbookAgent):
    """One that looks first, and hands over to whom it finds."""

    ref: AgentRef = AgentRef(name="looking", version="1.0.0")

    def questions(self, submitted: TaskSubmitted, spec: TaskSpec) -> tuple[Question, ...]:
        return (Question("cluster", "get_cluster", "orders-db", {"asset": "orders-db"}),)

    def tools(self, submitted: TaskSubmitted) -> tuple[str, ...]:
        return ("get_cluster", "execute_failover")

    def specify(self, submitted: TaskSubmitted) -> TaskSpec:
        return TaskSpec(
            task_type="failover",
            goal=submitted.intent,
            agent=self.ref,
            environment=submitted.environment,
            risk_level=RiskLevel.HIGH,
            hitl_required=True,
        )

    def draft(
        self,
        submitted: TaskSubmitted,
        spec: TaskSpec,
        answers: Mapping[str, JsonValue],
        tools: Mapping[str, ToolDescriptor],
        constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    ) -> Draft:
        cluster = answers["cluster"]
        assert isinstance(cluster, dict)
        arguments: dict[str, JsonValue] = {
            "asset": "orders-db",
            "primary": cluster["second"],
            "reason_code": "drill",
        }
        wanted = step_for("Steps", 1, tools["execute_failover"], "orders-db", arguments)
        return Draft("runbook", "Hand over", (DraftPhase("Steps", (wanted,)),), 1)


def failover(target: str = "orders-db", primary: str = "orders-db-2", why: str = "drill") -> Any:
    arguments = {"asset": target, "primary": primary, "reason_code": why}
    return {"tool": "execute_failover", "target": target, "arguments": arguments}


def asking(
    *steps: Any,
    agents: tuple[Agent, ...] = (RUNBOOK,),
    tools: Mapping[str, ToolDescriptor] = REGISTERED,
) -> Outcome[Task]:
    """An intent is submitted."""
    command = IntentSubmit.model_validate({"intent": "Hand over", "context": {"steps": steps}})
    new = Submission(TASK, TENANT, KEY, digest(b"one"), REQUESTER, command)

    def decide(task: Task) -> Decision:
        return submit(task, new, agents, tools)

    return given(Task(), evolve).when(decide)


def answering(
    history: Given[Task],
    request: ToolCallRequested,
    output: JsonValue = WOULD,
    answers: Mapping[str, JsonValue] | None = None,
    agents: tuple[Agent, ...] = (RUNBOOK,),
    **fields: Any,
) -> Outcome[Task]:
    """One of its reads comes to an outcome."""
    told = {"status": CallStatus.SUCCEEDED, "output": output, **fields}
    view = CallView(call=request.call, **told)
    return history.when(
        lambda task: answered(
            task, TASK, TENANT, view, view.output, answers or {}, agents, REGISTERED, NOW
        )
    )


def requests(outcome: Outcome[Task]) -> list[ToolCallRequested]:
    return [event for event in outcome.events if isinstance(event, ToolCallRequested)]


def test_a_write_is_rehearsed_with_its_arguments_before_it_is_planned() -> None:
    asked = asking(failover()).then(TaskSubmitted, TaskSpecified, ToolCallRequested)
    [request] = requests(asked)
    assert (request.purpose, request.tool, request.target) == (
        Purpose.EVIDENCE,
        "simulate_failover",
        "orders-db",
    )
    assert request.arguments == {"asset": "orders-db", "primary": "orders-db-2"}
    assert is_rehearsal(request.question)

    outcome = answering(asked.after, request).then(TaskEvidenceAttached, TaskPlanned)

    [found] = outcome.event(TaskEvidenceAttached).evidence
    assert found.summary == "rehearsal by simulate_failover on orders-db"
    planned = outcome.event(TaskPlanned)
    plan = Plan.read(outcome.decision.blobs[-1], plan_hash=planned.plan_hash)
    assert plan.header.evidence == (found.digest,)
    assert rehearsed(plan.steps[0], [found])
    assert plan.header.summary.endswith("; rehearsed: execute_failover on orders-db")


def test_what_is_alike_but_for_its_reason_is_rehearsed_once_and_the_rest_each() -> None:
    steps = (failover(), failover(why="maintenance"), failover(primary="orders-db-3"))
    asked = asking(*steps, failover("users-db", "users-db-2"))
    wanted = requests(asked)
    assert [(one.target, (one.arguments or {})["primary"]) for one in wanted] == [
        ("orders-db", "orders-db-2"),
        ("orders-db", "orders-db-3"),
        ("users-db", "users-db-2"),
    ]
    history = asked.after
    for number, request in enumerate(wanted, 1):
        outcome = answering(history, request)
        history = outcome.after
        assert (history.state.planned is not None) is (number == len(wanted))
    assert "rehearsed: execute_failover on orders-db, execute_failover on users-db" in (
        outcome.event(TaskPlanned).summary
    )


def test_an_agent_that_looks_first_has_rehearsed_what_it_then_drafts() -> None:
    agents = (LookingAgent(_WINDOWS, frozenset()),)
    asked = asking(failover(), agents=agents)
    [look] = requests(asked)
    assert look.question == "cluster"
    cluster: JsonValue = {"second": "orders-db-3"}
    drafted = answering(asked.after, look, cluster, agents=agents)
    drafted.then(TaskEvidenceAttached, ToolCallRequested)
    [rehearsal] = requests(drafted)
    assert rehearsal.arguments == {"asset": "orders-db", "primary": "orders-db-3"}

    done = answering(drafted.after, rehearsal, answers={"cluster": cluster}, agents=agents)

    done.then(TaskEvidenceAttached, TaskPlanned)
    assert len(done.after.state.evidence) == 2


def test_a_rehearsal_that_fails_ends_the_task_and_says_what_failed() -> None:
    asked = asking(failover(), failover("users-db", "users-db-2"))
    one, other = requests(asked)
    refused = {"error_code": "refused", "message": "409: 'orders-db-2' is unhealthy"}
    outcome = answering(asked.after, one, None, status=CallStatus.FAILED, **refused)
    failed = outcome.then(TaskFailed).event(TaskFailed)
    assert failed.error_code == "rehearsal_failed"
    assert failed.message == (
        "rehearsal by simulate_failover on orders-db: refused: 409: 'orders-db-2' is unhealthy"
    )
    assert not failed.retryable
    answering(outcome.after, other).then_nothing()


def test_a_rehearsal_that_is_not_answered_is_asked_for_again_and_then_given_up() -> None:
    asked = asking(failover())
    [request] = requests(asked)
    silence = {"error_code": "no_answer", "message": "nothing", "retryable": True}
    history = asked.after
    for attempt in range(2, MAX_ATTEMPTS + 1):
        outcome = answering(history, request, None, status=CallStatus.FAILED, **silence)
        [request] = requests(outcome.then(ToolCallRequested))
        assert request.attempt == attempt
        history = outcome.after
    outcome = answering(history, request, None, status=CallStatus.FAILED, **silence)
    failed = outcome.event(TaskFailed)
    assert (failed.error_code, failed.retryable) == ("rehearsal_failed", True)


@pytest.mark.parametrize("category", [None, Category.REVERSIBLE])
def test_what_is_no_read_is_never_asked_to_rehearse(category: Category | None) -> None:
    tools = dict(REGISTERED)
    rehearsal = tools.pop("simulate_failover")
    if category is not None:
        tools[rehearsal.name] = rehearsal.model_copy(update={"category": category})
    outcome = asking(failover(), tools=tools).then(TaskSubmitted, TaskSpecified, TaskFailed)
    failed = outcome.event(TaskFailed)
    assert failed.error_code == "validation_error"
    assert "simulate_failover" in failed.message


def test_more_rehearsals_than_a_plan_can_rest_on_are_not_begun() -> None:
    # An intent has fewer steps than that; an agent may draft more.
    agents = (ManyAgent(_WINDOWS, frozenset(), count=MAX_EVIDENCE + 1),)
    failed = asking(failover(), agents=agents).event(TaskFailed)
    assert failed.error_code == "validation_error"
    assert str(MAX_EVIDENCE) in failed.message
    fits = asking(failover(), agents=(ManyAgent(_WINDOWS, frozenset(), count=MAX_EVIDENCE),))
    assert len(requests(fits)) == MAX_EVIDENCE


@dataclass(frozen=True)
class ManyAgent(RunbookAgent):
    """Hands over as many clusters as it is told to."""

    count: int = 1

    def draft(
        self,
        submitted: TaskSubmitted,
        spec: TaskSpec,
        answers: Mapping[str, JsonValue],
        tools: Mapping[str, ToolDescriptor],
        constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    ) -> Draft:
        steps = tuple(
            step_for(
                "Steps",
                1,
                tools["execute_failover"],
                f"db-{number}",
                {"asset": f"db-{number}", "primary": "b", "reason_code": "drill"},
            )
            for number in range(self.count)
        )
        return Draft("runbook", "Hand over", (DraftPhase("Steps", steps),), self.count)
