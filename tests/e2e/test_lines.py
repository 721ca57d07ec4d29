"""What the house does with tasks, from the intent to the end, through every service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from smartops.contracts.bounds import Limits
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import (
    TargetClaimed,
    TargetReleased,
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskCancelled,
    TaskEscalated,
    TaskGrantRevoked,
    TaskPaused,
    TaskPhaseStarted,
    TaskPlanned,
    TaskPreconditionsStale,
    TaskResumed,
    TaskRollbackStarted,
    TaskStarted,
    TaskSubmitted,
    ToolCallDenied,
    ToolCallDispatched,
)
from smartops.contracts.wire import Environment
from smartops.sdk.anchors import read_anchors
from smartops.sdk.chain import verify
from smartops.sdk.errors import Refused
from support.stacks import House, comes_true

# ---- the course of a task --------------------------------------------------------------------


async def test_approved_drift_is_remedied_phase_by_phase(house: House) -> None:
    servers = await house.take(3)
    task = await house.drift(*servers)
    granted = await house.approve(task)

    assert await house.outcome(task) == "completed"
    assert (granted.automatic, [voice.actor_name for voice in granted.approvals]) == (
        False,
        ["ada"],
    )
    assert await house.versions(*servers) == ["2.4.1"] * 3
    written = house.writes(*servers)
    assert [line["server"] for line in written] == list(servers)
    assert {line["headers"]["x-smartops-task"] for line in written} == {str(task)}
    phases = [one.name for one in await house.told(TaskPhaseStarted, task)]
    assert phases == ["Canary", "Wave 1", "Wave 2"]


async def test_a_canary_that_falls_ill_is_taken_back_and_nothing_else_is_touched(
    house: House,
) -> None:
    canary, other = await house.take(2)
    fault = {"mode": "unhealthy_after_change", "server": canary}
    await house.stack.ask_fleet("POST", "/admin/faults", fault)
    task = await house.drift(canary, other)
    await house.approve(task)

    assert await house.outcome(task) == "rolled_back"
    assert await house.versions(canary, other) == ["2.4.0", "2.4.0"]
    assert len(house.writes(canary)) == 2
    assert house.writes(other) == []


async def test_reversible_steps_in_staging_run_by_themselves(house: House) -> None:
    task = await house.staged("stage-alone", steps=3)

    assert await house.outcome(task) == "completed"
    [granted] = await house.told(TaskApprovalGranted, task)
    assert (granted.automatic, granted.approvals) == (True, ())
    assert await house.told(TaskApprovalRequired, task) == []
    assert len(await house.told(ToolCallDispatched, task)) == 3


async def test_a_rejection_ends_the_task(house: House) -> None:
    [server] = await house.take(1)
    task = await house.drift(server)
    required = await house.until(task, TaskApprovalRequired)

    decided = await house.approver.decide(
        task, required.plan_hash, required.assessment_hash, "reject", "not today"
    )

    assert decided.outcome == "rejected"
    assert await house.outcome(task) == "rejected"
    with pytest.raises(Refused) as late:
        await house.approver.decide(task, required.plan_hash, required.assessment_hash, "approve")
    assert late.value.code == "decided"
    assert house.writes(server) == []


async def test_cancelling_under_way_takes_back_what_was_done(house: House) -> None:
    servers = await house.take(2)
    task = await house.drift(*servers)
    await house.approve(task)
    await house.until(task, ToolCallDispatched)

    await house.operator.cancel(task, "enough")

    assert await house.outcome(task) == "cancelled"
    await house.until(task, TaskRollbackStarted)
    await house.until(task, TaskCancelled)
    assert await house.versions(*servers) == ["2.4.0", "2.4.0"]
    assert len(house.writes(servers[0])) == 2
    assert house.writes(servers[1]) == []


async def test_a_run_that_outgrows_its_grant_is_stopped_and_can_still_be_taken_back(
    house: House,
) -> None:
    servers = await house.take(3)
    task = await house.drift(*servers)
    required = await house.until(task, TaskApprovalRequired)
    hashes = (required.plan_hash, required.assessment_hash)
    with pytest.raises(Refused) as wide:
        await house.approver.decide(task, *hashes, "approve", limits=Limits(max_targets=4))
    assert (wide.value.code, wide.value.field) == ("too_wide", "limits.max_targets")

    await house.approver.decide(task, *hashes, "approve", limits=Limits(max_targets=1))

    revoked = await house.until(task, TaskGrantRevoked)
    assert revoked.principal == "tool_gateway"
    paused = await house.until(task, TaskPaused)
    assert "denied" in paused.reason or "revoked" in paused.reason
    [denied] = await house.told(ToolCallDenied, task)
    assert denied.reason_code == "outside_envelope"
    assert denied.message == f"targets granted: 1; {servers[1]} is number 2"
    with pytest.raises(Refused):
        await house.operator.resume(task, "go on all the same")
    assert await house.versions(*servers) == ["2.4.1", "2.4.0", "2.4.0"]

    await house.operator.cancel(task, "then not at all")

    assert await house.outcome(task) == "cancelled"
    assert await house.versions(*servers) == ["2.4.0", "2.4.0", "2.4.0"]
    assert house.writes(*servers[1:]) == []


async def test_nothing_goes_out_between_pause_and_resume(house: House) -> None:
    servers = await house.take(2)
    task = await house.drift(*servers)
    await house.approve(task)
    await house.until(task, ToolCallDispatched)

    await house.operator.pause(task, "wait a moment")
    paused = await house.event(task, TaskPaused)
    assert house.writes(servers[1]) == []
    await house.operator.resume(task, "go on")
    resumed = await house.event(task, TaskResumed)

    assert await house.outcome(task) == "completed"
    log = await house.reader.events(task)
    pause, resume = log.index(paused), log.index(resumed)
    dispatched = [n for n, event in enumerate(log) if isinstance(event.data, ToolCallDispatched)]
    assert len(dispatched) == 2
    assert dispatched[0] < pause < resume < dispatched[1]
    assert await house.versions(*servers) == ["2.4.1", "2.4.1"]


async def test_a_second_run_waits_until_the_first_has_let_go_of_the_target(house: House) -> None:
    [server] = await house.take(1)
    first, second = await house.drift(server), await house.drift(server)
    await house.approve(first)
    await house.until(first, TaskStarted)
    await house.approve(second)

    assert await house.outcome(first) == "completed"
    # By then there is nothing left to mend: its plan gives way to one that only looks.
    await house.until(second, TaskPreconditionsStale)
    await house.approve(second, plan=2)
    assert await house.outcome(second) == "completed"
    log = await house.reader.events()
    claims = [
        (event.name, event.data.task)
        for event in log
        if isinstance(event.data, TargetClaimed | TargetReleased) and event.data.target == server
    ]
    assert claims == [
        ("target.claimed", first),
        ("target.released", first),
        ("target.claimed", second),
        ("target.released", second),
    ]
    started = next(e for e in log if isinstance(e.data, TaskStarted) and e.task == second)
    freed = next(e for e in log if isinstance(e.data, TargetReleased) and e.task == first)
    assert (freed.position or 0) < (started.position or 0)


async def test_a_run_that_waits_for_its_target_is_paused_resumed_cancelled_and_halted(
    house: House,
) -> None:
    first = await house.staged("stage-held", steps=200)
    await house.until(first, TaskStarted)
    await house.operator.pause(first, "hold the target")
    await house.until(first, TaskPaused)
    second, third, fourth = [await house.staged("stage-held") for _ in range(3)]
    for queued in (second, third, fourth):
        await house.until(queued, TaskApprovalGranted)
        await house.operator.pause(queued, "not yet")
        await house.until(queued, TaskPaused)
    await house.operator.pause(second, "not yet")
    assert len(await house.told(TaskPaused, second)) == 1
    await house.shows(second, "paused")

    await house.operator.cancel(third, "not needed any more")
    assert await house.outcome(third) == "cancelled"
    await house.operator.halt(fourth, "nobody knows")
    escalated = await house.until(fourth, TaskEscalated)
    assert "nothing was changed" in escalated.what_to_do
    await house.operator.cancel(fourth, "looked at it", keep_changes=True)
    await house.until(fourth, TaskCancelled)

    await house.operator.resume(first, "go on")
    assert await house.outcome(first) == "completed"
    assert await house.told(TaskStarted, second) == [], "the target is free, and it stays paused"
    await house.operator.resume(second, "now")
    assert await house.outcome(second) == "completed"
    released = [e for e in await house.told(TargetReleased) if e.target == "stage-held"]
    assert [event.task for event in released] == [first, second]


async def test_everybody_sees_the_status_that_the_log_tells(house: House) -> None:
    completed = await house.staged("stage-seen")
    waiting = await house.staged("stage-waits", approval=True)
    await house.outcome(completed)
    await house.until(waiting, TaskApprovalRequired)

    await house.shows(completed, "completed")
    await house.shows(waiting, "needs_approval")
    await house.operator.cancel(waiting, "only to be seen")
    await house.shows(waiting, "cancelled")


# ---- commands said twice, or wrongly ---------------------------------------------------------


async def test_a_command_said_twice_has_one_effect(house: House) -> None:
    intent = IntentSubmit(
        intent="Do it but once",
        environment=Environment.STAGING,
        context=IntentContext(steps=(WantedStep(tool="noop_write", target="stage-once"),)),
    )
    first = await house.operator.submit(intent, id="once")
    again = await house.operator.submit(intent, id="once")

    assert first.task == again.task
    assert await house.outcome(first.task) == "completed"
    assert len(await house.told(TaskSubmitted, first.task)) == 1
    assert len(await house.told(TaskPlanned, first.task)) == 1
    assert len(await house.told(ToolCallDispatched, first.task)) == 1


async def test_an_id_used_again_for_something_else_is_refused(house: House) -> None:
    first = b'{"intent":"look at nothing","environment":"staging","context":{"agent":"noop"}}'
    other = b'{"intent":"look at something","environment":"staging","context":{"agent":"noop"}}'
    intent = IntentSubmit.model_validate_json(first)
    task = (await house.operator.submit(intent, id="reused")).task
    assert await house.outcome(task) == "completed"
    head = await house.head()

    refused = await house.say("intent.submit", "reused", other)

    assert (refused.code, refused.field) == ("key_reused", "id")
    said = [event.topic for event in await house.reader.events(after=head)]
    # Policy notes the end of the first in its own time.
    assert [topic for topic in said if topic != "track.noted.v1"] == ["command.refused.v2"]


def intent_with(**fields: Any) -> bytes:
    whole = {"intent": "Fix drift on production web servers", "environment": "production"}
    return json.dumps({**whole, **fields}).encode()


STEP = {"tool": "noop_write", "target": "stage-never"}


@pytest.mark.parametrize(
    ("ident", "payload", "code", "field"),
    [
        ("cut-short", b'{"intent": "Fix dri', "malformed", None),
        ("no-object", b"[]", "malformed", None),
        ("unknown", intent_with(urgent=True), "malformed", "urgent"),
        (
            "nested",
            intent_with(context={"scope": {"rolle": "x"}}),
            "malformed",
            "context.scope.rolle",
        ),
        ("missing", b'{"environment":"production"}', "malformed", "intent"),
        ("too-short", intent_with(intent="do"), "malformed", "intent"),
        ("nowhere", intent_with(environment="prod"), "malformed", "environment"),
        (
            "not-a-number",
            b'{"intent":"Fix it","context":{"steps":[{"tool":"noop","arguments":{"n":NaN}}]}}',
            "malformed",
            None,
        ),
        ("twice", b'{"intent":"Fix drift","intent":"Drop it all"}', "malformed", "intent"),
        (
            "secret",
            intent_with(
                context={"steps": [{**STEP, "arguments": {"pad": "AKIAIOSFODNN7EXAMPLE"}}]}
            ),
            "secret",
            "context.steps.0.arguments.pad",
        ),
    ],
)
async def test_a_command_that_is_wrong_is_refused_by_the_name_of_its_field(
    house: House, ident: str, payload: bytes, code: str, field: str | None
) -> None:
    async with house.without_effect():
        refused = await house.say("intent.submit", ident, payload)

    assert refused.code == code, refused
    assert field is None or refused.field == field, refused
    assert b"AKIA" not in refused.model_dump_json().encode()


# ---- history ---------------------------------------------------------------------------------


async def test_the_chain_holds_through_every_anchored_head(house: House) -> None:
    head = await house.head()
    profile = house.operator.profile

    chain = await verify(
        house.reader.log(), heads=read_anchors(profile.home / "anchors", profile.tenant)
    )

    assert chain.position >= head
    assert chain.count > 0

    async def projected() -> bool:
        row = await house.reader.head()
        return row is not None and row["head_position"] >= head

    await comes_true(projected)
