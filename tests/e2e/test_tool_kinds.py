"""Tools of every kind against systems with real state: what they promise is what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.editing import ArgumentChange, Edit
from smartops.contracts.events import (
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCompleted,
    TaskEvidenceAttached,
    TaskFailed,
    TaskPaused,
    TaskPlanned,
    TaskRolledBack,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.rehearsing import rehearsed
from smartops.contracts.wire import Environment, Purpose
from support.stacks import House, house_at

CLUSTER = "orders-db"


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house_at(tmp_path_factory.mktemp("kinds"), servers=8) as open_house:
        yield open_house


def step(tool: str, target: str, **arguments: Any) -> WantedStep:
    return WantedStep(tool=tool, target=target, arguments={"asset": target, **arguments})


def intent(*steps: WantedStep) -> IntentSubmit:
    return IntentSubmit(
        intent="Do these things",
        environment=Environment.STAGING,
        context=IntentContext(approval=True, steps=steps),
    )


async def ask(house: House, *steps: WantedStep) -> UUID:
    """Ask for steps in staging, and have them approved."""
    task = (await house.operator.submit(intent(*steps))).task
    await house.approve(task)
    return task


async def denied(house: House, task: UUID) -> ToolCallDenied:
    """Why a step did not go out; its task is cancelled, so that others get at its target."""
    found = await house.until(task, ToolCallDenied)
    await house.until(task, TaskPaused)
    await house.operator.cancel(task, "seen enough")
    await house.until(task, TaskCancelled)
    return found


async def spoil(house: House, mode: str, target: str, operation: str, **more: object) -> None:
    fault = {"mode": mode, "server": target, "operation": operation, **more}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)


async def fetch(house: House, path: str) -> dict[str, Any]:
    return dict(await house.stack.ask_fleet("GET", path))


def applied(house: House, target: str) -> list[dict[str, Any]]:
    """What took effect on a target, in order, with the request that asked for it."""
    lines = house.lines()
    asked = {line["n"]: line for line in lines if "n" in line}
    return [
        {**asked[line["applied"]], "result": line["result"]}
        for line in lines
        if "applied" in line and line["server"] == target
    ]


async def test_a_setting_is_changed_under_the_revision_that_was_approved(house: House) -> None:
    key = "search.page-size"
    task = await ask(house, step("set_config_value", key, value="50", expected_revision=1))
    await house.event(task, TaskCompleted)
    assert await fetch(house, f"/v1/config/{key}") == {"key": key, "value": "50", "revision": 2}
    [effect] = applied(house, key)
    [sent] = await house.told(ToolCallDispatched, task)
    assert effect["headers"]["x-smartops-call"] == str(sent.call)
    assert sent.before == {"key": key, "value": "20", "revision": 1}


async def test_a_setting_that_somebody_changed_meanwhile_is_left_alone(house: House) -> None:
    key = "search.cache-seconds"
    task = await ask(house, step("set_config_value", key, value="5", expected_revision=7))
    failed = await house.until(task, ToolCallFailed)
    assert failed.error_code == "precondition_failed"
    assert await house.outcome(task) == "failed_terminal"
    assert applied(house, key) == []
    assert (await fetch(house, f"/v1/config/{key}"))["revision"] == 1


async def test_a_lost_answer_of_a_setting_is_cleared_up_by_reading_it_back(house: House) -> None:
    key = "checkout.retries"
    await spoil(house, "apply_then_drop", key, "set_config", times=1)
    task = await ask(house, step("set_config_value", key, value="4", expected_revision=1))
    doubt = await house.until(task, ToolCallUncertain)
    assert doubt.next == "probe"
    settled = await house.until(task, ToolCallSettled)
    assert settled.applied
    await house.event(task, TaskCompleted)
    assert len(applied(house, key)) == 1, "sent once: no key would have kept it from a second time"


async def test_a_changed_setting_is_put_back_when_a_later_step_fails(house: House) -> None:
    key = "checkout.timeout-ms"
    task = await ask(
        house,
        step("set_config_value", key, value="9000", expected_revision=1),
        step("set_config_value", key, value="9999", expected_revision=1),
    )
    await house.event(task, TaskRolledBack)
    assert await fetch(house, f"/v1/config/{key}") == {"key": key, "value": "3000", "revision": 3}
    assert [effect["operation"] for effect in applied(house, key)] == [
        "set_config",
        "restore_config",
    ]


async def test_a_failover_is_rehearsed_before_anybody_is_asked(house: House) -> None:
    wanted = step("execute_failover", CLUSTER, primary="orders-db-3", reason_code="drill")
    task = (await house.operator.submit(intent(wanted))).task
    required = await house.until(task, TaskApprovalRequired)
    [shown] = (await house.until(task, TaskEvidenceAttached)).evidence
    plan = (await house.operator.card(task)).plan
    assert rehearsed(plan.steps[0], [shown])
    assert shown.digest in plan.header.evidence
    assert plan.header.summary.endswith("; rehearsed: execute_failover on orders-db")
    [asked] = await house.told(ToolCallRequested, task)
    assert (asked.purpose, asked.tool) == (Purpose.EVIDENCE, "simulate_failover")
    assert asked.arguments == {"asset": CLUSTER, "primary": "orders-db-3"}
    assert [line for line in house.record() if line["server"] == CLUSTER] == []
    await house.approver.decide(task, required.plan_hash, required.assessment_hash, "reject")
    await house.event(task, TaskApprovalRejected)


async def test_an_edited_failover_is_rehearsed_as_it_is_now(house: House) -> None:
    wanted = step("execute_failover", CLUSTER, primary="orders-db-3", reason_code="drill")
    task = (await house.operator.submit(intent(wanted))).task
    first = await house.until(task, TaskApprovalRequired)
    change = ArgumentChange(tool="execute_failover", argument="primary", value="orders-db-2")

    await house.approver.edit(task, first.plan_hash, Edit(changes=(change,)), "the other one")

    second = await house.until(task, TaskApprovalRequired, times=2)
    plan = (await house.operator.card(task, second.plan_hash)).plan
    attached = await house.told(TaskEvidenceAttached, task)
    seen = [found for event in attached for found in event.evidence]
    assert len(seen) == 2
    assert plan.steps[0].arguments["primary"] == "orders-db-2"
    assert rehearsed(plan.steps[0], seen[1:])
    assert not rehearsed(plan.steps[0], seen[:1])
    assert seen[1].digest in plan.header.evidence
    await house.operator.cancel(task, "seen enough")
    await house.until(task, TaskCancelled)


async def test_a_failover_that_would_not_work_is_not_even_planned(house: House) -> None:
    await house.stack.ask_fleet(
        "POST", "/admin/faults", {"mode": "unhealthy_now", "server": "orders-db-3"}
    )
    wanted = step("execute_failover", CLUSTER, primary="orders-db-3", reason_code="drill")
    task = (await house.operator.submit(intent(wanted))).task
    failed = await house.until(task, TaskFailed)
    await house.stack.ask_fleet("DELETE", "/admin/faults")
    assert failed.error_code == "rehearsal_failed"
    assert failed.message.startswith("rehearsal by simulate_failover on orders-db: ")
    assert "unhealthy" in failed.message
    assert await house.told(TaskPlanned, task) == []


async def test_a_failover_says_why_out_of_the_listed_reasons(house: House) -> None:
    task = await ask(
        house,
        step("execute_failover", CLUSTER, primary="orders-db-2", reason_code="because"),
    )
    said = await denied(house, task)
    assert said.reason_code == "no_reason_code"
    assert "maintenance" in said.message


async def test_a_rehearsed_failover_goes_out_and_is_taken_back(house: House) -> None:
    task = await ask(
        house,
        step("simulate_failover", CLUSTER, primary="orders-db-2"),
        step("execute_failover", CLUSTER, primary="orders-db-2", reason_code="maintenance"),
        step("simulate_failover", CLUSTER, primary="nobody"),
    )
    await house.event(task, TaskRolledBack)
    done = await house.told(ToolCallCompleted, task)
    purposes = [call.facts.purpose for call in done if call.facts.tool == "execute_failover"]
    assert purposes == [Purpose.DO, Purpose.UNDO]
    there, back = applied(house, CLUSTER)
    assert there["result"] == {
        "id": CLUSTER,
        "primary": "orders-db-2",
        "previous_primary": "orders-db-1",
    }
    assert back["result"]["primary"] == "orders-db-1"
    assert (await fetch(house, f"/v1/clusters/{CLUSTER}"))["failovers"] == 2


async def test_a_backup_takes_its_time_within_one_call_and_a_lost_answer_starts_no_second(
    house: House,
) -> None:
    [server] = await house.take(1)
    await spoil(house, "apply_then_drop", server, "run_backup", times=1)
    await spoil(house, "fail_next", server, "get_backup", value=1)
    task = await ask(house, step("run_backup", server, label="nightly"))
    await house.event(task, TaskCompleted)
    [done] = await house.told(ToolCallCompleted, task)
    assert done.output == {"server": server, "label": "nightly", "state": "done", "percent": 100}
    assert [effect["operation"] for effect in applied(house, server)] == ["run_backup"]
    assert [line["operation"] for line in house.writes(server)] == ["run_backup", "run_backup"]


async def test_a_drained_server_is_undrained_and_a_backup_deleted_when_a_later_step_fails(
    house: House,
) -> None:
    [server] = await house.take(1)
    await spoil(house, "fail_next", server, "restart", value=9)
    task = await ask(
        house,
        step("drain_server", server),
        step("run_backup", server, label="before"),
        step("run_backup", server, label="before"),
    )
    await house.event(task, TaskRolledBack)
    assert [effect["operation"] for effect in applied(house, server)] == [
        *("drain", "run_backup", "delete_backup", "undrain"),
    ]
    found = next(one for one in await house.stack.fleet() if one["id"] == server)
    assert found["draining"] is False


async def test_a_server_that_was_drained_before_is_so_again_after_a_rollback(house: House) -> None:
    [server] = await house.take(1)
    await house.stack.ask_fleet("POST", f"/v1/servers/{server}/drain", {})
    task = await ask(
        house,
        step("drain_server", server),
        step("undrain_server", server),
        step("run_backup", server, label="one"),
        step("run_backup", server, label="one"),
    )
    await house.event(task, TaskRolledBack)
    found = next(one for one in await house.stack.fleet() if one["id"] == server)
    assert found["draining"] is True


@pytest.mark.parametrize(
    ("mode", "more"), [("refuse", {"times": 1}), ("delay", {"value": 400.0, "times": 1})]
)
async def test_a_write_that_was_held_up_takes_effect_once(
    house: House, mode: str, more: dict[str, object]
) -> None:
    [server] = await house.take(1)
    await spoil(house, mode, server, "drain", **more)
    task = await ask(house, step("drain_server", server))
    await house.event(task, TaskCompleted)
    assert [effect["operation"] for effect in applied(house, server)] == ["drain"]
