"""A grant with a condition, measured through every service: kept, broken under way, refused."""

from __future__ import annotations

import pytest
from smartops.contracts.bounds import Limits
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskConditionChecked,
    TaskGrantRevoked,
    TaskPhaseCompleted,
    TaskRolledBack,
    TaskStepSettled,
    TaskStopping,
)
from smartops.contracts.wire import Purpose
from smartops.sdk.errors import Refused
from support.stacks import House

LOW = Limits(condition="error_rate < 0.5%")
"""Closer than the one per cent that the plan's own checks, and its `rollback_if`, allow."""


async def test_an_approver_lets_a_rollout_go_on_while_errors_are_few_and_it_completes(
    house: House,
) -> None:
    servers = await house.take(2)
    task = await house.drift(*servers)
    required = await house.until(task, TaskApprovalRequired)
    hashes = (required.plan_hash, required.assessment_hash)
    nobody = Limits(condition="queue_depth < 10")
    with pytest.raises(Refused) as unmeasured:
        await house.approver.decide(task, *hashes, "approve", limits=nobody)
    assert (unmeasured.value.code, unmeasured.value.field) == ("no_condition", "limits.condition")

    await house.approver.decide(task, *hashes, "approve", limits=LOW)

    assert await house.outcome(task) == "completed"
    [granted] = await house.told(TaskApprovalGranted, task)
    assert granted.envelope is not None
    assert granted.envelope.condition == LOW.condition
    assert await house.versions(*servers) == ["2.4.1"] * 2
    checked = await house.told(TaskConditionChecked, task)
    assert [(one.phase, one.outcome) for one in checked] == [
        (0, "holds"),
        (0, "holds"),
        (1, "holds"),
        (1, "holds"),
    ]
    looked = {
        one.call
        for one in await house.told(TaskStepSettled, task)
        if one.purpose is Purpose.OBSERVE
    }
    assert all(one.calls and set(one.calls) <= looked for one in checked)
    assert await house.told(TaskGrantRevoked, task) == []


async def test_errors_that_rise_under_way_end_the_grant_and_what_was_changed_is_taken_back(
    house: House,
) -> None:
    servers = await house.take(3)
    task = await house.drift(*servers)
    required = await house.until(task, TaskApprovalRequired)
    hashes = (required.plan_hash, required.assessment_hash)
    await house.approver.decide(task, *hashes, "approve", limits=LOW)
    await house.until(task, TaskPhaseCompleted)
    # On the canary, whose own watching is over; and too little for any check of the plan.
    rises = {"mode": "error_rate", "server": servers[0], "value": 0.007}
    await house.stack.ask_fleet("POST", "/admin/faults", rises)

    revoked = await house.until(task, TaskGrantRevoked)

    assert revoked.principal == "runner"
    told = "granted while error_rate < 0.5%, and it does not hold: error_rate 0.00"
    assert revoked.reason.startswith(told)
    assert await house.outcome(task) == "rolled_back"
    await house.until(task, TaskRolledBack)
    stopping = await house.until(task, TaskStopping)
    assert (stopping.then, "error_rate < 0.5%" in stopping.reason) == ("roll_back", True)
    last = (await house.told(TaskConditionChecked, task))[-1]
    assert (last.outcome, last.phase > 0) == ("broken", True)
    assert await house.versions(*servers) == ["2.4.0"] * 3
    assert house.writes(servers[2]) == []
    with pytest.raises(Refused):
        await house.operator.resume(task, "go on all the same")
