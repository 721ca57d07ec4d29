"""Nobody decides in time, nobody knows whether it happened, nobody may go on: what then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from smartops.contracts.catalogue import AUDIT, SERVICES
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import (
    TargetReleased,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskCancelled,
    TaskEscalated,
    TaskFailed,
    TaskRollbackStarted,
    TaskStarted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallUncertain,
)
from smartops.contracts.wire import Environment
from smartops.runner.steps import MAX_ATTEMPTS
from smartops.sdk.errors import Refused
from support.stacks import House, house_at


@pytest.fixture(scope="module")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house where people have three seconds to decide."""
    async with house_at(
        tmp_path_factory.mktemp("hasty"),
        services=[service for service in SERVICES if service != AUDIT],
        service_env={"policy": {"SMARTOPS_APPROVAL_TTL": "PT3S"}},
    ) as house:
        yield house


_DETAILS = {"apply_patch": {"version": "2.4.1"}, "restart_server": {"reason": "it hangs"}}


async def on(house: House, tool: str, server: str) -> UUID:
    """Ask for one call on one server in staging, which a person has to approve."""
    arguments = {"asset": server} | _DETAILS[tool]
    intent = IntentSubmit(
        intent="Do this one thing",
        environment=Environment.STAGING,
        context=IntentContext(
            approval=True, steps=(WantedStep(tool=tool, target=server, arguments=arguments),)
        ),
    )
    return (await house.operator.submit(intent)).task


async def spoil(house: House, mode: str, server: str, operation: str, times: int) -> None:
    """Switch a fault on."""
    fault = {"mode": mode, "server": server, "operation": operation, "times": times}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)


async def test_an_approval_that_nobody_gives_in_time_expires_and_stays_expired(
    hasty: House,
) -> None:
    [server] = await hasty.take(1)
    task = await hasty.drift(server)
    required = await hasty.until(task, TaskApprovalRequired)

    expired = await hasty.event(task, TaskApprovalExpired)

    assert expired.time >= required.expires_at
    with pytest.raises(Refused) as late:
        await hasty.approver.decide(task, required.plan_hash, required.assessment_hash, "approve")
    assert late.value.code == "decided"
    assert await hasty.told(TaskApprovalGranted, task) == []
    assert await hasty.told(TaskStarted, task) == []
    assert hasty.writes(server) == []


async def test_a_restart_whose_answer_was_lost_is_never_repeated_and_goes_to_a_person(
    hasty: House,
) -> None:
    [server] = await hasty.take(1)
    await spoil(hasty, "apply_then_drop", server, "restart", 1)
    task = await on(hasty, "restart_server", server)
    await hasty.approve(task)

    escalated = await hasty.until(task, TaskEscalated)

    [uncertain] = await hasty.told(ToolCallUncertain, task)
    assert uncertain.next == "human"
    assert escalated.open_calls == (uncertain.call,)
    assert len(hasty.writes(server)) == 1
    assert await hasty.told(TargetReleased, task) == [], "nobody else may touch it meanwhile"
    await hasty.operator.cancel(task, "looked at it: it did restart", keep_changes=True)
    await hasty.until(task, TaskCancelled)
    assert len(await hasty.told(TargetReleased, task)) == 1
    assert len(hasty.writes(server)) == 1


async def test_after_a_halt_not_even_a_lost_answer_is_asked_for_again(hasty: House) -> None:
    [server] = await hasty.take(1)
    await spoil(hasty, "apply_then_drop", server, "set_version", 4)
    task = await on(hasty, "apply_patch", server)
    await hasty.approve(task)
    await hasty.event(task, ToolCallUncertain, times=3)  # The fourth send is three seconds away.

    await hasty.operator.halt(task, "stop everything")

    await hasty.until(task, TaskEscalated)
    assert len(await hasty.told(ToolCallDispatched, task)) == 3
    assert len(hasty.writes(server)) == 3


async def test_what_nobody_could_reach_fails_for_now_and_what_was_refused_for_good(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    env = {"tool_gateway": {"SMARTOPS_FLEET_URL": url}}
    async with house_at(tmp_path / "house", servers=1, service_env=env) as house:
        unreachable = await on(house, "restart_server", "web-01")
        await house.approve(unreachable)
        assert await house.outcome(unreachable) == "failed_retryable"
        [failed] = await house.told(TaskFailed, unreachable)
        assert (failed.error_code, failed.retryable) == ("attempts_used_up", True)
        assert "unreachable" in failed.message
        assert len(await house.told(ToolCallFailed, unreachable)) == MAX_ATTEMPTS
        assert await house.told(TaskRollbackStarted, unreachable) == []
        assert len(await house.told(TargetReleased, unreachable)) == 1
        await house.shows(unreachable, "failed_retryable")
        with pytest.raises(Refused) as late:
            await house.operator.cancel(unreachable, "too late")
        assert late.value.code == "ended"

        # Its target is free again: another run begins at it, and fails for good.
        wrong = WantedStep(tool="compute", target="web-01", arguments={"code": "1 / 0"})
        intent = IntentSubmit(
            intent="Compute what cannot be computed",
            environment=Environment.STAGING,
            context=IntentContext(approval=True, steps=(wrong,)),
        )
        refused = (await house.operator.submit(intent)).task
        await house.approve(refused)
        assert await house.outcome(refused) == "failed_terminal"
        [failed] = await house.told(TaskFailed, refused)
        assert (failed.error_code, failed.retryable) == ("step_refused", False)
        assert "ZeroDivisionError" in failed.message
        await house.shows(refused, "failed_terminal")
