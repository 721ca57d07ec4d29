"""What a plan is weighed on, on real servers: evidence from the log, settings from the file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import TaskApprovalGranted, TaskApprovalRequired, TaskPlanRefused
from smartops.contracts.wire import Environment
from smartops.sdk.plan_card import PlanCard
from support.stacks import House, house_at


async def card_of(house: House, task: UUID) -> PlanCard:
    return await house.approver.card(task)


async def test_a_drift_plan_is_weighed_on_what_the_gateway_has_seen(house: House) -> None:
    servers = await house.take(2)
    task = await house.drift(*servers)
    required = await house.until(task, TaskApprovalRequired)

    told = (await card_of(house, task)).assessment

    assert required.risk_level == told["risk"]["level"]
    assert {one["tool"] for one in told["evidence"]} == {"query_assets", "get_golden_image"}
    assert told["unconfirmed_evidence"] == 0
    assert told["risk"]["parts"]["drift"]["points"] == 100
    assert told["risk"]["parts"]["environment"]["points"] == 80
    radius = told["blast_radius"]
    assert (radius["changed_assets"], radius["total_assets"]) == (2, 2)
    assert (radius["total_by_inventory"], radius["unknown_assets"]) == (True, 2)
    assert told["quality_score"]["structural"] == 20
    assert {reason["from"] for reason in told["reasons"]} == {"safety", "plan", "gate"}
    await house.operator.cancel(task, "only to be seen")


MODES = {
    "environments": {"staging": {"cooldown": "PT0S"}, "development": {"mode": "plan_only"}},
    "tools": {"noop_write": {"mode": "approve_all", "environments": ["staging"]}},
}


@pytest.fixture(scope="module")
async def modest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house with modes of its own, in which no agent has lost a level yet."""
    home = tmp_path_factory.mktemp("modes")
    path = home / "modes.json"
    path.write_text(json.dumps(MODES), encoding="utf-8")
    env = {"policy": {"SMARTOPS_AUTONOMY_FILE": str(path)}}
    async with house_at(home / "house", service_env=env) as modest:
        yield modest


async def asked(house: House, environment: Environment) -> UUID:
    """Ask for a write that does nothing."""
    intent = IntentSubmit(
        intent="Do the usual",
        environment=environment,
        context=IntentContext(steps=(WantedStep(tool="noop_write", target="quiet-1"),)),
    )
    return (await house.operator.submit(intent)).task


async def test_steps_that_the_requester_wrote_down_rest_on_that_alone(modest: House) -> None:
    task = await asked(modest, Environment.SANDBOX)
    assert await modest.outcome(task) == "completed"

    told = (await card_of(modest, task)).assessment

    assert (told["requires_approval"], told["evidence"]) == (False, [])
    assert told["risk"]["score"] < 50
    assert told["risk"]["parts"]["dependencies"]["points"] == 100
    assert told["blast_radius"]["total_by_inventory"] is False
    assert told["quality_score"]["structural"] == 20


async def test_an_agent_rests_between_two_runs_that_nobody_approves(modest: House) -> None:
    """The file says nothing of the sandbox: there the rest is five minutes."""
    first = await asked(modest, Environment.SANDBOX)
    granted = await modest.event(first, TaskApprovalGranted, TaskApprovalRequired)
    if isinstance(granted.data, TaskApprovalGranted):
        assert await modest.outcome(first) == "completed"
    again = await asked(modest, Environment.SANDBOX)
    required = await modest.until(again, TaskApprovalRequired)
    assert "gate.approval.cooldown" in required.reasons


async def test_a_tools_mode_asks_for_a_person_where_its_environment_would_not(
    modest: House,
) -> None:
    required = await modest.until(await asked(modest, Environment.STAGING), TaskApprovalRequired)
    assert "gate.approval.approve_all" in required.reasons


async def test_where_plans_are_only_made_none_reaches_a_person(modest: House) -> None:
    task = await asked(modest, Environment.DEVELOPMENT)
    refused = await modest.until(task, TaskPlanRefused)
    assert {one.rule.rpartition(".")[2] for one in refused.problems} == {"plan_only"}
    assert {one.stage for one in refused.problems} <= {"policy", "gate"}
    assert await modest.told(TaskApprovalRequired, task) == []
