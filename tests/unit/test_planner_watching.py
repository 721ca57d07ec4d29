"""What plans say about watching and waiting: by the agents, by settings, as people write it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskFailed, TaskPlanned
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import Plan
from smartops.contracts.written import WrittenCheck
from smartops.planner.agents import RunbookAgent
from smartops.planner.agents.base import DraftPhase
from smartops.planner.agents.phasing import Windows, step_for
from smartops.planner.domain import Submission, submit
from smartops.planner.state import Task, evolve
from smartops.runtime.decision import Decision
from support.given import given
from support.plans import REQUESTER, TASK, TENANT
from support.registered import REGISTERED

QUEUE = WrittenCheck(type="custom_metric", name="queue", query="max(q)", threshold="< 100")
NIGHT = MaintenanceWindow(start="22:00", end="04:00", timezone="Europe/Berlin")
KEY = UUID(int=5)


def windows(**fields: Any) -> Windows:
    short = (timedelta(seconds=2), timedelta(seconds=1), timedelta(milliseconds=250))
    return Windows(*short, **fields)


def planning(agent: RunbookAgent) -> Decision:
    """The agent plans one patch."""
    arguments = {"asset": "web-01", "version": "2.4.1"}
    wanted = {"tool": "apply_patch", "target": "web-01", "arguments": arguments}
    command = IntentSubmit.model_validate(
        {"intent": "Patch web-01", "context": {"steps": [wanted]}}
    )
    new = Submission(TASK, TENANT, KEY, digest(b"one"), REQUESTER, command)
    return given(Task(), evolve).when(lambda task: submit(task, new, (agent,), REGISTERED)).decision


def runbook(**fields: Any) -> RunbookAgent:
    return RunbookAgent(windows(**fields), frozenset({"apply_patch"}))


def plan_of(decision: Decision) -> Plan:
    [planned] = [event for event in decision.events if isinstance(event, TaskPlanned)]
    return Plan.read(bytes(decision.blobs[0]), plan_hash=planned.plan_hash)


def test_further_checks_conditions_and_windows_of_the_house_stand_in_its_plans() -> None:
    agent = runbook(further=(QUEUE,), rollback_if="queue > 500", maintenance=NIGHT)
    made = plan_of(planning(agent))
    [phase] = made.header.phases
    assert [check.type for check in phase.checks] == ["http_200", "error_rate", "custom_metric"]
    assert {check.interval_ms for check in phase.checks} == {250}, "as for the others"
    assert phase.rollback_if == "queue > 500"
    assert made.header.maintenance == NIGHT


def test_a_plan_that_no_run_could_follow_is_not_announced() -> None:
    decision = planning(runbook(rollback_if="queue > 500"))
    [failed] = [event for event in decision.events if isinstance(event, TaskFailed)]
    assert failed.error_code == "validation_error"
    assert "phases/0/rollback_if" in failed.message
    assert "nobody measures 'queue'" in failed.message
    assert not [event for event in decision.events if isinstance(event, TaskPlanned)]


@pytest.mark.parametrize(
    "fields",
    [
        {"rollback_if": "when people say so"},
        {"further": (WrittenCheck(type="error_rate", threshold="< 5ms"),)},
        {"maintenance": NIGHT.model_copy(update={"timezone": "Nowhere/Atlantis"})},
    ],
    ids=["condition", "check", "time zone"],
)
def test_settings_that_no_plan_could_hold_keep_the_planner_from_starting(
    fields: dict[str, Any],
) -> None:
    windows(further=(QUEUE,), maintenance=NIGHT).check()
    with pytest.raises((Malformed, ValueError)):
        windows(**fields).check()


def test_agents_may_write_phases_as_people_do() -> None:
    arguments = {"asset": "a", "version": "2"}
    step = step_for("Canary", 1, REGISTERED["apply_patch"], "a", arguments)
    phase = DraftPhase.written(
        {
            "name": "Canary",
            "wait_time": "30m",
            "order": "sequential",
            "batch": 5,
            "health_checks": [{"type": "error_rate", "threshold": "< 1%", "timeout": "5m"}],
            "rollback_if": "error_rate > 1%",
        },
        (step,),
    )
    assert (phase.wait_ms, phase.parallel, phase.batch) == (1_800_000, False, 5)
    assert phase.checks[0].timeout_ms == 300_000
    with pytest.raises(Malformed, match="wait_time"):
        DraftPhase.written({"name": "Canary", "wait_time": "half an hour"}, (step,))
