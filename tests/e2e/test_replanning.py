"""Plans that give way to others: edited, rejected with a wish, no longer true."""

from __future__ import annotations

from uuid import UUID

import pytest
from smartops.contracts.commands import IntentContext, IntentSubmit, Scope, WantedStep
from smartops.contracts.constraints import Constraints
from smartops.contracts.editing import ArgumentChange, Edit
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskEvidenceAttached,
    TaskPhaseStarted,
    TaskPlanEditAccepted,
    TaskPlanned,
    TaskPlanSuperseded,
    TaskPreconditionsStale,
    TaskReopened,
    TaskStarted,
)
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Environment
from smartops.sdk.errors import Refused
from support.stacks import House, comes_true, house_at


async def asked_by_a_stranger(house: House, *servers: str) -> UUID:
    """Drift to be mended, asked for by nobody who could decide on it."""
    intent = IntentSubmit(
        intent="Fix drift on production web servers",
        environment=Environment.PRODUCTION,
        context=IntentContext(scope=Scope(asset_ids=servers)),
    )
    return (await house.people["stranger"].submit(intent)).task


def to_version(version: str) -> Edit:
    """Another version than the golden one."""
    change = ArgumentChange(tool="apply_patch", argument="version", value=version)
    return Edit(changes=(change,))


async def plan_of(house: House, task: UUID, number: int) -> Plan:
    """A plan of the task, as it is stored."""
    found: list[Plan] = []

    async def stored() -> bool:
        found.extend(
            Plan.read(bytes(row["document"]), plan_hash=row["plan_hash"])
            for row in await house.reader.plans(task)
            if row["number"] == number and row["document"] is not None
        )
        return bool(found)

    await comes_true(stored)
    return found[0]


async def states(house: House, task: UUID) -> list[str]:
    """The states of the task's plans, oldest first."""
    rows = sorted(await house.reader.plans(task), key=lambda row: row["number"])
    return [str(row["state"]) for row in rows]


async def test_an_edited_plan_runs_once_somebody_else_approves_it(house: House) -> None:
    servers = await house.take(2)
    task = await asked_by_a_stranger(house, *servers)
    first = await house.until(task, TaskApprovalRequired)

    await house.approver.edit(task, first.plan_hash, to_version("2.4.7"), "not the newest one")

    with pytest.raises(Refused) as late:
        await house.operator.decide(task, first.plan_hash, first.assessment_hash, "approve")
    assert late.value.code in ("superseded", "stale")
    second = await house.until(task, TaskApprovalRequired, times=2)
    assert (second.number, second.plan_hash == first.plan_hash) == (2, False)
    hashes = (second.plan_hash, second.assessment_hash)
    with pytest.raises(Refused) as own:
        await house.approver.decide(task, *hashes, "approve")
    assert "edited the plan" in own.value.message
    await house.operator.decide(task, *hashes, "approve")

    assert await house.outcome(task) == "completed"
    assert await house.versions(*servers) == ["2.4.7", "2.4.7"]
    [granted] = await house.told(TaskApprovalGranted, task)
    assert (granted.number, granted.plan_hash) == (2, second.plan_hash)
    before, after = await plan_of(house, task, 1), await plan_of(house, task, 2)
    assert after.header.evidence == before.header.evidence
    assert after.header.editor is not None
    assert after.header.editor.principal == house.approver.principal
    assert after.targets() == before.targets()
    assert await states(house, task) == ["superseded", "approved"]


async def test_a_rejected_plan_is_written_anew_within_what_was_asked_for(house: House) -> None:
    servers = await house.take(3)
    task = await house.drift(*servers)
    first = await house.until(task, TaskApprovalRequired)
    wish = Constraints(exclude_assets=(servers[2],), max_batch_size=1, canary_required=True)

    decided = await house.approver.decide(
        task,
        first.plan_hash,
        first.assessment_hash,
        "reject",
        "web-3 is being worked on",
        then="replan",
        constraints=wish,
    )

    assert decided.outcome == "rejected"
    second = await house.until(task, TaskApprovalRequired, times=2)
    reopened = await house.until(task, TaskReopened)
    assert (reopened.because, reopened.feedback) == ("rejected", "web-3 is being worked on")
    assert reopened.constraints == wish
    plan = await plan_of(house, task, 2)
    assert plan.targets() == servers[:2]
    assert len(await house.told(TaskEvidenceAttached, task)) == 4, "it was looked at once more"
    await house.approver.decide(task, second.plan_hash, second.assessment_hash, "approve")

    assert await house.outcome(task) == "completed"
    assert await house.versions(*servers) == ["2.4.1", "2.4.1", "2.4.0"]
    assert await states(house, task) == ["rejected", "approved"]


async def test_planning_anew_ends_after_so_many_times(house: House) -> None:
    [server] = await house.take(1)
    task = await house.drift(server)
    for number in range(1, 5):
        asked = await house.until(task, TaskApprovalRequired, times=number)
        await house.approver.decide(
            task, asked.plan_hash, asked.assessment_hash, "reject", "no", then="replan"
        )

    assert await house.outcome(task) == "rejected"
    *_, last = await house.told(TaskApprovalRejected, task)
    assert last.then == "archive"
    assert "3 times" in last.detail
    assert len(await house.told(TaskPlanned, task)) == 4
    assert house.writes(server) == []


async def test_what_changed_since_the_plan_sends_it_back_before_anything_is_written(
    house: House,
) -> None:
    servers = await house.take(2)
    task = await house.drift(*servers)
    first = await house.until(task, TaskApprovalRequired)
    body = {"version": "2.4.1"}
    await house.stack.ask_fleet("PUT", f"/v1/servers/{servers[0]}/version", body)
    before = len(house.writes(*servers))

    await house.approver.decide(task, first.plan_hash, first.assessment_hash, "approve")

    stale = await house.until(task, TaskPreconditionsStale)
    assert [one.target for one in stale.stale] == [servers[0]]
    superseded = await house.until(task, TaskPlanSuperseded)
    assert (superseded.because, superseded.then) == ("stale", "replan")
    second = await house.until(task, TaskApprovalRequired, times=2)
    assert len(house.writes(*servers)) == before, "nothing was written before"
    assert await house.told(TaskPhaseStarted, task) == []
    plan = await plan_of(house, task, 2)
    assert plan.targets() == servers[1:]
    await house.shows(task, "needs_approval")
    await house.approver.decide(task, second.plan_hash, second.assessment_hash, "approve")

    assert await house.outcome(task) == "completed"
    runs = {one.run for one in await house.told(TaskStarted, task)}
    assert len(runs) == 2
    assert len(house.writes(*servers)) == before + 1
    assert await states(house, task) == ["superseded", "approved"]


async def test_a_task_can_be_cancelled_while_its_plan_is_written_anew(house: House) -> None:
    [server] = await house.take(1)
    task = await house.drift(server)
    first = await house.until(task, TaskApprovalRequired)
    await house.approver.edit(task, first.plan_hash, to_version("2.4.8"), "another one")
    await house.operator.cancel(task, "not at all")

    assert await house.outcome(task) == "cancelled"
    assert await house.told(TaskApprovalGranted, task) == []
    assert house.writes(server) == []


async def test_an_edit_that_cannot_be_is_refused_at_the_door(house: House) -> None:
    [server] = await house.take(1)
    task = await house.drift(server)
    first = await house.until(task, TaskApprovalRequired)
    [other] = await house.take(1)

    def change(argument: str, value: object, **which: str) -> Edit:
        told = {"argument": argument, "value": value, **({"tool": "apply_patch"} | which)}
        return Edit(changes=(ArgumentChange.model_validate(told),))

    for edit, code, field in (
        (change("asset", other), "unfit", "changes.0.argument"),
        (change("version", "not a version!"), "unfit", "changes.0.value"),
        (change("version", 7), "unfit", "changes.0.value"),
        (change("colour", "blue"), "unfit", "changes.0.value"),
        (change("version", "2.4.7", tool="restart_server"), "unfit", "changes.0"),
        (change("version", "2.4.1"), "unfit", "changes"),
        (Edit(exclude=("web-unheard-of",)), "unfit", "exclude.0"),
        (change("version", "ghp_" + "a1B2" * 9), "secret", "changes.0.value"),
        (change("version", "ada@example.com"), "personal_data", "changes.0.value"),
    ):
        with pytest.raises(Refused) as no:
            await house.approver.edit(task, first.plan_hash, edit, "try")
        assert (no.value.code, no.value.field) == (code, field), edit
    servers = await house.take(11)
    many = await house.drift(*servers)
    asked = await house.until(many, TaskApprovalRequired)
    with pytest.raises(Refused) as no_canary:
        await house.approver.edit(many, asked.plan_hash, Edit(exclude=servers[:1]), "try")
    assert no_canary.value.code == "unfit"
    assert "policy would refuse the plan" in no_canary.value.message
    await house.operator.cancel(many, "enough of that")
    with pytest.raises(Refused) as nobody:
        await house.people["stranger"].edit(task, first.plan_hash, to_version("2.4.7"), "try")
    assert nobody.value.code == "unmapped"
    assert await house.told(TaskPlanEditAccepted, task) == []
    await house.operator.cancel(task, "enough of that")


async def test_a_runbook_that_looks_first_goes_back_when_its_target_was_changed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    planner = {"SMARTOPS_RUNBOOKS_LOOK_FIRST": "true"}
    home = tmp_path_factory.mktemp("careful")
    async with house_at(home, servers=2, service_env={"planner": planner}) as house:
        [server] = await house.take(1)
        wanted = WantedStep(
            tool="apply_patch", target=server, arguments={"asset": server, "version": "2.4.9"}
        )
        intent = IntentSubmit(
            intent="Put the special version onto it",
            environment=Environment.PRODUCTION,
            context=IntentContext(steps=(wanted,)),
        )
        task = (await house.operator.submit(intent)).task
        await house.until(task, TaskApprovalRequired)
        body = {"version": "2.4.5"}
        await house.stack.ask_fleet("PUT", f"/v1/servers/{server}/version", body)
        await house.approve(task)
        await house.until(task, TaskPreconditionsStale)
        assert await house.versions(server) == ["2.4.5"]
        await house.approve(task, plan=2)

        assert await house.outcome(task) == "completed"
        assert await house.versions(server) == ["2.4.9"]
