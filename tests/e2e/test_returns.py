"""Policy changes in the middle of a run: the rest of its plan goes back to the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from smartops.contracts.commands import BundleActivate
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskCancelled,
    TaskEscalated,
    TaskFailed,
    TaskGrantRevoked,
    TaskPlanReturned,
    TaskResumed,
    ToolCallDenied,
    ToolCallDispatched,
)
from smartops.contracts.wire import Purpose
from smartops.policy_engine import Bundle
from smartops.sdk.errors import Refused
from support.governing import activate, agreed, in_force, stopped
from support.policy_documents import bundle_with
from support.stacks import House, house_at

HALFWAY = """
package smartops.tool_call

denials contains {
	"rule": "halfway.no_further", "path": "/arguments/n", "message": "so far, and no further",
} if {
	input.purpose == "do"
	input.arguments.n >= LIMIT
}
"""

CLOSED = """
package smartops.plan

denials contains {
	"rule": "closed.no_plans", "path": "/steps", "message": "nothing is planned today",
} if {
	some step in input.steps
	step.category != "read"
}
"""

STEPS = 4


@pytest.fixture(scope="module")
async def governed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose policy the tests below change, and leave as it was."""
    replicas = {"policy": 2, "tool_gateway": 2}
    async with house_at(tmp_path_factory.mktemp("returns"), replicas=replicas) as house:
        yield house


def halfway(limit: int) -> Bundle:
    """Ours, and a rule that denies a step, and those after it, by an argument."""
    text = HALFWAY.replace("LIMIT", str(limit))
    return bundle_with(halfway__rego=text, without=".cases.json")


def closed(limit: int) -> Bundle:
    """The same, and no plan that changes anything is allowed either."""
    text = HALFWAY.replace("LIMIT", str(limit))
    return bundle_with(halfway__rego=text, closed__rego=CLOSED, without=".cases.json")


async def overtaken(house: House, target: str, bundle: Bundle) -> tuple[UUID, str]:
    """A task whose run meets a bundle that came after its approval; and the one before."""
    before = str((await in_force(house))["digest"])
    await agreed(house, bundle)
    task = await house.staged(target, approval=True, steps=STEPS)
    with stopped(house, "runner"):
        await house.approve(task)
        await activate(house, bundle.digest)
    return task, before


async def sent(house: House, task: UUID, purpose: Purpose) -> list[str]:
    """What went out for a task, in order."""
    told = await house.told(ToolCallDispatched, task)
    return [one.facts.question for one in told if one.facts.purpose is purpose]


async def test_a_run_that_policy_stops_goes_on_where_it_stood_once_people_agree_again(
    governed: House,
) -> None:
    task, before = await overtaken(governed, "stage-goes-on", halfway(2))
    returned = await governed.until(task, TaskPlanReturned)
    assert (returned.applied, returned.steps, returned.problems) == (2, STEPS, ())
    [withheld] = returned.withheld
    assert withheld.reasons[0].rule == "halfway.no_further"
    again = await governed.until(task, TaskApprovalRequired, times=2)
    await governed.shows(task, "needs_approval")
    with pytest.raises(Refused, match="must be approved once more") as refused:
        await governed.operator.resume(task, "let it go on")
    assert refused.value.code == "returned"

    card = await governed.operator.card(task)
    assert card.assessment["returned"]["applied"] == 2
    assert card.assessment["returned"]["withheld"][0]["step"] == withheld.step
    # While policy denies the very step that it came back for, a yes would decide nothing.
    with pytest.raises(Refused, match="policy still denies what it came back for: so far"):
        await governed.approver.decide(task, card.plan_hash, card.assessment_hash, "approve")

    await activate(governed, before)
    granted = await governed.approve(task, plan=2)
    assert again.assessment_hash == card.assessment_hash == granted.assessment_hash
    assert await governed.outcome(task) == "completed"
    first, second = await governed.told(TaskApprovalGranted, task)
    assert (first.grant, second.grant, first.run == second.run) == (1, 2, True)
    steps = await sent(governed, task, Purpose.DO)
    assert len(steps) == len(set(steps)) == STEPS, "a step went out twice"
    assert len(await governed.told(ToolCallDenied, task)) == 1
    [resumed] = await governed.told(TaskResumed, task)
    assert "approved once more" in resumed.reason


async def test_a_plan_that_came_back_is_taken_back_when_somebody_says_no(
    governed: House,
) -> None:
    task, before = await overtaken(governed, "stage-taken-back", halfway(3))
    required = await governed.until(task, TaskApprovalRequired, times=2)
    await governed.approver.decide(
        task, required.plan_hash, required.assessment_hash, "reject", note="enough"
    )
    assert await governed.outcome(task) == "cancelled"
    [cancelled] = await governed.told(TaskCancelled, task)
    assert (cancelled.undone, cancelled.kept) == (3, 0)
    await activate(governed, before)
    with pytest.raises(Refused):
        await governed.approve(task, plan=2)
    assert len(await sent(governed, task, Purpose.DO)) == 3


async def test_what_the_new_policy_does_not_allow_at_all_is_asked_of_nobody(
    governed: House,
) -> None:
    task, before = await overtaken(governed, "stage-closed", closed(1))
    escalated = await governed.until(task, TaskEscalated)
    [returned] = await governed.told(TaskPlanReturned, task)
    assert [one.rule for one in returned.problems] == ["closed.no_plans"]
    assert [one.principal for one in await governed.told(TaskGrantRevoked, task)] == ["policy"]
    assert len(escalated.not_undone) == 1
    assert len(await governed.told(TaskApprovalRequired, task)) == 1
    await governed.operator.cancel(task, "take it back")
    await governed.until(task, TaskCancelled)
    [cancelled] = await governed.told(TaskCancelled, task)
    assert cancelled.undone == 1

    await governed.operator.change_bundle(BundleActivate(digest=before, reason="open"))
    task, before = await overtaken(governed, "stage-shut", closed(0))
    failed = await governed.until(task, TaskFailed)
    assert (failed.error_code, failed.retryable) == ("step_refused", False)
    await activate(governed, before)
